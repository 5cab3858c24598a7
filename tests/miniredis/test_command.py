"""A usage line says the arity and the places of the keys; every row of the table is checked against the real server in
tests/oracles."""

import pytest

from miniredis.command import COMMANDS, arity_of, find, key_range_of


@pytest.mark.parametrize(
    ("usage", "arity", "keys"),
    [
        ("GET key", 2, (1, 1, 1)),
        ("SET key value [NX | XX] [GET] [EX seconds | PX milliseconds]", -3, (1, 1, 1)),
        ("MSET key value [key value ...]", -3, (1, -1, 2)),
        ("BLPOP key [key ...] timeout", -3, (1, -2, 1)),
        ("RENAME key newkey", 3, (1, 2, 1)),
        ("BITOP operation destkey key [key ...]", -4, (2, -1, 1)),
        ("LINSERT key <BEFORE | AFTER> pivot element", 5, (1, 1, 1)),
        ("OBJECT ENCODING key", 3, (2, 2, 1)),
        ("PING [message]", -1, (0, 0, 0)),
    ],
)
def test_a_usage_line_says_how_many_words_and_where_the_keys_are(usage, arity, keys):
    assert (arity_of(usage), key_range_of(usage)) == (arity, keys)


def test_a_name_is_found_in_any_case_and_a_subcommand_in_its_container():
    assert find([b"gEt", b"k"]) is COMMANDS[b"GET"]
    encoding = find([b"object", b"EnCoding", b"k"])
    assert encoding is not None and encoding.name == "object|encoding"
    unknown = find([b"object", b"nothing"])
    assert unknown is not None and unknown.name == "object"
    assert find([b"nothing"]) is None


def test_every_command_has_a_docstring_that_ends_in_its_cost():
    rows = {row for top in COMMANDS.values() for row in (top, *top.subcommands.values()) if row.handler}
    assert [row.name for row in rows if not row.docstring] == []
