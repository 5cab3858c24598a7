"""COMMAND: the command table, told to clients.

Nothing is written down twice: arity, flags and keys come from the declarations and `command_facts.py`, arguments from
the usage line, summary and complexity from the docstring.

Source: Redis 7.2 `server.c`; documentation, COMMAND, COMMAND DOCS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniredis.command import COMMANDS, LOADING, STALE, Command, command, find
from miniredis.command_facts import (
    CATEGORIES,
    DEPRECATED,
    INTERNAL,
    categories,
    flag_names,
    group,
    key_specs,
    keys_and_flags,
    names_keys,
    tips,
)
from miniredis.command_help import add_help, split_docstring
from miniredis.errors import RedisError, SyntaxFault
from miniredis.glob import matches
from miniredis.usage import arguments_of
from miniredis.wire.replies import SetReply, Status

if TYPE_CHECKING:
    from miniredis.session import Session

ASKING = LOADING | STALE


def all_commands() -> list[Command]:
    """Every command once, containers without their subcommands."""
    return list(dict.fromkeys(COMMANDS.values()))


def subcommands(row: Command) -> list[Command]:
    return list(dict.fromkeys(row.subcommands.values()))


def named(name: bytes) -> Command | None:
    """The command called `get` or `config|get`."""
    first, bar, second = name.upper().partition(b"|")
    row = COMMANDS.get(first)
    return row.subcommands.get(second) if row is not None and bar else row


@command("COMMAND", ASKING, since="2.8.13", group="server", arity=-1)
def command_(session: Session) -> list[Any]:
    """Everything about every command.  O(N) in the commands."""
    return [described(row) for row in all_commands()]


@command("COMMAND COUNT", ASKING, since="2.8.13", group="server")
def command_count(session: Session) -> int:
    """How many commands there are.  O(1)."""
    return len(all_commands())


@command("COMMAND INFO [command-name [command-name ...]]", ASKING, since="2.8.13", group="server")
def command_info(session: Session, *names: bytes) -> list[Any]:
    """Everything about these commands, or all.  O(N) in the commands."""
    rows = [named(name) for name in names] if names else all_commands()
    return [None if row is None else described(row) for row in rows]


def described(row: Command) -> list[Any]:
    """One command as COMMAND INFO shows it."""
    return [
        row.name,
        row.arity if row.handler is not None else -2,
        SetReply(map(Status, flag_names(row))),
        *key_range(row),
        SetReply(map(Status, categories(row))),
        SetReply(tips(row)),
        SetReply(with_statuses(spec.description()) for spec in key_specs(row)),
        SetReply(described(child) for child in subcommands(row)),
    ]


def key_range(row: Command) -> tuple[int, int, int]:
    """(first, last, step) of the keys, as clients older than key specifications read them."""
    specs = [spec for spec in key_specs(row) if spec.index is not None and not spec.counted]
    if not specs:
        return 0, 0, 0
    first = specs[0].index or 0
    last, step = first, specs[0].step
    for spec in specs:
        assert spec.index is not None
        last = spec.last if spec.last < 0 else max(last, spec.index + spec.last)
    return first, last, step


def with_statuses(spec: dict[str, Any]) -> dict[str, Any]:
    """A key specification, its flags as simple strings."""
    return {**spec, "flags": SetReply(map(Status, spec["flags"]))}


@command(
    "COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
    ASKING,
    since="7.0.0",
    group="server",
)
def command_list(session: Session, *words: bytes) -> list[str]:
    """The names of all commands, or of those in a category or like a pattern.  O(N) in the commands."""
    everything = [row for parent in all_commands() for row in (parent, *subcommands(parent))]
    if not words:
        return [row.name for row in everything]
    if len(words) != 3 or words[0].upper() != b"FILTERBY":
        raise SyntaxFault
    kind, wanted = words[1].upper(), words[2]
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        category = wanted.decode("latin-1").lower()
        return [row.name for row in everything if category in CATEGORIES and f"@{category}" in categories(row)]
    if kind == b"PATTERN":
        return [row.name for row in everything if matches(wanted, row.name.encode(), ignore_case=True)]
    raise SyntaxFault


@command("COMMAND DOCS [command-name [command-name ...]]", ASKING, since="7.0.0", group="server")
def command_docs(session: Session, *names: bytes) -> dict[str, Any]:
    """What commands are for and how they are called.  O(N) in the commands."""
    rows = [row for name in names if (row := named(name)) is not None] if names else all_commands()
    return {row.name: documented(row) for row in rows}


def documented(row: Command) -> dict[str, Any]:
    """One command as COMMAND DOCS shows it."""
    summary, complexity = split_docstring(row)
    shown: dict[str, Any] = {
        "summary": summary or f"Commands about {row.name}.",
        "since": row.since if row.handler else min(child.since for child in subcommands(row)),
        "group": group(row),
        "complexity": complexity or "Depends on subcommand.",
    }
    if row.name in DEPRECATED:
        since, instead = DEPRECATED[row.name]
        shown |= {"doc_flags": SetReply([Status("deprecated")]), "deprecated_since": since, "replaced_by": instead}
    elif row.name in INTERNAL:
        shown["doc_flags"] = SetReply([Status("syscmd")])
    words = 1 + row.name.count("|")
    if row.handler is not None and (arguments := arguments_of(row.usage, words)):
        key_numbers = [0]
        shown["arguments"] = [with_flag_set(argument.description(key_numbers)) for argument in arguments]
    if row.subcommands:
        shown["subcommands"] = {child.name: documented(child) for child in subcommands(row)}
    return shown


def with_flag_set(argument: dict[str, Any]) -> dict[str, Any]:
    """An argument, its flags as a set of simple strings, its parts likewise."""
    if "flags" in argument:
        argument["flags"] = SetReply(map(Status, argument["flags"]))
    if "arguments" in argument:
        argument["arguments"] = [with_flag_set(part) for part in argument["arguments"]]
    return argument


@command("COMMAND GETKEYS command [arg [arg ...]]", ASKING, since="2.8.13", group="server", arity=-4)
def command_getkeys(session: Session, *request: bytes) -> list[bytes]:
    """The keys in a request.  O(N) in its words."""
    return [key for key, _ in found_keys(request)]


@command("COMMAND GETKEYSANDFLAGS command [arg [arg ...]]", ASKING, since="7.0.0", group="server", arity=-4)
def command_getkeysandflags(session: Session, *request: bytes) -> list[Any]:
    """The keys in a request, and what would be done to each.  O(N) in its words."""
    return [[key, SetReply(map(Status, flags))] for key, flags in found_keys(request)]


def found_keys(request: tuple[bytes, ...]) -> list[tuple[bytes, tuple[str, ...]]]:
    """Raises RedisError where there is no such command, it has no keys, or is given too few words."""
    row = find(list(request))
    if row is None:
        raise RedisError("ERR Invalid command specified")
    if not names_keys(row):
        raise RedisError("ERR The command has no key arguments")
    if not row.accepts(len(request)):
        raise RedisError("ERR Invalid number of arguments specified for command")
    found = keys_and_flags(row, list(request))
    if not found and "no_mandatory_keys" not in flag_names(row):
        raise RedisError("ERR Invalid arguments specified for command")
    return found


add_help("COMMAND", since="5.0.0")
