"""COMMAND: what is told of the commands."""

from miniredis.command_facts import INTERNAL
from miniredis.commands.command_docs import all_commands
from tests.miniredis.engine_fixtures import Redis


def test_info_tells_all_that_is_declared():
    assert Redis()("COMMAND", "INFO", "get", "nosuch") == (
        b"*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n+@read\r\n+@string\r\n+@fast\r\n"
        b"*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n"
        b"$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n"
        b"*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n$-1\r\n"
    )


def test_count_info_and_docs_speak_of_the_same_commands():
    redis = Redis()
    count = len(all_commands())
    assert redis("COMMAND", "COUNT") == b":%d\r\n" % count
    assert redis("COMMAND").startswith(b"*%d\r\n" % count)
    redis("HELLO", 3)
    assert redis("COMMAND", "DOCS").startswith(b"%%%d\r\n" % count)


def test_every_command_says_what_it_does_and_what_it_costs():
    rows = [row for parent in all_commands() for row in {parent, *parent.subcommands.values()} if row.handler]
    silent = [row.name for row in rows if " O(" not in f" {row.docstring}" and "epends on" not in row.docstring]
    assert set(silent) <= INTERNAL


def test_a_list_can_be_filtered():
    redis = Redis()
    assert redis("COMMAND", "LIST", "FILTERBY", "PATTERN", "CONFIG|R*") == (
        b"*2\r\n$16\r\nconfig|resetstat\r\n$14\r\nconfig|rewrite\r\n"
    )
    assert b"$5\r\nmulti\r\n" in redis("COMMAND", "LIST", "FILTERBY", "ACLCAT", "transaction")
    assert redis("COMMAND", "LIST", "FILTERBY", "ACLCAT", "nosuch") == b"*0\r\n"
    assert redis("COMMAND", "LIST", "FILTERBY", "x", "y") == b"-ERR syntax error\r\n"


def test_keys_are_found_in_requests():
    redis = Redis()
    assert redis("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2") == b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    assert redis("COMMAND", "GETKEYS", "EVAL", "x", "2", "a", "b", "c") == b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    assert redis("COMMAND", "GETKEYS", "ZUNIONSTORE", "d", "2", "a", "b") == b"*3\r\n$1\r\nd\r\n$1\r\na\r\n$1\r\nb\r\n"
    assert redis("COMMAND", "GETKEYSANDFLAGS", "SET", "a", "1") == (b"*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n")
    assert redis("COMMAND", "GETKEYSANDFLAGS", "SET", "a", "1", "get") == (
        b"*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n"
    )


def test_requests_without_keys_are_turned_away():
    redis = Redis()
    assert redis("COMMAND", "GETKEYS", "NOSUCH", "a") == b"-ERR Invalid command specified\r\n"
    assert redis("COMMAND", "GETKEYS", "PING", "a") == b"-ERR The command has no key arguments\r\n"
    assert redis("COMMAND", "GETKEYS", "SPUBLISH", "c", "m") == b"-ERR The command has no key arguments\r\n"
    assert redis("COMMAND", "GETKEYS", "GET", "a", "b") == b"-ERR Invalid number of arguments specified for command\r\n"
    assert (
        redis("COMMAND", "GETKEYS", "ZUNIONSTORE", "d", "9", "a") == b"-ERR Invalid arguments specified for command\r\n"
    )


def test_docs_speak_of_arguments_and_of_what_to_use_instead():
    reply = Redis()("COMMAND", "DOCS", "getset")
    for part in (b"deprecated_since", b"replaced_by", b"SET with GET", b"$12\r\ndisplay_text\r\n$3\r\nkey\r\n"):
        assert part in reply


def test_an_unknown_subcommand_of_a_command_that_is_one_itself():
    assert Redis()("COMMAND", "foo") == b"-ERR unknown subcommand 'foo'. Try COMMAND HELP.\r\n"
