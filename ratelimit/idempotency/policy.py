"""The options of an idempotency handler, each with what turning it costs."""

import re
from dataclasses import dataclass, field

STATUSES = re.compile(r"[1-5](?:\d\d|xx)")


class PolicyError(ValueError):
    """Options that contradict themselves; the text says which."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is guarded, for how long, and what happens when things go wrong.

    methods           the others pass by: GET, PUT and DELETE are idempotent by themselves
    required          paths below which a key must be sent, "/" for everywhere; elsewhere a request without one passes
    lease_ms          how long a dead worker blocks its key.  Short, and a pause of the process (or of the network)
                      makes a successor begin while it still runs; renewed every third of it
    hold_ms           renewed for no longer than this: a worker that hangs is given up after `hold_ms + lease_ms`.  0:
                      never renewed, so `lease_ms` must be longer than anything the application does
    takeover          whether another may begin when a lease has run out.  True: executed at least once, and twice when
                      the holder was alive after all, or died after its deed; the application can tell by the fence.
                      False: executed at most once; the duplicates learn that nobody knows the outcome
    release           statuses that are not stored, so that trying again executes again
    replay_status     what a replayed success is answered with; None: as the first time
    answer_bytes      a longer answer is passed on but not kept: its duplicates learn only that it was executed
    request_bytes     a longer request with a key is refused, since it is held in memory for its fingerprint
    poll_ms           how soon, at most, a duplicate of a running request is told to ask again
    fail_open         when the store does not answer: False refuses with 503, True executes without any protection
    documentation     a URL for the type of the problems and their Link
    """

    methods: frozenset[str] = frozenset({"POST", "PATCH"})
    required: tuple[str, ...] = ("/",)
    lease_ms: int = 10_000
    hold_ms: int = 600_000
    takeover: bool = True
    release: str = "408 425 429 5xx"
    replay_status: int | None = None
    answer_bytes: int = 2**20
    request_bytes: int = 2**20
    poll_ms: int = 1000
    fail_open: bool = False
    documentation: str = "about:blank"
    released: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        if self.lease_ms < 3 or self.hold_ms < 0 or self.poll_ms < 1:
            raise PolicyError("lease_ms wants 3 or more, poll_ms 1 or more, hold_ms 0 or more")
        if self.answer_bytes < 0 or self.request_bytes < 0:
            raise PolicyError("answer_bytes and request_bytes count bytes")
        if self.replay_status is not None and not 200 <= self.replay_status < 300:
            raise PolicyError(f"replay_status {self.replay_status} is no success, but only successes take it")
        object.__setattr__(self, "released", frozenset(statuses(self.release)))

    def requires(self, path: str) -> bool:
        """Whether a request for `path` must bring a key."""
        return any(path == prefix.rstrip("/") or path.startswith(prefix.rstrip("/") + "/") for prefix in self.required)


def statuses(text: str) -> list[int]:
    """`408 5xx` as numbers.  Raises PolicyError."""
    numbers: list[int] = []
    for word in text.split():
        if not STATUSES.fullmatch(word):
            raise PolicyError(f"{word!r} is no status: want 408, or 5xx for all of them")
        first = int(word.replace("xx", "00"))
        numbers += range(first, first + 100) if word.endswith("xx") else [first]
    return numbers
