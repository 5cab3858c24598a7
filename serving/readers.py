r"""The formats a setting can come in.  Text goes in, `Given` comes out; nothing here opens a file or knows an
option.

    redis.conf        name word "a \"quoted\" word"        read_redis_conf
    Java properties   name = value, name: value            read_properties         Kafka
    rabbitmq.conf     name.of.parts = value                read_rabbitmq_conf
    TOML              [table] name = value                 read_toml               our own servers
    environment       MINI_REDIS_TCP_BACKLOG=511           read_environment
    arguments         redis.conf --port 6380 --save 60 1   read_arguments

A file that includes others gets an `Include`: a pattern goes in, the files it names come out as (name, text).
The order in which a server is told is file, environment, arguments, and the last one wins.

Sources: Redis 7.2 `config.c` loadServerConfigFromString and `server.c` main; java.util.Properties.load;
RabbitMQ's Cuttlefish grammar `conf_parse.peg`.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from serving.config import Given, SettingError, Table
from serving.words import split_words

Include = Callable[[str], Iterable[tuple[str, str]]]
"""A path or pattern -> name and text of each file it means.  Raises OSError when there is none."""

INCLUDE_DEPTH = 16
"""Includes within includes at most: a file that includes itself is a mistake with a clear end."""


class Arguments(NamedTuple):
    """The command line: at most one file, whether `-` asked for standard input, and the options."""

    config_file: str | None
    standard_input: bool
    given: list[Given]


def _include_nothing(pattern: str) -> Iterable[tuple[str, str]]:
    raise FileNotFoundError(2, "No such file or directory", pattern)


def _included(pattern: str, where: str, include: Include, depth: int) -> Iterable[tuple[str, str]]:
    if depth == INCLUDE_DEPTH:
        raise SettingError("include", pattern, where, f"more than {INCLUDE_DEPTH} files deep")
    try:
        return list(include(pattern))
    except OSError as error:
        raise SettingError("include", pattern, where, error.strerror or str(error)) from None


def read_redis_conf(
    text: str, file: str = "redis.conf", include: Include = _include_nothing, depth: int = 0
) -> Iterator[Given]:
    """`include` takes effect where it stands; names in any case.  Raises SettingError for an open quote."""
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip(" \t\r")
        where = f"{file}, line {number}"
        if not line or line.startswith("#"):
            continue
        try:
            name, *words = split_words(line) or [""]
        except ValueError as error:
            raise SettingError(line, "", where, str(error)) from None
        if name.lower() == "include" and len(words) == 1:
            for included, content in _included(words[0], where, include, depth):
                yield from read_redis_conf(content, included, include, depth + 1)
        elif name:
            yield Given(name.lower(), words, where)


PROPERTY_NAME = re.compile(r"((?:[^\\=:\s]|\\.)*)\s*(?:[=:]\s*)?(.*)", re.DOTALL)
PROPERTY_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.)|$)", re.DOTALL)
PROPERTY_NAMED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def read_properties(text: str, file: str = "server.properties") -> Iterator[Given]:
    """`#` and `!` begin comments, a backslash at the end joins lines, the first = : or space divides."""
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        line = line.lstrip(" \t\f")
        if not line or line[0] in "#!":
            continue
        while _goes_on(line):
            line = line[:-1] + next(lines, (0, ""))[1].lstrip(" \t\f")
        match = PROPERTY_NAME.fullmatch(line)
        assert match is not None  # the pattern takes any text
        yield Given(_unescape(match[1]), [_unescape(match[2])], f"{file}, line {number}")


def _goes_on(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else PROPERTY_NAMED.get(match[2] or "", match[2] or "")

    return PROPERTY_ESCAPE.sub(one, text)


RABBITMQ_NAME = r"(?:[A-Za-z0-9_-]|\\\.)+(?:\.(?:[A-Za-z0-9_-]|\\\.)+)*"
RABBITMQ_SETTING = re.compile(rf"({RABBITMQ_NAME})[ \t]*=[ \t]*(?:'([^']*)'[ \t]*(?:#.*)?|([^#]*).*)")
RABBITMQ_INCLUDE = re.compile(r"include[ \t]+([A-Za-z0-9_.*/-]+)[ \t]*(?:#.*)?")


def read_rabbitmq_conf(
    text: str, file: str = "rabbitmq.conf", include: Include = _include_nothing, depth: int = 0
) -> Iterator[Given]:
    """`name = value`; a `#` anywhere begins a comment unless the value stands in single quotes."""
    for number, line in enumerate(text.splitlines(), start=1):
        line, where = line.strip(" \t"), f"{file}, line {number}"
        if not line or line.startswith("#"):
            continue
        if setting := RABBITMQ_SETTING.fullmatch(line):
            value = setting[3].rstrip(" \t") if setting[2] is None else setting[2]
            if value or setting[2] is not None:
                yield Given(setting[1].replace("\\.", "."), [value], where)
                continue
        elif included := RABBITMQ_INCLUDE.fullmatch(line):
            for name, content in _included(included[1], where, include, depth):
                yield from read_rabbitmq_conf(content, name, include, depth + 1)
            continue
        raise SettingError(line, "", where, "expected: name = value")


def read_toml(text: str, file: str = "mini.toml") -> Iterator[Given]:
    """Tables join their names with dots, array entries by number: [[upstreams]] host -> upstreams.0.host.

    A list of plain values becomes the words of one option.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError("", "", file, str(error)) from None
    yield from _toml_table(document, "", file)


