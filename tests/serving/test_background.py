import asyncio

import pytest

from serving.background import Background
from tests.serving.peers import until, within


@pytest.fixture
def reports():
    return []


@pytest.fixture(autouse=True)
async def listen(reports):
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))


async def test_a_failure_is_reported_with_the_name_of_the_task(reports):
    async def fail():
        raise ValueError("no")

    background = Background()
    background.start(fail(), "compaction")
    await until(lambda: reports)
    assert (reports[0]["message"], str(reports[0]["exception"])) == ("compaction failed", "no")
    assert len(background) == 0


async def test_the_failure_of_a_vital_task_is_told():
    failures = []

    async def fail():
        raise ValueError("no")

    background = Background(on_vital_failure=failures.append)
    background.start(fail(), "side", vital=False)
    background.start(fail(), "heart", vital=True)
    await until(lambda: failures)
    assert [str(error) for error in failures] == ["no"]


async def test_stop_ends_tasks_and_what_they_start_meanwhile(reports):
    background = Background()
    ends = []

    async def stubborn(name):
        try:
            await asyncio.Event().wait()
        finally:
            ends.append(name)
            if name == "first":
                background.start(stubborn("second"), "second")

    background.start(stubborn("first"), "first")
    await asyncio.sleep(0)
    await within(background.stop())
    assert (ends[:1], len(background), reports) == (["first"], 0, [])


async def test_a_task_may_stop_the_background_it_belongs_to():
    background = Background()
    task = background.start(background.stop(), "stop")
    await within(task)
    assert len(background) == 0


async def test_a_tick_goes_on_after_a_failure_at_an_interval_that_may_change(reports):
    background = Background()
    calls, asked = [], []

    def interval():
        asked.append(len(calls))
        return 0.001

    def work():
        calls.append(None)
        if len(calls) == 2:
            raise ValueError("once")

    tick = background.every(interval, work, "cron")
    await until(lambda: len(calls) >= 4)
    await background.stop()
    count = len(calls)
    assert tick.stopped and asked[:4] == [0, 1, 2, 3]
    assert [report["message"] for report in reports] == ["cron failed"]
    assert tick._timer.cancelled() and len(calls) == count
