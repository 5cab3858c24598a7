"""What the value of an option can be: how its text is read, checked and printed.

A kind turns the words behind an option's name into a Python value, and that value back into the one text that
CONFIG GET shows.  It holds no value itself: bounds and choices stand with the option.  The complaints are
Redis's, word for word, since a client of CONFIG SET reads them.

A server adds kinds of its own (Redis's `save`, its client-output-buffer-limit) by deriving from `Kind` or
`Words`.

Source: Redis 7.2 `config.c` (numericParseString, the standard config types) and `util.c` (memtoull).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from serving.words import quote_if_needed

if TYPE_CHECKING:
    from serving.config import Option

INT64_MIN, INT64_MAX, UINT64_MAX = -(2**63), 2**63 - 1, 2**64 - 1
UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}
MEMORY = re.compile(r"([0-9]*)([a-z]*)", re.IGNORECASE)
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")  # as Redis reads one: no sign, space or zero in front
REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Kind:
    """One word, any text.  The base of all kinds."""

    several = False
    """Whether more than one word may follow the name, and a single text is split into words."""
    placeholder = "text"
    """What --help shows for a value."""

    def parse(self, words: Sequence[str], option: Option) -> Any:
        """The value.  Raises ValueError with the reason, as the user reads it."""
        if len(words) != 1:
            raise ValueError("wrong number of arguments")
        return self.read(words[0], option)

    def read(self, text: str, option: Option) -> Any:
        return text

    def text(self, value: Any) -> str:
        """As CONFIG GET answers it; `parse` reads it back."""
        return str(value)

    def lines(self, value: Any) -> list[str]:
        """What a configuration file says behind the name to mean `value`: a line each."""
        return [quote_if_needed(self.text(value))]

    def amend(self, before: Any, given: Any) -> Any:
        """The new value when `given` is set over `before`.  Most kinds replace."""
        return given

    def repeat(self, before: Any, given: Any) -> Any:
        """The value after a second line of a `multiple` option, `before` being what the first one said."""
        return before + given


Text = Kind


class Flag(Kind):
    """yes or no."""

    placeholder = "yes|no"

    def read(self, text: str, option: Option) -> bool:
        if text.lower() not in ("yes", "no"):
            raise ValueError("argument must be 'yes' or 'no'")
        return text.lower() == "yes"

    def text(self, value: bool) -> str:
        return "yes" if value else "no"


class Boolean(Kind):
    """true or false, as Java properties, rabbitmq.conf and TOML write it."""

    placeholder = "true|false"

    def read(self, text: str, option: Option) -> bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("argument must be 'true' or 'false'")
        return text.lower() == "true"

    def text(self, value: bool) -> str:
        return "true" if value else "false"


class Integer(Kind):
    """A whole number of 64 bits, within the option's bounds."""

    placeholder = "number"
    lowest, highest = INT64_MIN, INT64_MAX

    def read(self, text: str, option: Option) -> int:
        if not INTEGER.fullmatch(text) or not INT64_MIN <= int(text) <= INT64_MAX:
            raise ValueError("argument couldn't be parsed into an integer")
        return self.within(int(text), option)

    def within(self, value: int, option: Option) -> int:
        low = self.lowest if option.minimum is None else option.minimum
        high = self.highest if option.maximum is None else option.maximum
        if not low <= value <= high:
            raise ValueError(f"argument must be between {self.text(low)} and {self.text(high)} inclusive")
        return value


class Seconds(Integer):
    placeholder = "seconds"


class Milliseconds(Integer):
    placeholder = "ms"


class Octal(Integer):
    """File permissions: 700 is 0o700."""

    placeholder = "mode"
    lowest = 0

    def read(self, text: str, option: Option) -> int:
        if not text or set(text) - set("01234567"):
            raise ValueError("argument couldn't be parsed as an octal number")
        return self.within(int(text, 8), option)

    def text(self, value: int) -> str:
        return f"{value:o}"


class Real(Kind):
    """A number with a fraction."""

    placeholder = "number"

    def read(self, text: str, option: Option) -> float:
        if not REAL.fullmatch(text):
            raise ValueError("argument couldn't be parsed into a number")
        value = float(text)
        low = float("-inf") if option.minimum is None else option.minimum
        high = float("inf") if option.maximum is None else option.maximum
        if not low <= value <= high:
            raise ValueError(f"argument must be between {low:g} and {high:g} inclusive")
        return value

    def text(self, value: float) -> str:
        return f"{value:.17g}" if float(f"{value:g}") != value else f"{value:g}"


class Memory(Integer):
    """Bytes: 1k is 1000, 1kb is 1024, up to gb.  As in Redis, no digits are 0 and too many the maximum."""

    placeholder = "bytes"
    lowest, highest = 0, UINT64_MAX
    complaint = "argument must be a memory value"

    def read(self, text: str, option: Option) -> int:
        match = MEMORY.fullmatch(text)
        unit = match and UNITS.get(match[2].lower())
        if not match or not unit or len(match[1]) > 127:
            raise ValueError(self.complaint)
        return self.within(min(int(match[1] or "0") * unit, UINT64_MAX), option)

    def lines(self, value: int) -> list[str]:
        for unit in ("gb", "mb", "kb"):
            if value and value % UNITS[unit] == 0:
                return [f"{value // UNITS[unit]}{unit}"]
        return [str(value)]


class MemoryOrPercent(Memory):
    """Bytes, or a share of the whole: 5% is kept as -5."""

    placeholder = "bytes|percent%"
    lowest = -100
    complaint = "argument must be a memory or percent value"

    def read(self, text: str, option: Option) -> int:
        if not text.endswith("%"):
            return super().read(text, option)
        if not INTEGER.fullmatch(text[:-1]) or int(text[:-1]) < 0:
            raise ValueError(self.complaint)
        if int(text[:-1]) > 100:
            raise ValueError("percentage argument must be less or equal to 100")
        return -int(text[:-1])

    def text(self, value: int) -> str:
        return f"{-value}%" if value < 0 else str(value)

    def lines(self, value: int) -> list[str]:
        return [self.text(value)] if value < 0 else super().lines(value)


class Choice(Kind):
    """One of the option's `choices`, in any case; the value is the choice as the table spells it."""

    placeholder = "choice"

    def read(self, text: str, option: Option) -> str:
        for choice in option.choices:
            if choice.lower() == text.lower():
                return choice
        raise ValueError("argument(s) must be one of the following: " + ", ".join(option.choices))


class Words(Kind):
    """Several words; the value is a tuple.  A single empty text is no word at all."""

    several = True
    placeholder = "word ..."

    def parse(self, words: Sequence[str], option: Option) -> tuple[Any, ...]:
        return () if list(words) == [""] else tuple(words)

    def text(self, value: tuple[Any, ...]) -> str:
        return " ".join(map(str, value))

    def lines(self, value: tuple[Any, ...]) -> list[str]:
        return [" ".join(quote_if_needed(str(word)) for word in value) or '""']


class Choices(Words):
    """Several of the option's `choices`, each in any case."""

    placeholder = "choice ..."

    def parse(self, words: Sequence[str], option: Option) -> tuple[str, ...]:
        return tuple(Choice().read(word, option) for word in super().parse(words, option))


class CommaList(Kind):
    """Words with commas between, as Java properties write a list; the value is a tuple."""

    placeholder = "word,..."

    def read(self, text: str, option: Option) -> tuple[str, ...]:
        return tuple(word for part in text.split(",") if (word := part.strip()))

    def text(self, value: tuple[str, ...]) -> str:
        return ",".join(value)
