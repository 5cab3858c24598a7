"""The decision over a request, and a lease while the application runs: in virtual time."""

import asyncio
import json
from random import Random

from ratelimit.idempotency.answer import Answer
from ratelimit.idempotency.field import Request, header
from ratelimit.idempotency.handler import Execution, Handler
from ratelimit.idempotency.policy import Policy
from ratelimit.idempotency.store import StoreUnavailable
from tests.ratelimit.idempotency.virtual import BreakableStore, in_virtual_time

CREATED = Answer(201, [(b"location", b"/orders/7")], b"order 7")
LATER = Answer(201, [(b"location", b"/orders/8")], b"order 8")


def order(key=b'"k"', body=b"book", user=b"anna", method="POST", target=b"/orders"):
    headers = [(b"authorization", user)] + ([(b"idempotency-key", key)] if key is not None else [])
    return Request(method, target, headers, body)


def a_handler(store=None, random=1, **options):
    return Handler(store or BreakableStore(), header("authorization"), Policy(**options), Random(random))


def said(answer):
    """(status, title, Retry-After) of a problem."""
    return answer.status, json.loads(answer.body)["title"], dict(answer.headers).get(b"retry-after")


IN_PROGRESS = (409, "A request with this Idempotency-Key is in progress", b"1")
MISMATCH = (422, "Idempotency-Key is already used", None)
UNKNOWN = (409, "The outcome of this Idempotency-Key is not known", None)
UNAVAILABLE = (503, "Idempotency keys cannot be checked", b"1")
REPLAYED = CREATED.replayed(None)


@in_virtual_time
async def test_the_first_executes_and_its_duplicates_are_given_its_answer():
    handler = a_handler()
    execution = await handler.begin(order())
    assert (execution.key, execution.attempt, execution.lost) == (b"k", 1, False)
    assert said(await handler.begin(order())) == IN_PROGRESS
    assert await execution.complete(CREATED) == CREATED
    assert await handler.begin(order()) == REPLAYED
    assert handler.counts["executed"] == handler.counts["replayed"] == 1


@in_virtual_time
async def test_the_textbooks_201_first_and_200_after():
    handler = a_handler(replay_status=200)
    assert (await (await handler.begin(order())).complete(CREATED)).status == 201
    assert (await handler.begin(order())).status == 200


@in_virtual_time
async def test_a_key_is_required_where_the_policy_says_so():
    handler = a_handler(required=("/orders",), documentation="https://example.com/keys")
    answer = await handler.begin(order(key=None))
    assert said(answer) == (400, "Idempotency-Key is missing", None)
    assert dict(answer.headers)[b"link"] == b'<https://example.com/keys>; rel="describedby"'
    assert (await handler.begin(order(key=None, target=b"/%6Frders?x=/"))).status == 400
    assert await handler.begin(order(key=None, target=b"/search?x=/orders")) is None


@in_virtual_time
async def test_a_malformed_key_is_told_why():
    answer = await a_handler().begin(order(key=b'"open'))
    assert said(answer) == (400, "Idempotency-Key is malformed", None)
    assert "quoted string" in json.loads(answer.body)["detail"]


@in_virtual_time
async def test_methods_that_are_idempotent_pass_by():
    handler = a_handler()
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        assert await handler.begin(order(method=method)) is None


@in_virtual_time
async def test_another_request_under_the_same_key_is_refused():
    handler = a_handler()
    await handler.begin(order())
    for other in (order(body=b"car"), order(target=b"/orders?now"), order(method="PATCH")):
        assert said(await handler.begin(other)) == MISMATCH


@in_virtual_time
async def test_users_neither_see_nor_block_each_other():
    handler = a_handler()
    await (await handler.begin(order(user=b"anna"))).complete(CREATED)
    assert isinstance(await handler.begin(order(user=b"ben")), Execution)


@in_virtual_time
async def test_a_request_longer_than_the_bound_is_refused():
    handler = a_handler(request_bytes=4)
    assert (await handler.begin(order(body=b"books"))).status == 413
    assert isinstance(await handler.begin(order(body=b"book")), Execution)


@in_virtual_time
async def test_an_answer_that_is_released_lets_the_next_one_execute():
    handler = a_handler()
    for status in (500, 503, 429):
        answer = CREATED._replace(status=status)
        assert await (await handler.begin(order())).complete(answer) == answer
    assert (await handler.begin(order())).attempt == 4


@in_virtual_time
async def test_a_refusal_by_the_application_is_an_answer():
    handler = a_handler()
    await (await handler.begin(order())).complete(Answer(404, [], b"no such book"))
    assert (await handler.begin(order()))[::2] == (404, b"no such book")


