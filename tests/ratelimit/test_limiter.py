"""Limiters in Python code: waiting, decorators, context managers."""

import pytest

from ratelimit import AsyncLimiter, Limit, Limiter, MemoryStore, RateLimited
from tests.ratelimit.test_memory_store import Time


class Sleeper(Time):
    """A clock that sleeping turns."""

    def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@pytest.fixture
def time():
    return Sleeper()


def limiter(limit, time):
    return Limiter(limit, MemoryStore(now_ms=time), sleep=time.sleep)


def test_acquire_waits_until_its_turn(time):
    bucket = limiter(Limit(10, 1000, 1), time)
    began = time.ms
    for _ in range(5):
        assert bucket.acquire("mails").allowed
    assert time.ms - began == 400


def test_a_queue_sends_out_one_after_the_other(time):
    queue = limiter(Limit(10, 1000, 5, "leaking_bucket", queue=True), time)
    began = time.ms
    for expected in (0, 100, 200):
        time.ms = began
        queue.acquire("mails")
        assert time.ms - began == expected


def test_acquire_gives_up_at_once_when_it_cannot_be_in_time(time):
    bucket = limiter("1 per minute", time)
    bucket.acquire("a")
    began = time.ms
    with pytest.raises(RateLimited, match="'a' may not pass: 1 per minute, try again in 60 s"):
        bucket.acquire("a", timeout_s=59)
    assert time.ms == began


def test_a_decorated_function_raises_or_waits(time):
    bucket = limiter("2 per second", time)

    @bucket.limited(key=lambda user, text: user)
    def send(user: str, text: str) -> str:
        """Send a text."""
        return f"{user}: {text}"

    assert send("ann", "hi") == "ann: hi"
    assert send.__doc__ == "Send a text."
    send("ann", "again")
    with pytest.raises(RateLimited) as denied:
        send("ann", "and again")
    assert denied.value.decision.retry_after_ms == 500
    assert send("bob", "hi") == "bob: hi"

    waiting = bucket.limited(key="all", wait=True)(lambda: time.ms)
    assert [waiting() - time.ms for _ in range(3)] == [0, 0, 0]
    began = time.ms
    assert waiting() - began == 500


def test_the_body_of_a_context_manager_runs_only_when_it_may(time):
    bucket = limiter("1 per second", time)
    with bucket.at_once("a") as decision:
        assert decision.remaining == 0
    with pytest.raises(RateLimited), bucket.at_once("a"):
        pytest.fail("the body ran")
    with bucket.waiting("a"):
        pass


def test_a_coroutine_function_wants_the_other_limiter(time):
    async def send() -> None: ...

    with pytest.raises(TypeError, match="AsyncLimiter"):
        limiter("1/s", time).limited(key="a")(send)


async def test_the_same_words_as_coroutines():
    bucket = AsyncLimiter("2 per 20 ms")

    @bucket.limited(key="all", wait=True)
    async def work(number: int) -> int:
        return number

    assert [await work(number) for number in range(5)] == list(range(5))
    hourly = AsyncLimiter("1 per hour")
    async with hourly.waiting("a"):
        pass
    with pytest.raises(RateLimited):
        await hourly.acquire("a", timeout_s=5)
    with pytest.raises(RateLimited):
        async with hourly.at_once("a"):
            pytest.fail("the body ran")
    assert (await hourly.peek("a")).remaining == 0
    assert await hourly.reset("a") is True
    assert (await hourly.hit("a")).allowed
