"""Idempotency handlers that are wrong in one place: to show that the simulation would have noticed.

Each bug replaces one function of the honest handler, or lines of its script, while a seed runs.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1
from unittest.mock import patch

from cli.idempotency_stage import Ledger
from cli.simulate_idempotency import judge_idempotency
from ratelimit.idempotency import redis_store
from ratelimit.idempotency.handler import Execution, Handler
from ratelimit.idempotency.record import Verdict


@dataclass(frozen=True)
class Bug:
    """`owner.name` is replaced by `wrong`; or lines of the script, by others.

    seeds    how many of the first seeds are enough to catch it
    told     what the failure says: the reason is the bug, not a slip in planting it
    pushed   what of the plan is not drawn: the promise that is broken is one for these workers
    """

    seeds: int
    told: str
    pushed: dict[str, object]
    owner: type | None = None
    name: str = ""
    wrong: Callable[..., object] | None = None
    lines: tuple[str, str] = ("", "")


PLAIN = {"takeover": True, "fenced": False}
ONLY_ONE = {"takeover": False, "fenced": False}

BUGS: dict[str, Bug] = {
    "anybody_may_store_an_answer": Bug(
        10,
        "was replayed in 2 ways",
        PLAIN | {"faults": ("pause",), "lease_s": 0.5},
        lines=("if held or not state then", "if true then"),
    ),
    "a_lease_is_taken_over_while_it_runs": Bug(
        10,
        "and there was no fault",
        PLAIN | {"faults": ()},
        lines=("if until_ms > now_ms then", "if until_ms > now_ms + lease_ms / 2 then"),
    ),
    "takeover_is_never_refused": Bug(
        10,
        "was executed 2 times",
        ONLY_ONE | {"faults": ("kill",), "lease_s": 0.5},
        lines=("if ARGV[7] ~= '1' then", "if false then"),
    ),
    "every_attempt_is_the_first": Bug(
        10,
        "was executed twice by one attempt",
        PLAIN | {"faults": ("kill",), "lease_s": 0.5},
        lines=("last_attempt + 1", "1"),
    ),
}


def bug(owner, name, *, seeds, told, **pushed):
    """The decorated function takes the place of `owner.name`; its own name is the name of the bug."""

    def plant(wrong):
        BUGS[wrong.__name__] = Bug(seeds, told, pushed, owner, name, wrong)
        return wrong

    return plant


@bug(Execution, "_renew_later", seeds=10, told="and there was no fault", faults=(), lease_s=0.5, **PLAIN)
def a_lease_is_never_renewed(self):
    pass


@bug(Execution, "complete", seeds=5, told="and there was no fault", faults=(), **PLAIN)
async def an_answer_is_never_stored(self, answer):
    await self.fail()
    return answer


duplicate = Handler.duplicate


@bug(Handler, "duplicate", seeds=5, told="have no answer", patience_s=20.0)
def a_duplicate_is_never_told(self, outcome):
    return duplicate(self, outcome._replace(verdict=Verdict.IN_PROGRESS))


@bug(Ledger, "carry_out", seeds=5, told="never done")
def the_shop_does_nothing(self, execution, worker):
    return "order 0"


@contextmanager
def planted(name):
    """The handler with this bug, until the end of the block."""
    entry = BUGS[name]
    if entry.owner is not None:
        with patch.object(entry.owner, entry.name, entry.wrong):
            yield
        return
    right, wrong = (text.encode() for text in entry.lines)
    assert right in redis_store.SCRIPT, name
    script = redis_store.SCRIPT.replace(right, wrong)
    with patch.multiple(redis_store, SCRIPT=script, DIGEST=sha1(script).hexdigest().encode()):
        yield


async def judge_planted(world, name):
    """`judge_idempotency` with one bug."""
    with planted(name):
        return await judge_idempotency(world, **BUGS[name].pushed)
