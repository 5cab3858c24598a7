"""leader-epoch-checkpoint: KIP-101's table, and OffsetForLeaderEpoch's answers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from minikafka.log.epochs import LeaderEpochs, decode, encode
from simulation.world import World
from tests.minikafka.log.fixtures import disk


def epochs(*entries: tuple[int, int]) -> LeaderEpochs:
    known = LeaderEpochs(disk(), "leader-epoch-checkpoint")
    for epoch, start in entries:
        known.assign(epoch, start)
    return known


def reloaded(known: LeaderEpochs) -> list[tuple[int, int]]:
    again = LeaderEpochs(known._disk, known.path)
    assert again.load()
    return again.entries


def test_the_file_is_kafkas():
    known = epochs((0, 0), (3, 41))
    assert known._disk.read(known.path) == b"0\n2\n0 0\n3 41\n"
    assert reloaded(known) == [(0, 0), (3, 41)]


@pytest.mark.parametrize("cut", range(len(encode([(0, 0), (3, 41), (12, 1000)]))))
def test_a_torn_file_is_no_file(cut):
    with pytest.raises(ValueError):
        decode(encode([(0, 0), (3, 41), (12, 1000)])[:cut])


@pytest.mark.parametrize(
    ("asked", "answer"),
    [(-1, (-1, -1)), (0, (0, 10)), (1, (1, 15)), (2, (1, 15)), (3, (1, 15)), (4, (4, 20)), (5, (5, 99)), (6, (-1, -1))],
)
def test_the_end_of_an_epoch_is_where_the_next_begins(asked, answer):
    """KIP-279: the largest epoch up to the one asked, so that both sides get to one they share."""
    assert epochs((1, 10), (4, 15), (5, 20)).end_offset_for(asked, 99) == answer


def test_an_epoch_that_left_nothing_gives_way_to_the_next():
    """Two elections with no record between them."""
    assert epochs((1, 10), (2, 15), (3, 15)).entries == [(1, 10), (3, 15)]


def test_the_latest_epoch_is_assigned_once():
    known = epochs((1, 10), (1, 20))
    assert known.entries == [(1, 10)]


def test_a_truncation_takes_the_epochs_that_began_behind_it():
    known = epochs((1, 10), (4, 15), (5, 20))
    known.truncate_from_end(15)
    assert (known.entries, known.latest, reloaded(known)) == ([(1, 10)], 1, [(1, 10)])


@pytest.mark.parametrize("seed", range(20))
def test_an_epoch_that_a_truncation_took_does_not_come_back_after_a_power_failure(seed):
    """It would speak of records that are gone, to whoever asks where it ends."""
    on = disk(seed)
    known = LeaderEpochs(on, "leader-epoch-checkpoint")
    for epoch, start in ((1, 10), (4, 15), (5, 20)):
        known.assign(epoch, start)
    known.truncate_from_end(15)
    on.power_loss()
    assert reloaded(known) == [(1, 10)]


def while_it_is_flushed(change: Callable[[LeaderEpochs], Any]) -> tuple[list[tuple[int, int]], bool, list[str]]:
    """What the file says when epochs changed in the middle of a flush; whether it may not be durable; all files."""

    async def story() -> tuple[list[tuple[int, int]], bool, list[str]]:
        on = world.host("n1").disk
        known = LeaderEpochs(on, "leader-epoch-checkpoint")
        for epoch, start in ((1, 10), (4, 15)):
            known.assign(epoch, start)
        flushing = asyncio.get_running_loop().create_task(known.flush())
        await asyncio.sleep(0)
        if (more := change(known)) is not None:
            await more
        await flushing
        return reloaded(known), known.dirty, on.listdir(".")

    async def scenario(world: World) -> Any:
        return await world.spawn("n1", story())

    world = World(1)
    return world.run(scenario)  # type: ignore[return-value]


def test_what_a_truncation_takes_during_a_flush_stays_away():
    found = while_it_is_flushed(lambda known: known.truncate_from_end(15))
    assert found == ([(1, 10)], False, ["leader-epoch-checkpoint"])


def test_what_is_assigned_during_a_flush_is_for_the_next():
    found = while_it_is_flushed(lambda known: known.assign(5, 20))
    assert found == ([(1, 10), (4, 15), (5, 20)], True, ["leader-epoch-checkpoint"])


def test_two_flushes_at_once_do_not_take_each_others_file():
    found = while_it_is_flushed(lambda known: known.flush())
    assert found == ([(1, 10), (4, 15)], False, ["leader-epoch-checkpoint"])


def test_raising_the_start_keeps_the_epoch_that_holds_it():
    known = epochs((1, 10), (4, 15), (5, 20))
    known.truncate_from_start(17)
    assert known.entries == reloaded(known) == [(4, 17), (5, 20)]
    known.truncate_from_start(5)
    assert known.entries == [(4, 17), (5, 20)]


@pytest.mark.parametrize(("offset", "epoch"), [(5, -1), (10, 1), (14, 1), (15, 4), (100, 5)])
def test_the_epoch_of_an_offset(offset, epoch):
    assert epochs((1, 10), (4, 15), (5, 20)).epoch_of(offset) == epoch
