"""The body of a denial: a problem document that says which promises were broken, for programs and for people.

    HTTP/1.1 429 Too Many Requests
    Content-Type: application/problem+json

    {"type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
     "title": "Request cannot be satisfied as assigned quota has been exceeded",
     "status": 429, "detail": "Ask again in 12 s.", "violated-policies": ["burst"]}

Sources: RFC 9457 (problem details), RFC 6585 §4 (429; caches must not store it), draft-ietf-httpapi-ratelimit-headers-11
§5 (the types and their member `violated-policies`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ratelimit.decision import Decision
from ratelimit.headers import Field, retry_after
from ratelimit.rules import RuleSet, Verdict

CONTENT_TYPE = "application/problem+json"
TYPES = "https://iana.org/assignments/http-problem-types#"

FIELDS: list[Field] = [(b"content-type", CONTENT_TYPE.encode()), (b"cache-control", b"no-store")]
"""Of every response whose body is a problem."""


def document(status: int, title: str, detail: str, kind: str = "about:blank", **members: Any) -> dict[str, Any]:
    """A problem as RFC 9457 has it; `members` are extensions, which follow its own."""
    return {"type": kind, "title": title, "status": status, "detail": detail} | members


def quota_exceeded(violated: Sequence[str], strictest: Decision) -> dict[str, Any]:
    """429: the caller has used up what these policies promise."""
    wait = retry_after(strictest)
    return document(
        429,
        "Request cannot be satisfied as assigned quota has been exceeded",
        f"Ask again in {wait} s.",
        TYPES + "quota-exceeded",
    ) | {"violated-policies": list(violated)}


def reduced_capacity(violated: Sequence[str]) -> dict[str, Any]:
    """503: the limiter's store does not answer, and the rule says that then nobody passes."""
    return document(
        503,
        "Request cannot be satisfied due to temporary server capacity constraints",
        "The limits cannot be checked now.",
        TYPES + "temporary-reduced-capacity",
    ) | {"violated-policies": list(violated)}


def never(reason: str) -> dict[str, Any]:
    """400: the request costs more than a policy ever admits, so coming back would not help."""
    return document(400, "Request costs more than its quota can ever admit", reason)


def body(problem: Mapping[str, Any]) -> bytes:
    """As it goes over the wire."""
    return json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class Denial(NamedTuple):
    """A whole response: the length of the body is among the fields."""

    status: int
    fields: list[Field]
    body: bytes


def denial(rules: RuleSet, verdict: Verdict, now_ms: Callable[[], int], **members: Any) -> Denial:
    """The response that tells a client of a denial; `members` are extensions of its problem document."""
    assert verdict.decision is not None
    if verdict.blind:
        content = reduced_capacity(verdict.violated)
        fields: list[Field] = [(b"retry-after", b"%d" % retry_after(verdict.decision))]
    else:
        content = quota_exceeded(verdict.violated, verdict.decision)
        fields = rules.fields(verdict, now_ms)
    return answer(content | members, fields)


def answer(content: Mapping[str, Any], fields: Sequence[Field] = ()) -> Denial:
    """A problem document as a whole response with `fields`."""
    written = body(content)
    return Denial(content["status"], [*FIELDS, (b"content-length", b"%d" % len(written)), *fields], written)
