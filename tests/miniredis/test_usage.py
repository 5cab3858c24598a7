"""Usage lines as trees."""

import pytest

from miniredis.usage import Argument, arguments_of


def shape(arguments):
    """The tree as text: name:kind, with token=, ? optional, * repeated, and parts in brackets."""
    return " ".join(
        f"{one.token + '=' if one.token and one.kind != 'pure-token' else ''}{one.name}:{one.kind}"
        + ("?" if one.optional else "")
        + ("*" if one.multiple else "")
        + (f"({shape(one.parts)})" if one.parts else "")
        for one in arguments
    )


@pytest.mark.parametrize(
    ("usage", "tree"),
    [
        ("GET key", "key:key"),
        ("DEL key [key ...]", "key:key*"),
        ("MSET key value [key value ...]", "key_value:block*(key:key value:string)"),
        ("SET key value [NX | XX]", "key:key value:string nx_xx:oneof?(nx:pure-token xx:pure-token)"),
        ("GETEX key [EX seconds | PERSIST]", "key:key seconds_persist:oneof?(EX=seconds:integer persist:pure-token)"),
        ("ZRANGE key start stop [LIMIT offset count]",
         "key:key start:integer stop:integer LIMIT=offset_count:block?(offset:integer count:integer)"),
        ("ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]]",
         "numkeys:integer key:key* WEIGHTS=weight:integer?*"),
        ("LIST [TYPE <A | B>]", "TYPE=a_b:oneof?(a:pure-token b:pure-token)"),
        ("PING", ""),
    ],
)  # fmt: skip
def test_a_line_becomes_its_tree(usage, tree):
    assert shape(arguments_of(usage, 1)) == tree


def test_a_description_numbers_the_keys():
    numbers = [0]
    both = [argument.description(numbers) for argument in arguments_of("RENAME key newkey", 1)]
    assert both == [
        {"name": "key", "type": "key", "display_text": "key", "key_spec_index": 0},
        {"name": "newkey", "type": "key", "display_text": "newkey", "key_spec_index": 1},
    ]


def test_tokens_are_not_filled_in():
    assert arguments_of("CLIENT REPLY <ON | OFF>", 2) == [
        Argument("on_off", "oneof", parts=[Argument("on", "pure-token", "ON"), Argument("off", "pure-token", "OFF")])
    ]
