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
from collections.abc import Mapping, Sequence
from typing import Any

from ratelimit.decision import Decision
from ratelimit.headers import Field, retry_after

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


def body(problem: Mapping[str, Any]) -> bytes:
    """As it goes over the wire."""
    return json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode()
