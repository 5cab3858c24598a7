"""HELP of a command that has subcommands, made from what they say of themselves.

    CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
    ID
        The number of this connection.
    HELP
        Print this help.

The lines are simple strings, one per element, as every Redis container answers.
"""

from __future__ import annotations

import re
from typing import Any

from miniredis.command import COMMANDS, LOADING, STALE, Command, command
from miniredis.wire.replies import Status


def add_help(container: str, since: str) -> None:
    """Give `container` its HELP; call at the end of the chapter that declares its subcommands."""

    def show_help(session: Any) -> list[Status]:
        """Print this help.  O(1)."""
        return help_lines(COMMANDS[container.encode()])

    group = next(iter(COMMANDS[container.encode()].subcommands.values())).group
    command(f"{container} HELP", LOADING | STALE, since=since, group=group)(show_help)


def help_lines(container: Command) -> list[Status]:
    """Heading, then usage and summary of each subcommand, HELP last."""
    rows = list(dict.fromkeys(container.subcommands.values()))
    rows.sort(key=lambda row: row.name.endswith("|help"))
    lines = [f"{container.name.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for row in rows:
        lines += [row.usage.partition(" ")[2], f"    {summary(row)}"]
    return [Status(line) for line in lines]


def summary(row: Command) -> str:
    """What a command's docstring says before it speaks of cost."""
    return split_docstring(row)[0]


def split_docstring(row: Command) -> tuple[str, str]:
    """(summary, complexity): the docstring up to the sentence that begins with O(, and from there."""
    text = re.sub(r"\s+", " ", row.docstring).strip()
    before, cost, after = text.partition(" O(")
    return before.strip(), (cost + after).strip()
