"""What values in server.properties can be, in Kafka's types, with Kafka's complaints.

    Int("many")     Not a number of type INT
    Int("0")        Value must be at least 1              where the row has minimum=1
    Or(Long)("")    None: Kafka's null, another property speaks instead

DescribeConfigs tells each value as text, and the number of its type (`type_of`).  A text that is empty is null there,
as none of Kafka's own settings makes a difference between the two but those of kind `EmptyText`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from minikafka.topic_options import Type, real_number, whole_number
from serving.config import Option
from serving.kinds import Boolean, Choice, CommaList, Integer, Kind, Real, Text


def check_bounds(value: float, option: Option) -> None:
    if option.minimum is not None and value < option.minimum:
        raise ValueError(f"Value must be at least {option.minimum}")
    if option.maximum is not None and value > option.maximum:
        raise ValueError(f"Value must be no more than {option.maximum}")


class Number(Integer):
    """A whole number as Java reads it, within the option's bounds."""

    type: Type

    def read(self, text: str, option: Option) -> int:
        value = whole_number(text, self.type)
        check_bounds(value, option)
        return value


class Short(Number):
    type = Type.SHORT


class Int(Number):
    type = Type.INT


class Long(Number):
    type = Type.LONG


class Double(Real):
    """A number with a fraction, as Java prints it."""

    type = Type.DOUBLE

    def read(self, text: str, option: Option) -> float:
        value = real_number(text)
        check_bounds(value, option)
        return value

    def text(self, value: float) -> str:
        if value == 0 or 1e-3 <= abs(value) < 1e7:
            return repr(float(value))
        sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
        first, *rest = map(str, digits)
        return f"{'-' * sign}{first}.{''.join(rest) or '0'}E{int(exponent) + len(rest)}"


class Or(Kind):
    """A number that may be left out: the empty text is None, and another property speaks instead."""

    def __init__(self, number: type[Number]) -> None:
        self.number = number()
        self.placeholder = self.number.placeholder
        self.type = self.number.type

    def parse(self, words: Sequence[str], option: Option) -> Any:
        return None if list(words) in ([""], []) else self.number.parse(words, option)

    def text(self, value: Any) -> str:
        return "" if value is None else self.number.text(value)


class Roles(CommaList):
    """`broker`, `controller`, or both."""

    def parse(self, words: Sequence[str], option: Option) -> tuple[str, ...]:
        roles = tuple(super().parse(words, option))
        if not roles or set(roles) - {"broker", "controller"}:
            raise ValueError("must be broker, controller, or both with a comma between")
        return roles


class ListInText(CommaList):
    """A list that Kafka's table calls a string: listeners, folders."""

    type = Type.STRING


class EmptyText(Text):
    """Text that may be empty without being null."""


TYPES = {Boolean: Type.BOOLEAN, CommaList: Type.LIST, Choice: Type.STRING, Text: Type.STRING}


def type_of(kind: Kind) -> Type:
    """The type of values of this kind, as Kafka names it."""
    found = getattr(kind, "type", None)
    return found or next(TYPES[ancestor] for ancestor in type(kind).__mro__ if ancestor in TYPES)


def told(kind: Kind, value: Any) -> str | None:
    """A value's text as DescribeConfigs tells it; None is null."""
    text = kind.text(value)
    may_be_empty = isinstance(kind, EmptyText) or type_of(kind) is Type.LIST
    return text if text or may_be_empty else None
