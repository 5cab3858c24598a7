"""What a store did not take is asked again, in order, and not for ever."""

import asyncio

from ratelimit.idempotency import backlog
from ratelimit.idempotency.backlog import Backlog
from ratelimit.idempotency.store import StoreUnavailable
from tests.ratelimit.idempotency.virtual import in_virtual_time


class Acts:
    """Acts by name, which fail while `down`."""

    def __init__(self):
        self.down, self.tried, self.done = True, 0, []

    def __call__(self, name):
        async def act():
            self.tried += 1
            if self.down:
                raise StoreUnavailable("down")
            self.done.append(name)

        return act


@in_virtual_time
async def test_acts_are_done_in_order_when_the_store_is_back():
    acts, waiting = Acts(), Backlog()
    for name in "abc":
        waiting.add(acts(name), until=100)
    await asyncio.sleep(3.1)
    assert (acts.done, acts.tried, len(waiting)) == ([], 7, 3)
    acts.down = False
    await asyncio.sleep(0.5)
    assert (acts.done, len(waiting)) == (["a", "b", "c"], 0)


@in_virtual_time
async def test_the_first_time_is_at_once():
    acts, waiting = Acts(), Backlog()
    acts.down = False
    waiting.add(acts("a"), until=100)
    await asyncio.sleep(0)
    assert acts.done == ["a"]


@in_virtual_time
async def test_an_act_whose_time_is_over_is_given_up():
    acts, waiting = Acts(), Backlog()
    waiting.add(acts("a"), until=10)
    waiting.add(acts("b"), until=20)
    await asyncio.sleep(15)
    acts.down = False
    await asyncio.sleep(1)
    assert acts.done == ["b"]


@in_virtual_time
async def test_it_works_again_after_it_was_empty():
    acts, waiting = Acts(), Backlog()
    acts.down = False
    for name in "ab":
        waiting.add(acts(name), until=100)
        await asyncio.sleep(1)
        assert len(asyncio.all_tasks()) == 1
    assert acts.done == ["a", "b"]


@in_virtual_time
async def test_it_is_bounded():
    acts, waiting = Acts(), Backlog()
    for number in range(backlog.ACTS_MAX + 5):
        waiting.add(acts(number), until=100)
    assert len(waiting) == backlog.ACTS_MAX