def _toml_table(table: Mapping[str, Any], prefix: str, file: str) -> Iterator[Given]:
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, dict):
            yield from _toml_table(value, name + ".", file)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            yield from _toml_table({str(i): item for i, item in enumerate(value)}, name + ".", file)
        else:
            items = value if isinstance(value, list) else [value]
            yield Given(name, [_toml_text(item) for item in items], f"{file}, {name}")


def _toml_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_environment(environment: Mapping[str, str], prefix: str, table: Table) -> Iterator[Given]:
    """Variables that begin with `prefix` ("MINI_REDIS_"), in the order of their names; dashes and dots are
    underscores.

    A variable with the prefix that names no option is given all the same: the table then says that it is
    unknown.
    """
    names = {re.sub(r"\W", "_", name).upper(): name for name in table.named}
    for variable in sorted(environment):
        if variable.startswith(prefix):
            short = variable.removeprefix(prefix)
            yield Given(names.get(short.upper(), short.lower()), [environment[variable]], variable)


def read_arguments(arguments: Sequence[str]) -> Arguments:
    """The command line as redis-server reads it, `arguments` without the program's name.

    A first word without a dash is the configuration file, `-` in the first or last place standard input.
     What follows `--name` belongs to it up to the next `--`, and its first word may itself begin with dashes
    (a password may); `--save` alone means `--save ""`, and "--port 6380" may be one argument.
    """
    words = list(arguments)
    config_file = words.pop(0) if words and not words[0].startswith("-") else None
    standard_input = False
    given: list[Given] = []
    needs_a_word = False
    for i, word in enumerate(words):
        if word == "-" and ((i == 0 and config_file is None) or i == len(words) - 1):
            standard_input = True
        elif word.startswith("--") and not needs_a_word:
            try:
                name, *rest = split_words(word[2:]) or [""]
            except ValueError as error:
                raise SettingError(word, "", "arguments", str(error)) from None
            following = words[i + 1] if i + 1 < len(words) else "--"
            if name.lower() == "save" and not rest and following.startswith("--"):
                rest = [""]
            given.append(Given(name.lower(), rest, f"--{name}"))
            needs_a_word = not rest
        else:
            if not given:
                raise SettingError(word, "", "arguments", "Bad directive or wrong number of arguments")
            given[-1] = given[-1]._replace(words=[*given[-1].words, word])
            needs_a_word = False
    return Arguments(config_file, standard_input, given)
