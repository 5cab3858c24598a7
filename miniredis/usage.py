"""Usage lines as trees: what COMMAND DOCS calls arguments, and redis-cli shows as hints.

    SET key value [NX | XX] [EX seconds | KEEPTTL]

becomes, in the order of the line, a key, a string, an optional choice between two tokens, and an optional choice
between a token with an integer behind it and a token alone.  A word in capitals is a token; lower case is something to
fill in, and its name tells its type.  `key [key ...]` is one argument that may be repeated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

INTEGERS = {
    "count", "cursor", "db", "decrement", "destination-db", "first", "index", "index1", "index2", "len", "milliseconds",
    "max-deleted-id", "maxlen", "num-matches", "numkeys", "numlocal", "numreplicas", "offset", "protover", "rank",
    "seconds", "start", "stop", "end", "timeout", "ttl", "version", "min-match-len", "client-id", "limit", "bit",
    "frequency", "samples", "columns", "precision", "weight",
}  # fmt: skip
DOUBLES = {"score", "longitude", "latitude", "radius", "width", "height", "min-score", "max-score"}
KEYS = {"key", "key1", "key2", "newkey", "source", "destination", "destkey", "sourcekey"}


@dataclass
class Argument:
    """One node of the tree.  `kind`: key, string, integer, double, pattern, unix-time, pure-token, oneof, block."""

    name: str
    kind: str
    token: str = ""
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    parts: list[Argument] = field(default_factory=list)

    def description(self, key_numbers: list[int]) -> dict[str, Any]:
        """As COMMAND DOCS shows it.  `key_numbers`: one element, the number of keys described so far."""
        shown: dict[str, Any] = {"name": self.name, "type": self.kind}
        if self.kind not in ("oneof", "block"):
            shown["display_text"] = self.name
        if self.kind == "key":
            shown["key_spec_index"] = key_numbers[0]
            key_numbers[0] += 1
        if self.token:
            shown["token"] = self.token
        flags = [name for name in ("optional", "multiple", "multiple_token") if getattr(self, name)]
        if flags:
            shown["flags"] = flags
        if self.parts:
            shown["arguments"] = [part.description(key_numbers) for part in self.parts]
        return shown


def arguments_of(usage: str, words_of_name: int) -> list[Argument]:
    """The arguments of a usage line whose first `words_of_name` words are the command."""
    tokens = re.findall(r"\[|\]|<|>|\||\.\.\.|[^\s\[\]<>|]+", usage)[words_of_name:]
    return _Reader(tokens).sequence()


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def sequence(self) -> list[Argument]:
        """Arguments up to a closing bracket, a `|`, or the end."""
        found: list[Argument] = []
        while self.peek() and self.peek() not in ("]", ">", "|"):
            if self.peek() == "...":
                self.take()
                if found:
                    found[-1].multiple = True
                continue
            for argument in self._one():
                if not _repeats(found, argument):
                    found.append(argument)
        return found

    def _one(self) -> list[Argument]:
        word = self.take()
        if word in ("[", "<"):
            group = self._alternatives()
            self.take()
            argument = _as_one(group)
            argument.optional = argument.optional or word == "["
            return [argument]
        if _is_name(word):
            return [_named(word)]
        following = self.peek()
        if _is_name(following):
            names = [_named(self.take())]
            while _is_name(self.peek()):
                names.append(_named(self.take()))
            argument = names[0] if len(names) == 1 else _block(names)
        elif following == "<":
            argument = self._one()[0]
        else:
            return [Argument(word.lower(), "pure-token", word)]
        argument.token = word
        return [argument]

    def _alternatives(self) -> list[list[Argument]]:
        """What stands between two brackets: alternatives, each a sequence."""
        found = [self.sequence()]
        while self.peek() == "|":
            self.take()
            found.append(self.sequence())
        return found


def _is_name(word: str) -> bool:
    """Something to fill in, as opposed to a token, a bracket, the dots or the end."""
    return bool(re.search(r"[a-z]", word))


def _as_one(alternatives: list[list[Argument]]) -> Argument:
    """One argument for a bracketed group: itself, a block of several, or a choice."""
    nodes = [parts[0] if len(parts) == 1 else _block(parts) for parts in alternatives]
    if len(nodes) == 1:
        return nodes[0]
    return Argument("_".join(node.name for node in nodes), "oneof", parts=nodes)


def _block(parts: list[Argument]) -> Argument:
    return Argument("_".join(part.name for part in parts), "block", parts=parts, multiple=_only_dots(parts))


def _only_dots(parts: list[Argument]) -> bool:
    """`key value ...`: the dots stood behind the last, and mean all."""
    repeated = parts[-1].multiple if parts else False
    if repeated:
        parts[-1].multiple = False
    return repeated


def _repeats(found: list[Argument], argument: Argument) -> bool:
    """`key [key ...]`: the bracket says again what stands before it; that is then one argument, repeated."""
    parts = argument.parts if argument.kind == "block" else [argument]
    if not argument.multiple or [part.name for part in found[-len(parts) :]] != [part.name for part in parts]:
        return False
    if len(parts) == 1:
        found[-1].multiple = True
    else:
        found[-len(parts) :] = [Argument(argument.name, "block", parts=parts, multiple=True)]
    return True


def _named(word: str) -> Argument:
    kind = "string"
    if word in KEYS:
        kind = "key"
    elif word in INTEGERS:
        kind = "integer"
    elif word in DOUBLES:
        kind = "double"
    elif word.startswith("unix-time"):
        kind = "unix-time"
    elif word == "pattern":
        kind = "pattern"
    return Argument(word, kind)