@in_virtual_time
async def test_an_answer_that_is_too_long_is_passed_on_and_not_kept():
    handler = a_handler(answer_bytes=40)
    long = CREATED._replace(body=bytes(41))
    assert await (await handler.begin(order())).complete(long) == long
    assert said(await handler.begin(order())) == (409, "The answer for this Idempotency-Key was not kept", None)


@in_virtual_time
async def test_an_answer_that_another_program_kept_is_not_replayed_and_not_executed_again():
    store = BreakableStore()
    handler = a_handler(store)
    execution = await handler.begin(order())
    await store.inner.complete(execution.name, execution._claim, b"pickled")
    assert said(await handler.begin(order())) == (409, "The answer for this Idempotency-Key cannot be read", None)


# -- leases ------------------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_lease_is_renewed_while_the_application_runs():
    handler = a_handler(lease_ms=3000)
    execution = await handler.begin(order())
    for _ in range(60):
        await asyncio.sleep(1)
        assert said(await handler.begin(order())) == IN_PROGRESS
        assert not execution.lost
    assert await execution.complete(CREATED) == CREATED


@in_virtual_time
async def test_a_short_request_renews_nothing_and_leaves_no_task():
    store = BreakableStore()
    execution = await a_handler(store).begin(order())
    await asyncio.sleep(3)
    await execution.complete(CREATED)
    await asyncio.sleep(100)
    assert store.acts == ["begin", "complete"]
    assert len(asyncio.all_tasks()) == 1


@in_virtual_time
async def test_a_duplicate_is_told_when_to_ask_again():
    handler = a_handler(lease_ms=10_000, poll_ms=60_000)
    (await handler.begin(order())).abandon()
    await asyncio.sleep(2.5)
    assert said(await handler.begin(order()))[2] == b"8"


@in_virtual_time
async def test_a_worker_that_died_is_succeeded_when_its_lease_has_run_out():
    store = BreakableStore()
    (await a_handler(store).begin(order())).abandon()
    other = a_handler(store, random=2)
    await asyncio.sleep(9.9)
    assert said(await other.begin(order())) == IN_PROGRESS
    await asyncio.sleep(0.2)
    assert (await other.begin(order())).attempt == 2


@in_virtual_time
async def test_a_worker_that_hangs_is_given_up():
    handler = a_handler(lease_ms=3000, hold_ms=30_000)
    hanging = await handler.begin(order())
    await asyncio.sleep(29)
    assert not hanging.lost
    await asyncio.sleep(5)
    assert hanging.lost
    assert (await handler.begin(order())).attempt == 2


@in_virtual_time
async def test_a_lease_need_not_be_renewed():
    store = BreakableStore()
    handler = a_handler(store, lease_ms=3000, hold_ms=0)
    await handler.begin(order())
    await asyncio.sleep(3)
    assert store.acts == ["begin"]
    assert (await handler.begin(order())).attempt == 2


@in_virtual_time
async def test_a_lease_that_ran_out_under_its_worker_executes_twice_and_answers_once():
    """The weakness of every lease: it cannot tell a slow worker from a dead one.  What is left is told in the open."""
    store = BreakableStore()
    slow = await a_handler(store).begin(order())
    slow.abandon()  # the process stands still: its timers do not run
    await asyncio.sleep(11)
    assert slow.lost
    successor = await a_handler(store, random=2).begin(order())
    assert successor.fence > slow.fence
    assert not await slow.still_holds()
    assert said(await slow.complete(LATER)) == IN_PROGRESS
    assert await successor.complete(CREATED) == CREATED
    assert await slow.complete(LATER) == REPLAYED
    assert await a_handler(store).begin(order()) == REPLAYED


@in_virtual_time
async def test_a_worker_that_comes_back_before_anybody_asked_has_lost_nothing():
    handler = a_handler()
    slow = await handler.begin(order())
    slow.abandon()
    await asyncio.sleep(1000)
    assert slow.lost
    assert await slow.still_holds()
    assert not slow.lost
    assert await slow.complete(CREATED) == CREATED


@in_virtual_time
async def test_without_takeover_nobody_executes_twice_and_somebody_must_look():
    handler = a_handler(takeover=False)
    slow = await handler.begin(order())
    slow.abandon()
    await asyncio.sleep(11)
    assert said(await handler.begin(order())) == UNKNOWN
    assert await slow.complete(CREATED) == CREATED
    assert await handler.begin(order()) == REPLAYED


# -- a store that fails ------------------------------------------------------------------------------------------------


