"""An answer: what is stored, what is replayed, and what the handler says itself.

    stored     [status, [[name, value], ...], body] in msgpack, header lines in order, without those that belong to one
               connection; [status, nil, nil] where the answer was too long to keep or had no end in sight
    replayed   the same, with `Idempotent-Replayed: true`
    problems   application/problem+json, one row each below

Source: RFC 9457 (problem details); RFC 9110 §7.6.1 (fields of one connection); draft-ietf-httpapi-idempotency-key-header
-07 §2.7 for 400, 409 and 422.  Idempotent-Replayed is Stripe's.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

import msgpack

OF_ONE_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
     b"upgrade")
)  # fmt: skip
REPLAYED = (b"idempotent-replayed", b"true")


class Answer(NamedTuple):
    """A response.  `body` is None where it was given but not kept."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes | None

    def encode(self) -> bytes:
        """As it is stored."""
        if self.body is None:
            return bytes(msgpack.packb([self.status, None, None]))
        headers = [line for line in self.headers if line[0] not in OF_ONE_CONNECTION]
        return bytes(msgpack.packb([self.status, headers, self.body]))

    @classmethod
    def decode(cls, data: bytes) -> "Answer":
        """As it was encoded.  Raises ValueError on anything else."""
        try:
            status, headers, body = msgpack.unpackb(data)
            return cls(status, [(name, value) for name, value in headers or ()], body)
        except TypeError as error:
            raise ValueError(f"not a stored answer: {error}") from error

    def replayed(self, replay_status: int | None) -> "Answer":
        """For a duplicate.  A success takes `replay_status`: the textbook's 201 the first time and 200 after."""
        status = self.status if replay_status is None or not 200 <= self.status < 300 else replay_status
        return Answer(status, [*self.headers, REPLAYED], self.body)


class Problem(NamedTuple):
    """What the handler answers without asking the application."""

    status: int
    title: str
    detail: str


MISSING = Problem(
    400, "Idempotency-Key is missing", "This operation is executed once for each Idempotency-Key; send one."
)
MALFORMED = Problem(400, "Idempotency-Key is malformed", "{why}.")
TOO_LARGE = Problem(413, "The request is too large", "With an Idempotency-Key a request may have {size} bytes.")
IN_PROGRESS = Problem(
    409,
    "A request with this Idempotency-Key is in progress",
    "Its answer is not known yet; ask again, with the same key.",
)
ABANDONED = Problem(
    409,
    "The outcome of this Idempotency-Key is not known",
    "Whoever executed it has not come back, so it may have been executed or not; find out before using another key.",
)
NOT_KEPT = Problem(
    409,
    "The answer for this Idempotency-Key was not kept",
    "The request was executed, and answered with {status}; that answer was too long to be repeated.",
)
UNREADABLE = Problem(
    409,
    "The answer for this Idempotency-Key cannot be read",
    "The request was executed; another program kept its answer.",
)
MISMATCH = Problem(
    422,
    "Idempotency-Key is already used",
    "The key was sent before, with another method, target or body; a new request needs a new key.",
)
UNAVAILABLE = Problem(
    503, "Idempotency keys cannot be checked", "The request was not executed; ask again, with the same key."
)
FAILED = Problem(500, "The application failed", "It was executed and ended with an error of its own.")


def problem(kind: Problem, documentation: str = "about:blank", retry_after_s: int = 0, detail: str = "") -> Answer:
    """`kind` as an answer.

    documentation   where the operator explains the keys: the problem's type, and a Link
    retry_after_s   0 leaves Retry-After away: asking again would not help
    """
    members = {"type": documentation, "title": kind.title, "status": kind.status, "detail": detail or kind.detail}
    body = json.dumps(members).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if documentation != "about:blank":
        headers.append((b"link", b'<%b>; rel="describedby"' % documentation.encode()))
    if retry_after_s:
        headers.append((b"retry-after", b"%d" % retry_after_s))
    return Answer(kind.status, headers, body)
