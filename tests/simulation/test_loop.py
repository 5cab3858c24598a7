"""The event loop on virtual time."""

import asyncio
import signal
import socket
import threading
from random import Random

import pytest

from simulation.loop import Deadlock, OutOfEvents, OutOfTime, SimulatedLoop
from simulation.process import Process


@pytest.fixture
def loop():
    loop = SimulatedLoop(Random(1))
    yield loop
    loop.close()


async def noting(notes, text, seconds):
    await asyncio.sleep(seconds)
    notes.append((asyncio.get_running_loop().time(), text))


def test_an_hour_of_sleep_takes_no_time(loop):
    loop.run_until_complete(asyncio.sleep(3600))
    assert loop.time() == 3600.0
    assert loop.events < 10


def test_callbacks_of_one_moment_run_in_the_order_they_were_asked_for(loop):
    order = []
    for number in range(100):
        loop.call_at(1.0, order.append, number)
    loop.run_until_complete(asyncio.sleep(1))
    assert order == list(range(100))


def test_timers_run_by_time_whatever_the_order_they_were_set_in(loop):
    notes = []

    async def main():
        await asyncio.gather(noting(notes, "c", 3), noting(notes, "a", 1), noting(notes, "b", 2))

    loop.run_until_complete(main())
    assert notes == [(1.0, "a"), (2.0, "b"), (3.0, "c")]


def test_cancelled_timers_neither_run_nor_move_the_clock(loop):
    loop.call_later(500, pytest.fail).cancel()
    for _ in range(1000):
        loop.call_later(50, pytest.fail).cancel()
    loop.run_until_complete(asyncio.sleep(1))
    with pytest.raises(Deadlock):
        loop.run_until_complete(loop.create_future())
    assert loop.time() == 1.0


def test_timeouts_locks_queues_and_groups_work_as_they_are(loop):
    async def main():
        queue, results = asyncio.Queue(2), []

        async def produce():
            for number in range(5):
                await queue.put(number)

        async def consume():
            for _ in range(5):
                results.append(await queue.get())

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(100), 3)
        return results

    assert loop.run_until_complete(main()) == [0, 1, 2, 3, 4]
    assert loop.time() == 10.0


def test_a_deadlock_names_who_waits_and_where(loop):
    async def stand_still():
        await asyncio.Event().wait()

    process = Process("redis-1")
    task = loop.create_task(stand_still(), name="the writer", context=process.context())
    with pytest.raises(Deadlock, match=r"redis-1: the writer at .*locks\.py:\d+ wait"):
        loop.run_until_complete(task)
    task.cancel()


def test_a_loop_that_never_waits_runs_out_of_events():
    loop = SimulatedLoop(Random(1), event_budget=1000)

    async def busy():
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(OutOfEvents):
        loop.run_until_complete(busy())
    assert loop.events in range(1000, 1010)


def test_a_run_ends_at_its_end_time():
    loop = SimulatedLoop(Random(1), end_time=60)
    with pytest.raises(OutOfTime):
        loop.run_until_complete(asyncio.sleep(61))
    assert loop.time() == 60


def test_threads_are_functions_run_a_little_later(loop):
    async def main():
        thread = await asyncio.to_thread(threading.get_ident)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)
        return thread

    assert loop.run_until_complete(main()) == threading.get_ident()
    assert 0 < loop.time() < 0.01


def test_a_real_thread_may_not_call_in(loop):
    outcome = []

    def call_in():
        try:
            loop.call_soon_threadsafe(print)
        except RuntimeError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=call_in)
    thread.start()
    thread.join()
    assert outcome == ["a thread called into the simulation; when it does so is not in the seed's hands"]


def test_call_soon_threadsafe_from_the_loops_own_thread_is_call_soon(loop):
    async def main():
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon_threadsafe(future.set_result, 7)
        return await future

    assert loop.run_until_complete(main()) == 7


def test_tasks_and_futures_hash_by_the_order_of_their_creation(loop):
    async def main():
        return [hash(asyncio.create_task(asyncio.sleep(0))) for _ in range(5)], hash(loop.create_future())

    tasks, future = loop.run_until_complete(main())
    assert [number - tasks[0] for number in [*tasks, future]] == [0, 1, 2, 3, 4, 5]


def test_exceptions_that_nobody_handles_are_collected_with_their_host(loop):
    def fail():
        raise ValueError("no")

    process = Process("redis-1")
    loop.call_later(2, fail, context=process.context())
    loop.run_until_complete(asyncio.sleep(3))
    (error,) = loop.errors
    assert (error.host, error.time, str(error.exception)) == ("redis-1", 2.0, "no")


def test_each_process_has_an_exception_handler_of_its_own(loop):
    told = []
    one, other = Process("one"), Process("other")

    async def install():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        asyncio.get_running_loop().call_exception_handler({"message": "of one"})

    async def complain():
        asyncio.get_running_loop().call_exception_handler({"message": "of other"})

    async def main():
        await loop.create_task(install(), context=one.context())
        await loop.create_task(complain(), context=other.context())

    loop.run_until_complete(main())
    assert told == ["of one"]
    assert [(error.host, error.message) for error in loop.errors] == [("one", "of one"), ("other", "of other")]


def test_signal_handlers_belong_to_a_process(loop):
    process = Process("redis-1")

    async def install():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print, "bye")

    loop.run_until_complete(loop.create_task(install(), context=process.context()))
    callback, args, _ = process.signal_handlers[signal.SIGTERM]
    assert (callback, args) == (print, ("bye",))
    with pytest.raises(RuntimeError):
        loop.add_signal_handler(signal.SIGTERM, print)


@pytest.mark.parametrize(
    "call",
    [
        lambda loop: loop.create_connection(asyncio.Protocol, "b", 1, ssl=True),
        lambda loop: loop.create_server(asyncio.Protocol, None, 1, ssl=True),
        lambda loop: loop.create_server(asyncio.Protocol, sock=socket.socket),
    ],
)
def test_what_has_no_counterpart_is_refused_when_awaited(loop, call):
    with pytest.raises(NotImplementedError):
        loop.run_until_complete(call(loop))


@pytest.mark.parametrize(
    "call",
    [
        lambda loop: loop.create_unix_server(asyncio.Protocol, "path"),
        lambda loop: loop.create_unix_connection(asyncio.Protocol, "path"),
        lambda loop: loop.start_tls(None, None, None),
        lambda loop: loop.subprocess_exec(asyncio.SubprocessProtocol, "true"),
        lambda loop: loop.sock_recv(None, 1),
        lambda loop: loop.add_reader(0, print),
        lambda loop: loop.create_datagram_endpoint(asyncio.DatagramProtocol),
    ],
)
def test_what_has_no_counterpart_is_refused_at_once(loop, call):
    with pytest.raises(NotImplementedError):
        call(loop)