@in_virtual_time
async def test_without_its_store_nothing_is_executed():
    store = BreakableStore()
    store.down = True
    assert said(await a_handler(store).begin(order())) == UNAVAILABLE


@in_virtual_time
async def test_or_everything_is_where_the_policy_says_so():
    store = BreakableStore()
    store.down = True
    handler = a_handler(store, fail_open=True)
    assert await handler.begin(order()) is None
    assert handler.counts["unguarded"] == 1


@in_virtual_time
async def test_a_key_that_was_acquired_without_a_reply_is_let_go():
    store = BreakableStore()
    handler = a_handler(store, takeover=False)
    store.deaf = True
    assert said(await handler.begin(order())) == UNAVAILABLE
    store.deaf = False
    await asyncio.sleep(1)
    assert isinstance(await handler.begin(order()), Execution)


@in_virtual_time
async def test_a_key_that_was_acquired_for_a_client_that_left_is_let_go():
    store = BreakableStore()
    handler, reply = a_handler(store, takeover=False), asyncio.Event()
    begin = store.inner.begin

    async def slow_begin(*arguments):
        outcome = await begin(*arguments)
        await reply.wait()
        return outcome

    store.inner.begin = slow_begin
    asking = asyncio.create_task(handler.begin(order()))
    await asyncio.sleep(1)
    asking.cancel()
    await asyncio.sleep(1)
    reply.set()
    assert isinstance(await handler.begin(order()), Execution)


@in_virtual_time
async def test_a_reply_that_took_as_long_as_the_lease_is_no_leave_to_execute():
    store = BreakableStore()
    handler, begin = a_handler(store, lease_ms=1000), store.inner.begin

    async def slow_begin(*arguments):
        outcome = await begin(*arguments)
        await asyncio.sleep(1)
        return outcome

    store.inner.begin = slow_begin
    assert said(await handler.begin(order())) == UNAVAILABLE
    assert store.acts == ["begin", "release"]


@in_virtual_time
async def test_an_answer_that_could_not_be_stored_is_given_and_stored_later():
    store = BreakableStore()
    handler = a_handler(store, lease_ms=3000)
    execution = await handler.begin(order())
    store.down = True
    assert await execution.complete(CREATED) == CREATED
    await asyncio.sleep(2)
    store.down = False
    await asyncio.sleep(1)
    assert await handler.begin(order()) == REPLAYED
    await asyncio.sleep(100)
    assert (store.acts[-1], len(handler.backlog), len(asyncio.all_tasks())) == ("begin", 0, 1)


@in_virtual_time
async def test_the_lease_is_renewed_until_the_answer_is_stored():
    store = BreakableStore()
    handler = a_handler(store, lease_ms=3000)
    execution = await handler.begin(order())
    complete = store.inner.complete

    async def failing(*_):
        raise StoreUnavailable("down")

    store.inner.complete = failing
    await execution.complete(CREATED)
    for _ in range(20):
        await asyncio.sleep(1)
        assert said(await handler.begin(order())) == IN_PROGRESS
    store.inner.complete = complete
    await asyncio.sleep(1)
    assert await handler.begin(order()) == REPLAYED


@in_virtual_time
async def test_an_answer_whose_storing_had_no_reply_is_stored_once():
    store = BreakableStore()
    handler = a_handler(store)
    execution = await handler.begin(order())
    store.deaf = True
    assert await execution.complete(CREATED) == CREATED
    store.deaf = False
    await asyncio.sleep(1)
    assert (store.acts, handler.counts["lost"]) == (["begin", "complete", "complete"], 0)


@in_virtual_time
async def test_a_key_that_could_not_be_released_is_released_later():
    store = BreakableStore()
    handler = a_handler(store)
    execution = await handler.begin(order())
    store.down = True
    await execution.fail()
    store.down = False
    await asyncio.sleep(1)
    assert (await handler.begin(order())).attempt == 2


@in_virtual_time
async def test_what_the_store_does_not_take_in_time_is_given_up():
    store = BreakableStore()
    handler = a_handler(store, hold_ms=20_000)
    execution = await handler.begin(order())
    store.down = True
    await execution.complete(CREATED)
    await asyncio.sleep(30)
    assert (len(handler.backlog), len(asyncio.all_tasks())) == (0, 1)


@in_virtual_time
async def test_a_worker_that_cannot_reach_the_store_does_not_believe_that_it_holds():
    store = BreakableStore()
    execution = await a_handler(store).begin(order())
    store.down = True
    assert not await execution.still_holds()
    assert not execution.lost
    await asyncio.sleep(10)
    assert execution.lost
