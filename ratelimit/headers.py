"""What a response says of its limits: two fields of the IETF draft, Retry-After, and on request the older ones.

    RateLimit-Policy: "burst";q=10;w=1, "daily";q=5000;w=86400     what is promised; the same from response to response
    RateLimit: "burst";r=4;t=1, "daily";r=4711;t=83021             what is left, and in how many seconds all of it is back
    Retry-After: 1                                                 on a 429 alone: when asking again makes sense

Both fields are Structured Fields Lists: names are Strings in quotes, numbers Integers of at most fifteen digits, and
whatever cannot be written so is an error here rather than a field that clients must ignore.

Milliseconds become seconds by rounding up: a client told "0" or a floor comes back too early and is denied again.  On a
denial `t` of the denying policy names the same moment as Retry-After.  A policy's partition key (`pk`) is never sent:
it would show clients with whom they share a limit.

Sources: draft-ietf-httpapi-ratelimit-headers-11 §2, §3; RFC 9651 §4.1 (writing Structured Fields); RFC 9110 §10.2.3;
the legacy fields are those of the drafts up to 07 (reset in seconds) and GitHub's (reset as epoch seconds).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ratelimit.decision import Decision
from ratelimit.limit import Limit

LARGEST_INTEGER = 999_999_999_999_999
"""RFC 9651 §3.3.1: fifteen digits, so that every language's doubles can hold one."""

Field = tuple[bytes, bytes]
"""Name in lower case and value, as ASGI has them."""

When = Literal["always", "denied", "never"]
Legacy = Literal["none", "ratelimit", "x-ratelimit"]


def string(text: str) -> str:
    """A Structured Fields String.  Raises ValueError for what is not printable ASCII."""
    if not text.isascii() or not text.isprintable():
        raise ValueError(f"{text!r} has characters other than printable ASCII")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def integer(number: int) -> str:
    """A Structured Fields Integer, not negative; what is larger than one can be is said as the largest."""
    assert number >= 0
    return str(min(number, LARGEST_INTEGER))


def seconds(ms: int) -> int:
    """Whole seconds that are over when `ms` milliseconds are."""
    return -(-ms // 1000)


def retry_after(decision: Decision) -> int:
    """The value of Retry-After: at least 1, since 0 would be an invitation."""
    return max(1, seconds(decision.retry_after_ms))


def policy_item(name: str, limit: Limit) -> str:
    """One member of RateLimit-Policy.

    `w` is left out when the period is not of whole seconds, which the draft cannot say.  A bucket whose capacity is not
    its rate says so in a parameter of our own: `mini-burst`.
    """
    item = f"{string(name)};q={integer(limit.rate)}"
    if limit.per_ms % 1000 == 0:
        item += f";w={integer(limit.per_ms // 1000)}"
    if limit.burst is not None and limit.burst != limit.rate:
        item += f";mini-burst={integer(limit.burst)}"
    return item


class Spoken(NamedTuple):
    """One policy and what it decided, ready to be written.

    prefix    `"name";r=`, computed once a policy
    """

    policy_item: str
    prefix: str
    limit: Limit
    decision: Decision


def limit_prefix(name: str) -> str:
    """How the policy's member of RateLimit begins: `"burst";r=`."""
    return f"{string(name)};r="


def _limit_item(prefix: str, decision: Decision) -> str:
    ms = decision.reset_ms if decision.allowed else decision.retry_after_ms
    return f"{prefix}{min(decision.remaining, LARGEST_INTEGER)};t={-(-ms // 1000)}"


class HeaderWriter:
    """The fields of each response, as an operator wants them.

    when      on every response that a rule spoke about, on denials alone, or never (Retry-After stays)
    legacy    also the fields of older drafts, for the strictest policy: "ratelimit" (seconds left) or "x-ratelimit"
              (epoch seconds, which takes a wall clock)
    """

    def __init__(self, when: When = "always", legacy: Legacy = "none") -> None:
        self.when, self.legacy = when, legacy
        self._policies: dict[tuple[str, ...], bytes] = {}  # members joined: as many as there are sets of rules

    def fields(self, spoken: Sequence[Spoken], strictest: Spoken | None, epoch_ms: int = 0) -> list[Field]:
        """Name and value of each field, names in lower case; none when no rule spoke.

        epoch_ms    the wall clock, for legacy="x-ratelimit" alone
        """
        if strictest is None:
            return []
        decision = strictest.decision
        denied = not decision.allowed
        fields: list[Field] = []
        if self.when == "always" or (denied and self.when == "denied"):
            if len(spoken) == 1:
                limit = _limit_item(strictest.prefix, decision)
                members: tuple[str, ...] = (strictest.policy_item,)
            else:
                limit = ", ".join([_limit_item(one.prefix, one.decision) for one in spoken])
                members = tuple([one.policy_item for one in spoken])
            policy = self._policies.get(members)
            if policy is None:
                policy = self._policies[members] = ", ".join(members).encode("ascii")
            fields = [(b"ratelimit-policy", policy), (b"ratelimit", limit.encode("ascii"))]
            if self.legacy != "none":
                fields += self._legacy_fields(strictest, epoch_ms)
        if denied:
            fields.append((b"retry-after", b"%d" % retry_after(decision)))
        return fields

    def _legacy_fields(self, strictest: Spoken, epoch_ms: int) -> list[Field]:
        decision, limit = strictest.decision, strictest.limit
        reset = seconds(decision.reset_ms)
        prefix = b""
        if self.legacy == "x-ratelimit":
            prefix, reset = b"x-", seconds(epoch_ms + decision.reset_ms)
        return [
            (prefix + b"ratelimit-limit", b"%d" % limit.rate),
            (prefix + b"ratelimit-remaining", b"%d" % decision.remaining),
            (prefix + b"ratelimit-reset", b"%d" % reset),
        ]


def added(own: Sequence[Field], fields: Sequence[Field]) -> list[Field]:
    """The application's fields and ours; where it sets one itself, its word stands."""
    if not fields:
        return list(own)
    theirs = {name.lower() for name, _ in own}
    return [*own, *[field for field in fields if field[0] not in theirs]]
