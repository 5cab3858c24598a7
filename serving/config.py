"""One table of options per server: what may be said, what it means, what it is now.

    OPTIONS = Table([
        Option("maxmemory", Memory, 0, "Bytes of data to hold at most; 0 means no limit."),
        Option("appendfsync", Choice, "everysec", "When durable.", choices=("everysec", "always", "no")),
        Option("admin-port", Integer, 0, "Metrics and health over HTTP; 0: none.", ours=True, mutable=False),
    ])
    settings = OPTIONS.load(read_redis_conf(text, "redis.conf"), read_environment(...), arguments.given)
    settings.maxmemory                          # a plain attribute: as fast as Python has it

The readers (readers.py) know formats and no option; the table knows options and no format.  What a reader
yields is a `Given`: a name, its words, and where it stood, so that a complaint can say where to look.  Later
ones win.

The real servers differ: Redis keeps one C table with a setter per type (`config.c`), Kafka a ConfigDef of
Java calls, RabbitMQ an Erlang schema translated at build time.  All three answer the same four questions, and
so does this one: what is it now (`get`), change it (`set`), keep it (`rewrite`), what is there (`help_text`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from serving.kinds import Kind
from serving.words import split_words

HELP_WIDTH = 100


class Given(NamedTuple):
    """One thing a user said: a name, the words behind it, where it stood ("redis.conf, line 3", "--port")."""

    name: str
    words: Sequence[str]
    where: str


class SettingError(Exception):
    """A setting that cannot be: `str()` is the line to show a user."""

    def __init__(self, name: str, value: str, where: str, reason: str) -> None:
        super().__init__(name, value, where, reason)
        self.name, self.value, self.where, self.reason = name, value, where, reason

    def __str__(self) -> str:
        what = " ".join(part for part in (self.name, self.value) if part)
        return ": ".join(part for part in (self.where, what and f"'{what}'", self.reason) if part)


class UnknownOption(SettingError):
    """No option has that name."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One row of a table.

    default    the value, or its text as a user would write it
    mutable    may change while the server runs
    protected  changes only where `Settings.set(..., protected=True)` allows it: paths a client should not
    choose secret     never shown in logs or help hidden     stands in files and arguments only: no CONFIG
    GET, SET or REWRITE (Redis's rename-command, loadmodule) effect     False: accepted and answered, but
    changes nothing here; loading lists the ones a user gave ours       the real server has no such option
    multiple   a second line adds to the first instead of replacing it aliases    other names with the same
    value check      called with a value the kind accepted; raises ValueError with the reason
    """

    name: str
    kind: Kind
    default: Any
    doc: str
    choices: tuple[str, ...]
    minimum: int | None
    maximum: int | None
    mutable: bool
    protected: bool
    secret: bool
    hidden: bool
    effect: bool
    ours: bool
    multiple: bool
    aliases: tuple[str, ...]
    check: Callable[[Any], None] | None
    attribute: str

    def __init__(
        self,
        name: str,
        kind: Kind | type[Kind],
        default: Any,
        doc: str = "",
        *,
        choices: Sequence[str] = (),
        minimum: int | None = None,
        maximum: int | None = None,
        mutable: bool = True,
        protected: bool = False,
        secret: bool = False,
        hidden: bool = False,
        effect: bool = True,
        ours: bool = False,
        multiple: bool = False,
        aliases: Sequence[str] = (),
        check: Callable[[Any], None] | None = None,
    ) -> None:
        def assign(**values: Any) -> None:
            for attribute, value in values.items():
                object.__setattr__(self, attribute, value)

        assign(name=name, doc=doc, choices=tuple(choices), minimum=minimum, maximum=maximum)
        assign(mutable=mutable, protected=protected, secret=secret, hidden=hidden, effect=effect, ours=ours)
        assign(multiple=multiple, aliases=tuple(aliases), check=check)
        assign(kind=kind() if isinstance(kind, type) else kind, attribute=re.sub(r"\W", "_", name))
        assign(default=self.parse([default]) if isinstance(default, str) else default)

    def parse(self, words: Sequence[str]) -> Any:
        """The value that `words` spell.  Raises ValueError with the reason."""
        if self.kind.several and len(words) == 1 and words[0]:
            words = split_words(words[0])
        value = self.kind.parse(words, self)
        if self.check is not None:
            self.check(value)
        return value


class Table:
    """All options of one server, by name and alias, in the order of --help."""

    def __init__(self, options: Iterable[Option]) -> None:
        self.options = list(options)
        self.named: dict[str, Option] = {}
        for option in self.options:
            assert not hasattr(Settings, option.attribute), f"{option.name}: Settings has a method of that name"
            for name in (option.name, *option.aliases):
                assert name.lower() not in self.named, f"{name} stands twice in the table"
                self.named[name.lower()] = option

    def find(self, name: str) -> Option | None:
        return self.named.get(name.lower())

    def load(self, *sources: Iterable[Given]) -> Settings:
        """The settings after all that was given, in order.  Raises SettingError at the first bad one."""
        settings = Settings(self)
        for source in sources:
            for given in source:
                settings._take(given)
        return settings

    def help_text(self) -> str:
        """--help: every option with its value, meaning and default, ours marked."""
        blocks = []
        for option in self.options:
            shown = "|".join(option.choices) if option.choices else option.kind.placeholder
            notes = [f"default {option.kind.text(option.default) or 'none'}"]
            notes += ["ours"] * option.ours + ["no effect here"] * (not option.effect)
            notes += ["fixed while running"] * (not option.mutable)
            meaning = wrap(f"{option.doc} ({', '.join(notes)})".strip(), HELP_WIDTH - 6)
            blocks.append("\n".join([f"  --{option.name} {shown}", *(f"      {line}" for line in meaning)]))
        return "\n".join(blocks)


@dataclass
class _Listener:
    function: Callable[[Settings], None]
    names: frozenset[str] = field(default_factory=frozenset)


class Settings:
    """The values now.  Each option is an attribute, dashes and dots as underscores: `tcp_keepalive`."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, table: Table) -> None:
        self.table = table
        self.where: dict[str, str] = {}
        """Where the value came from, for each option that was given."""
        self._listeners: list[_Listener] = []
        for option in table.options:
            setattr(self, option.attribute, option.default)

    @property
    def without_effect(self) -> list[str]:
        """Options that were given and change nothing here: for one line in the log."""
        return [option.name for option in self.table.options if not option.effect and option.name in self.where]

    def _take(self, given: Given) -> None:
        option = self.table.find(given.name)
        value = " ".join(given.words)
        if option is None:
            reason = "Bad directive or wrong number of arguments"
            raise UnknownOption(given.name, value, given.where, reason)
        try:
            new = option.parse(given.words)
        except ValueError as error:
            shown = "(secret)" if option.secret else value
            raise SettingError(given.name, shown, given.where, str(error)) from None
        before = getattr(self, option.attribute)
        again = option.multiple and option.name in self.where
        new = option.kind.repeat(before, new) if again else option.kind.amend(before, new)
        setattr(self, option.attribute, new)
        self.where[option.name] = given.where

    def text(self, name: str) -> str:
        """The value of one option as CONFIG GET answers it.  Raises KeyError for a name the table lacks."""
        option = self.table.named[name.lower()]
        return option.kind.text(getattr(self, option.attribute))

    def get(self, *patterns: str) -> list[tuple[str, str]]:
        """Name and text of every option and alias that matches a pattern (`*`, `?`, `[a-z]`), in table order.

        Case does not matter; a name without wildcards comes back as it was asked for, as Redis has it.
        """
        found: dict[str, tuple[str, str]] = {}
        for pattern in patterns:
            if not set(pattern) & set("*?["):
                matches = [pattern] if pattern.lower() in self.table.named else []
            else:
                lowered = pattern.lower().replace("[^", "[!")
                matches = [name for name in self.table.named if fnmatchcase(name, lowered)]
            for name in matches:
                option = self.table.named[name.lower()]
                if not option.hidden:
                    found.setdefault(name.lower(), (name, option.kind.text(getattr(self, option.attribute))))
        return [found[name] for name in self.table.named if name in found]

    def set(self, changes: Mapping[str, str] | Iterable[tuple[str, str]], *, protected: bool = False) -> None:
        """All of `changes` or none: every text is checked before any value changes, then listeners hear of
        it.

        changes    name and text; pairs, where a name may be found to stand twice
        protected  whether protected options may change too

        Raises UnknownOption, or SettingError naming the first that cannot be.
        """
        pairs = list(changes.items() if isinstance(changes, Mapping) else changes)
        self._check_names(pairs, protected)
        new: dict[str, Any] = {}
        blamed: dict[str, tuple[str, str]] = {}
        for name, text in pairs:
            option = self.table.named[name.lower()]
            try:
                value = option.parse([text])
            except ValueError as error:
                raise SettingError(name, text, "", str(error)) from None
            before = new.get(option.attribute, getattr(self, option.attribute))
            new[option.attribute] = option.kind.amend(before, value)
            blamed[option.attribute] = name, text
        self._apply(new, blamed)

    def _check_names(self, pairs: list[tuple[str, str]], protected: bool) -> None:
        seen = set()
        for name, text in pairs:
            option = self.table.find(name)
            if option is None or option.hidden:
                raise UnknownOption(name, text, "", "unknown option")
        for name, text in pairs:
            option = self.table.named[name.lower()]
            if not option.mutable:
                raise SettingError(name, text, "", "can't set immutable config")
            if option.protected and not protected:
                raise SettingError(name, text, "", "can't set protected config")
            if name.lower() in seen:
                raise SettingError(name, text, "", "duplicate parameter")
            seen.add(name.lower())

    def _apply(self, new: dict[str, Any], blamed: dict[str, tuple[str, str]]) -> None:
        old = {attribute: getattr(self, attribute) for attribute in new}
        changed = [attribute for attribute in new if new[attribute] != old[attribute]]
        self.__dict__.update(new)
        told = []
        for listener in self._listeners:
            concerned = [a for a in changed if not listener.names or a in listener.names]
            if not concerned:
                continue
            told.append(listener)
            try:
                listener.function(self)
            except ValueError as error:
                self.__dict__.update(old)
                for hearer in told:  # those who acted on the new values act on the old ones again
                    hearer.function(self)
                raise SettingError(*blamed[concerned[0]], "", str(error)) from None

    def on_change(self, function: Callable[[Settings], None], *names: str) -> None:
        """Call `function(settings)` after a `set` that changed one of `names` (any, when none are named),
        once per set.

        It may raise ValueError with a reason: then nothing has changed, and the ones called so far are called
        again.
        """
        attributes = frozenset(self.table.named[name.lower()].attribute for name in names)
        self._listeners.append(_Listener(function, attributes))

    def rewrite(self, old_text: str) -> str:
        """The configuration file `old_text`, saying what is true now: see rewrite.py."""
        from serving.rewrite import rewrite

        return rewrite(self, old_text)
