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
from ratelimit.idempotency.asgi import Answering
from ratelimit.idempotency.handler import Execution, Handler
from ratelimit.idempotency.record import Verdict


@dataclass(frozen=True)
class Bug:
    """`owner.name` is replaced by `wrong`; or lines of the script, by others.

    seeds   how many of the first seeds are enough to catch it
    told    what the failure says: the reason is the bug, not a slip in planting it
    """

    seeds: int
    told: str
    owner: type | None = None
    name: str = ""
    wrong: Callable[..., object] | None = None
    lines: tuple[str, str] = ("", "")


BUGS: dict[str, Bug] = {
    "anybody_may_store_an_answer": Bug(
        40, "was replayed in 2 ways", lines=("if held or not state then", "if true then")
    ),
    "a_lease_is_taken_over_while_it_runs": Bug(
        10, "was executed 2 times", lines=("if until_ms > now_ms then", "if until_ms > now_ms + lease_ms / 2 then")
    ),
    "takeover_is_never_refused": Bug(40, "was executed 2 times", lines=("if ARGV[7] ~= '1' then", "if false then")),
    "a_release_forgets_the_fence": Bug(
        40, "was executed twice by one attempt", lines=("keep('state', RELEASED)", "redis.call('DEL', key)")
    ),
    "a_fence_is_the_clock_alone_and_the_attempt_starts_anew": Bug(
        40, "was executed twice by one attempt", lines=("last_attempt + 1", "1")
    ),
}


def bug(owner, name, *, seeds, told):
    """The decorated function takes the place of `owner.name`; its own name is the name of the bug."""

    def plant(wrong):
        BUGS[wrong.__name__] = Bug(seeds, told, owner, name, wrong)
        return wrong

    return plant


@bug(Execution, "_renew_later", seeds=40, told="and there was no fault")
def a_lease_is_never_renewed(self):
    pass


complete = Execution.complete


@bug(Execution, "complete", seeds=10, told="and there was no fault")
async def an_answer_is_never_stored(self, answer):
    await self.fail()
    return answer


@bug(Execution, "complete", seeds=40, told="ways")
async def one_who_was_succeeded_tells_its_own_answer(self, answer):
    await complete(self, answer)
    return answer


duplicate = Handler.duplicate


@bug(Handler, "duplicate", seeds=10, told="no answer")
def a_duplicate_is_never_told(self, outcome):
    return duplicate(self, outcome._replace(verdict=Verdict.IN_PROGRESS))


@bug(Answering, "_failed", seeds=40, told="no answer")
async def a_failure_holds_the_key(self):
    pass


@bug(Ledger, "carry_out", seeds=10, told="never done")
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
        return await judge_idempotency(world)
