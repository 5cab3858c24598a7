"""From a question to a committed answer, and what brokers are given of the log.  Raft itself is played by the test."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from minikafka.controller.image import MetadataImage
from minikafka.controller.quorum import TICK_S, Quorum
from minikafka.options import OPTIONS
from minikafka.records.metadata_entries import decode_records
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.controller import (
    AllocateProducerIdsRequest,
    BrokerHeartbeatRequest,
    BrokerRegistrationRequest,
)
from minikafka.wire.messages.metadata_log import MetadataFetchRequest, MetadataFetchResponse
from minikafka.wire.messages.topics import CreateTopicsRequest
from raft.ready import NotLeader
from serving.background import Background
from serving.readers import read_arguments
from simulation.disk import DiskOptions
from simulation.world import World
from tests.minikafka.simulated_nodes import Nodes, in_world

ME, OTHER = 1, 2
CLUSTER_ID = "bWluaSBjbHVzdGVyIDEyMw"


class Raft:
    """The log, as its driver shows it to the quorum; `commit` is what a majority would do."""

    def __init__(self, machine: Quorum) -> None:
        self.machine = machine
        self.index = 0
        self.uncommitted: list[tuple[int, bytes]] = []
        self.refuses = False
        self.transferred: list[int] = []
        self.on_transfer: Callable[[], None] = lambda: None

    def append(self, data: bytes) -> int:
        if self.refuses:
            raise NotLeader(OTHER)
        self.index += 1
        self.uncommitted.append((self.index, data))
        return self.index

    def commit(self, count: int = 1000) -> None:
        for _ in range(min(count, len(self.uncommitted))):
            self.machine.apply(*self.uncommitted.pop(0))

    def lose(self) -> None:
        """Another leads, and writes its own entries in place of those that are not committed."""
        self.index -= len(self.uncommitted)
        self.uncommitted.clear()
        self.machine.leadership(self.machine.term + 1, OTHER)

    def lead(self) -> None:
        """This node leads the next term; an entry of no meaning comes first, as in every reign."""
        self.index += 1
        self.machine.leadership(self.machine.term + 1, ME)

    def transfer_leadership(self, to: int) -> None:
        self.transferred.append(to)
        self.on_transfer()


class Desk:
    """A controller with a log under the test's hand; answers are kept in the order they come."""

    def __init__(self, world: World, **settings: Any) -> None:
        given = {
            "process.roles": "broker,controller",
            "node.id": ME,
            "cluster.id": CLUSTER_ID,
            "broker.session.timeout.ms": 1000,
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
        words = [word for key, value in given.items() for word in (f"--{key}", str(value))]
        self.quorum = Quorum(
            OPTIONS.load(read_arguments(words).given),
            me=ME,
            voters={ME: ("n1", 9093), OTHER: ("n2", 9093)},
            random=Random(1),
            disk=world.host("n1").disk,
            folder="metadata",
            background=Background(),
            on_failed=lambda error: None,
        )
        self.raft = self.quorum.driver = Raft(self.quorum)  # type: ignore[assignment]
        self.answers: list[Any] = []

    def ask(self, request: Any) -> None:
        self.quorum.request(request, lambda response: self.answers.append(response))

    def take(self) -> list[Any]:
        answers, self.answers = self.answers, []
        return answers

    async def pass_time(self, seconds: float) -> None:
        """With the ticks that `start` would set going, and everything committed at once."""
        for _ in range(round(seconds / TICK_S)):
            await asyncio.sleep(TICK_S)
            self.quorum._tick()
            self.raft.commit()

    # -- what brokers say ------------------------------------------------------------------------------------------------

    def active(self) -> "Desk":
        """It leads, and its first entry is committed."""
        self.raft.lead()
        self.raft.commit()
        return self

    def register(self, broker: int = 7) -> int:
        """Registered, committed, unfenced; its epoch."""
        self.ask(
            BrokerRegistrationRequest(
                broker_id=broker, cluster_id=CLUSTER_ID, incarnation_id=bytes(16), log_dirs=[bytes([broker]) * 16]
            )
        )
        self.raft.commit()
        (answer,) = self.take()
        assert answer.error_code == 0, answer
        self.heartbeat(broker, answer.broker_epoch)
        self.raft.commit()
        self.take()
        return int(answer.broker_epoch)

    def heartbeat(self, broker: int, epoch: int, applied: int | None = None) -> None:
        offset = self.quorum.image.offset if applied is None else applied
        self.ask(BrokerHeartbeatRequest(broker_id=broker, broker_epoch=epoch, current_metadata_offset=offset))

    def create(self, name: str) -> None:
        topic = CreateTopicsRequest.Topic(name=name, num_partitions=1, replication_factor=1)
        self.ask(CreateTopicsRequest(timeout_ms=1000, topics=[topic]))

    def fetch(self, offset: int, max_wait_ms: int = 500, max_bytes: int = 1 << 20) -> None:
        self.ask(MetadataFetchRequest(broker_id=7, offset=offset, max_wait_ms=max_wait_ms, max_bytes=max_bytes))


def errors(answers: list[Any]) -> list[Any]:
    """Of answers to CreateTopics; None where another controller is to be asked."""
    return [answer and ErrorCode(answer.topics[0].error_code) for answer in answers]


def at_desk(story: Callable[[Desk], Any], **settings: Any) -> Any:
    """`story(desk)` in virtual time."""
    world = World(1, disk=DiskOptions(stall=0.0))

    async def scenario(world: World) -> Any:
        return await world.spawn("n1", told())

    async def told() -> Any:
        return await story(Desk(world, **settings))

    return world.run(scenario, until=1000.0)


# -- who decides --------------------------------------------------------------------------------------------------------


def test_a_controller_that_does_not_lead_sends_whoever_asks_elsewhere():
    async def story(desk: Desk) -> Any:
        desk.create("orders")
        desk.fetch(-1)
        return desk.answers, desk.quorum.is_active()

    assert at_desk(story) == ([None, None], False)


def test_the_first_controller_of_all_names_the_cluster():
    async def story(desk: Desk) -> list[str]:
        desk.raft.lead()
        before = desk.quorum.image.cluster_id
        desk.raft.commit()
        return [before, desk.quorum.image.cluster_id]

    assert at_desk(story) == ["", CLUSTER_ID]


def test_the_second_reign_does_not_name_it_again():
    async def story(desk: Desk) -> int:
        desk.active()
        desk.raft.lose()
        desk.raft.lead()
        return len(desk.raft.uncommitted)

    assert at_desk(story) == 0


# -- answers wait -------------------------------------------------------------------------------------------------------


def test_an_answer_waits_until_what_it_rests_on_is_committed():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.create("orders")
        before = desk.take()
        desk.raft.commit()
        return before, errors(desk.take())

    assert at_desk(story) == ([], [ErrorCode.NONE])


def test_one_decision_is_one_entry_with_the_term_before_it():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.create("orders")
        ((_, data),) = desk.raft.uncommitted
        kinds = [type(record).__name__ for record in decode_records(data[4:])]
        return data[:4], kinds

    assert at_desk(story) == (b"\0\0\0\1", ["TopicRecord", "PartitionRecord"])


def test_a_decision_stands_on_the_one_before_though_that_is_not_committed_yet():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.create("orders")
        desk.create("orders")
        desk.raft.commit()
        return errors(desk.take())

    assert at_desk(story) == [ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS]


def test_an_answer_that_needs_no_entry_waits_for_those_before_it():
    """That the topic exists is not true yet, and may never be."""

    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.create("orders")
        desk.create("orders")
        entries, early = len(desk.raft.uncommitted), desk.take()
        desk.raft.lose()
        return entries, early, desk.take()

    assert at_desk(story) == (1, [], [None, None])


def test_an_answer_that_needs_no_entry_is_given_at_once_when_none_is_under_way():
    async def story(desk: Desk) -> Any:
        epoch = desk.active().register()
        desk.heartbeat(7, epoch)
        return [(answer.error_code, answer.is_fenced) for answer in desk.take()]

    assert at_desk(story) == [(0, False)]


def test_answers_come_in_the_order_of_the_log():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        for name in ("a", "b", "c"):
            desk.create(name)
        seen = []
        for _ in range(3):
            desk.raft.commit(1)
            seen += [[answer.topics[0].name for answer in desk.take()]]
        return seen

    assert at_desk(story) == [["a"], ["b"], ["c"]]


def test_the_epoch_of_a_broker_is_the_offset_of_its_registration():
    async def story(desk: Desk) -> Any:
        epoch = desk.active().register()
        return desk.quorum.image.brokers[7].epoch == epoch > 1

    assert at_desk(story)


# -- leadership is lost -------------------------------------------------------------------------------------------------


def test_whoever_waits_when_leadership_is_lost_is_sent_elsewhere_once():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.create("orders")
        desk.fetch(desk.quorum.image.offset)
        desk.raft.lose()
        told = desk.take()
        await asyncio.sleep(2)
        return told, desk.take(), desk.quorum.is_active()

    assert at_desk(story) == ([None, None], [], False)


def test_another_leaders_entry_at_the_same_place_does_not_answer_for_ours():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.create("ours")
        (index, _), entry = desk.raft.uncommitted[0], create_entry(desk)
        desk.raft.lose()
        desk.take()
        desk.quorum.apply(index, entry)
        return desk.take(), list(desk.quorum.image.topic_ids)

    assert at_desk(story) == ([], ["theirs"])


def create_entry(desk: Desk) -> bytes:
    """What another controller would write for the topic `theirs`."""
    desk.create("theirs")
    _, data = desk.raft.uncommitted.pop()
    desk.raft.index -= 1
    return data


def test_what_was_not_committed_never_was():
    """The next reign of the same controller begins from what is committed, not from what it had in mind."""

    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.create("orders")
        desk.raft.lose()
        desk.raft.lead()
        desk.take()
        desk.create("orders")
        desk.raft.commit()
        return errors(desk.take())

    assert at_desk(story) == [ErrorCode.NONE]


def test_an_answer_does_not_wait_for_a_proposal_of_an_earlier_reign():
    async def story(desk: Desk) -> Any:
        epoch = desk.active().register()
        desk.create("orders")
        desk.create("payments")
        desk.raft.lose()
        desk.raft.lead()
        desk.take()
        desk.heartbeat(7, epoch)
        return [answer.error_code for answer in desk.take()]

    assert at_desk(story) == [0]


def test_a_refused_proposal_ends_the_reign_at_once():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.raft.refuses = True
        desk.create("orders")
        return desk.take(), desk.quorum.is_active()

    assert at_desk(story) == ([None], False)


def test_a_controller_that_does_not_lead_hears_heartbeats_all_the_same():
    """It answers none of them, and knows who was silent when it leads."""

    async def story(desk: Desk) -> Any:
        epoch = desk.active().register()
        desk.raft.lose()
        seen = []
        for silence_s in (0.1, 0.95):
            desk.heartbeat(7, epoch)
            await desk.pass_time(silence_s)
            desk.raft.lead()
            await desk.pass_time(0.5)
            seen.append(desk.quorum.image.brokers[7].fenced)
            desk.raft.lose()
        return desk.take(), seen

    assert at_desk(story) == ([None, None], [False, True])


def test_a_silent_broker_is_fenced_without_being_asked():
    async def story(desk: Desk) -> list[bool]:
        desk.active().register()
        seen = []
        for _ in range(2):
            await desk.pass_time(0.6)
            seen.append(desk.quorum.image.brokers[7].fenced)
        return seen

    assert at_desk(story) == [False, True]


# -- the log for brokers ------------------------------------------------------------------------------------------------


def shown(answer: MetadataFetchResponse) -> Any:
    return (
        [entry.offset for entry in answer.entries] if answer.snapshot is None else ("snapshot", answer.snapshot_offset)
    )


def test_a_broker_is_given_what_follows_the_offset_it_has():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        end = desk.quorum.image.offset
        desk.fetch(-1)
        desk.fetch(end - 1)
        return [shown(answer) for answer in desk.take()], end

    given, end = at_desk(story)
    assert (given, end) == ([[2, 3, 4], [4]], 4)


def test_nothing_is_given_before_it_is_committed():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.fetch(desk.quorum.image.offset)
        desk.create("orders")
        before = desk.take()
        desk.raft.commit()
        return before, [shown(answer) for answer in desk.take() if isinstance(answer, MetadataFetchResponse)]

    assert at_desk(story) == ([], [[5]])


def test_what_a_broker_applies_of_it_is_the_controllers_image():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.create("orders")
        desk.raft.commit()
        desk.take()
        desk.fetch(-1)
        image = MetadataImage()
        for entry in desk.take()[0].entries:
            image.apply(decode_records(entry.records), entry.offset, entry.epoch)
        return image == desk.quorum.image

    assert at_desk(story)


def test_a_broker_that_has_everything_waits_as_long_as_it_wants_to():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        end = desk.quorum.image.offset
        desk.fetch(end, max_wait_ms=300)
        await asyncio.sleep(0.29)
        before = desk.take()
        await asyncio.sleep(0.02)
        (answer,) = desk.take()
        return before, shown(answer), answer.end_offset == end, answer.cluster_id

    assert at_desk(story) == ([], [], True, CLUSTER_ID)


def test_one_that_only_asks_where_the_log_ends_is_told_when_its_time_is_over():
    """Whatever is committed meanwhile; with no time to wait that is at once."""

    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.fetch(2**63 - 1, max_wait_ms=300)
        for name in ("a", "b"):
            await asyncio.sleep(0.1)
            desk.create(name)
            desk.raft.commit()
        before = [answer for answer in desk.take() if isinstance(answer, MetadataFetchResponse)]
        await asyncio.sleep(1)
        return before, [(shown(answer), answer.end_offset) for answer in desk.take()], desk.quorum.image.offset

    assert at_desk(story) == ([], [([], 6)], 6)


def test_an_answer_holds_as_many_entries_as_fit_and_one_at_least():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.fetch(-1, max_bytes=1)
        size = len(desk.quorum.recent[0].records) + 1
        desk.fetch(-1, max_bytes=size)
        return [shown(answer) for answer in desk.take()]

    assert at_desk(story) == [[2], [2, 3]]


def test_a_broker_that_has_fallen_behind_what_is_kept_is_given_a_snapshot():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        for number in range(20):
            desk.create(f"topic-{number}")
            desk.raft.commit()
        desk.take()
        begins_after, end = desk.quorum.begins_after, desk.quorum.image.offset
        assert desk.quorum.recent[0].offset == begins_after + 1
        for offset in (begins_after - 1, begins_after):
            desk.fetch(offset)
            await asyncio.sleep(0.01)
        behind, near = desk.take()
        image = MetadataImage()
        image.apply(decode_records(behind.snapshot), behind.snapshot_offset, behind.snapshot_epoch)
        return shown(behind), shown(near), image == desk.quorum.image, begins_after, end

    behind, near, equal, begins_after, end = at_desk(story, metadata_log_max_record_bytes_between_snapshots=500)
    assert (behind, near, equal) == (("snapshot", end), list(range(begins_after + 1, end + 1)), True)
    assert 4 < begins_after < end


async def behind(desk: Desk) -> None:
    """Twenty topics, and a broker that has none of them, and has just asked."""
    desk.active().register()
    for number in range(20):
        desk.create(f"topic-{number}")
        desk.raft.commit()
    desk.take()
    desk.fetch(-1)


def test_a_snapshot_on_its_way_is_given_once_as_it_was_when_it_was_asked_for():
    async def story(desk: Desk) -> Any:
        await behind(desk)
        end = desk.quorum.image.offset
        desk.create("later")
        desk.raft.commit()
        await asyncio.sleep(1)
        given = [answer for answer in desk.take() if isinstance(answer, MetadataFetchResponse)]
        image = MetadataImage()
        image.apply(decode_records(given[0].snapshot), given[0].snapshot_offset, given[0].snapshot_epoch)
        return [shown(answer) for answer in given], end, "later" in image.topic_ids

    given, end, later = at_desk(story, metadata_log_max_record_bytes_between_snapshots=500)
    assert (given, later) == ([("snapshot", end)], False)


def test_a_snapshot_of_a_controller_that_resigned_meanwhile_is_not_given():
    async def story(desk: Desk) -> Any:
        await behind(desk)
        desk.raft.lose()
        told = desk.take()
        await asyncio.sleep(1)
        return told, desk.take()

    assert at_desk(story, metadata_log_max_record_bytes_between_snapshots=500) == ([None], [])


def test_what_is_kept_for_brokers_is_bounded():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        for number in range(200):
            desk.create(f"topic-{number}")
            desk.raft.commit()
        kept = sum(len(written.records) for written in desk.quorum.recent)
        return kept == desk.quorum.recent_bytes, kept <= 500

    assert at_desk(story, metadata_log_max_record_bytes_between_snapshots=500) == (True, True)


# -- snapshots of Raft --------------------------------------------------------------------------------------------------


def test_a_snapshot_restores_the_image_and_where_it_stands():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        desk.create("orders")
        desk.raft.commit()
        image, snapshot = desk.quorum.image, await desk.quorum.snapshot()
        desk.quorum.restore(snapshot)
        return desk.quorum.image == image, desk.quorum.image is not image, len(desk.quorum.recent)

    assert at_desk(story) == (True, True, 0)


def test_a_snapshot_holds_what_was_applied_before_it_was_asked_for_and_no_more():
    """It is written in turns: Raft cuts the log off where it was asked for."""

    async def story(desk: Desk) -> Any:
        desk.active().register()
        before, coming = desk.quorum.image.copy(), desk.quorum.snapshot()
        desk.create("orders")
        desk.raft.commit()
        desk.quorum.restore(await coming)
        return desk.quorum.image == before

    assert at_desk(story)


def test_after_a_restored_snapshot_brokers_behind_it_are_given_one_too():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        at = desk.quorum.image.offset
        desk.quorum.restore(await desk.quorum.snapshot())
        desk.raft.lose()
        desk.raft.lead()
        desk.create("orders")
        desk.raft.commit()
        desk.take()
        for offset in (at - 1, at):
            desk.fetch(offset)
            await asyncio.sleep(0.01)
        return [shown(answer) for answer in desk.take()], at

    given, at = at_desk(story)
    assert given == [("snapshot", at + 2), [at + 2]]  # between them the entry of no meaning that begins a reign


def test_entries_follow_a_snapshot_that_was_restored():
    async def story(desk: Desk) -> Any:
        desk.active().register()
        snapshot = await desk.quorum.snapshot()
        desk.create("orders")
        ((index, data),) = desk.raft.uncommitted
        desk.raft.commit()
        whole = desk.quorum.image
        desk.quorum.restore(snapshot)
        desk.quorum.apply(index, data)
        return desk.quorum.image == whole

    assert at_desk(story)


# -- the end ------------------------------------------------------------------------------------------------------------


def test_an_active_controller_that_stops_hands_over_first():
    async def story(desk: Desk) -> Any:
        desk.active()
        desk.raft.on_transfer = lambda: asyncio.get_running_loop().call_later(0.2, desk.raft.lose)  # type: ignore[func-returns-value]
        began = asyncio.get_running_loop().time()
        await desk.quorum.stop()
        return desk.raft.transferred, round(asyncio.get_running_loop().time() - began, 1)

    assert at_desk(story) == ([OTHER], 0.2)


def test_it_does_not_wait_for_ever_for_somebody_to_take_over():
    async def story(desk: Desk) -> Any:
        desk.active()
        desk.fetch(desk.quorum.image.offset, max_wait_ms=60_000)
        began = asyncio.get_running_loop().time()
        await desk.quorum.stop()
        return desk.take(), round(asyncio.get_running_loop().time() - began, 1), desk.quorum.is_active()

    assert at_desk(story) == ([None], 1.0, False)


def test_one_that_is_not_active_stops_without_handing_over():
    async def story(desk: Desk) -> Any:
        await desk.quorum.stop()
        return desk.raft.transferred

    assert at_desk(story) == []


# -- with Raft, and three of them ---------------------------------------------------------------------------------------


def active(nodes: Nodes) -> int | None:
    running = [id for id in nodes.ids if nodes.running(id) and id in nodes.node]
    return next((id for id in running if nodes.node[id].quorum.is_active()), None)


def test_a_new_controller_knows_all_that_the_old_one_had_answered():
    async def story(nodes: Nodes) -> Any:
        first = active(nodes)
        survivors = [id for id in nodes.ids if id != first]
        client = await nodes.connect(survivors[0])
        await client.create("orders", partitions=3, replicas=2)
        await nodes.kill(first)
        await nodes.until(lambda: active(nodes) in survivors)
        quorum = nodes.node[active(nodes)].quorum
        return "orders" in quorum.image.topic_ids, quorum.image.topic("orders") is not None and quorum.term > 1

    assert in_world(story, nodes=3) == (True, True)


def test_a_controller_that_was_cut_off_decides_nothing_and_ends_with_the_others_image():
    """What it had in mind alone is gone; its clients are sent elsewhere."""

    async def story(nodes: Nodes) -> Any:
        first = active(nodes)
        old = nodes.node[first].quorum
        nodes.world.network.isolate(f"n{first}")
        answers: list[Any] = []
        alone = CreateTopicsRequest.Topic(name="alone", num_partitions=1, replication_factor=1)
        old.request(CreateTopicsRequest(timeout_ms=1000, topics=[alone]), answers.append)
        in_mind = "alone" in old.mind.image.topic_ids
        await nodes.until(lambda: not old.is_active())
        await nodes.until(lambda: any(nodes.node[id].quorum.is_active() for id in nodes.ids if id != first))
        nodes.world.network.heal()
        second = active(nodes)
        client = await nodes.connect(second)
        await client.create("together")
        await nodes.until(lambda: "together" in old.image.topic_ids)
        await nodes.until(lambda: old.image.offset == nodes.node[second].quorum.image.offset)
        return in_mind, answers, list(old.image.topic_ids), old.image == nodes.node[second].quorum.image

    assert in_world(story, nodes=3) == (True, [None], ["together"], True)


def test_a_controller_comes_back_from_its_own_disk_as_it_was():
    async def story(nodes: Nodes) -> Any:
        client = await nodes.connect()
        for number in range(5):
            await client.create(f"topic-{number}")
        before = nodes.node[1].quorum.image
        await nodes.kill()
        del nodes.node[1]
        nodes.start()
        node = await nodes.up()
        return {name: node.quorum.image.topic_ids[name] for name in before.topic_ids} == before.topic_ids

    assert in_world(story)


def test_the_clock_fences_a_broker_that_is_gone():
    async def story(nodes: Nodes) -> None:
        first = active(nodes)
        gone = next(id for id in nodes.ids if id != first)
        await nodes.kill(gone)
        await nodes.until(lambda: nodes.node[first].quorum.image.brokers[gone].fenced, 3)

    in_world(story, nodes=3)


def test_producer_ids_are_never_given_twice_whoever_decides():
    """The block after a failover begins where the committed one ended."""

    async def story(nodes: Nodes) -> Any:
        first = active(nodes)
        asker = nodes.node[next(id for id in nodes.ids if id != first)].broker
        request = AllocateProducerIdsRequest(broker_id=asker.me, broker_epoch=asker.lifecycle.epoch)
        before = await asker.admin.call(request, 5.0)
        await nodes.kill(first)
        after = await asker.admin.call(request, 5.0)
        return (
            before.error_code,
            after.error_code,
            after.producer_id_start >= before.producer_id_start + before.producer_id_len,
        )

    assert in_world(story, nodes=3) == (0, 0, True)


async def ticking(desk: Desk, seconds: float) -> None:
    """Time passes as in a process that runs."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        desk.quorum._tick()
        await asyncio.sleep(TICK_S)


async def fenced_after(desk: Desk, seconds: float = 3.0) -> float | None:
    """How long until the only broker is fenced, if it is not heard; None: longer than so many seconds."""
    began = asyncio.get_running_loop().time()
    while (took := asyncio.get_running_loop().time() - began) < seconds:
        desk.quorum._tick()
        desk.raft.commit()
        if desk.quorum.image.brokers[7].fenced:
            return round(took, 1)
        await asyncio.sleep(TICK_S)
    return None


def test_in_a_new_reign_a_broker_that_was_not_heard_lately_has_some_time_to_be():
    async def story(desk: Desk) -> float | None:
        desk.active().register()
        desk.raft.lose()
        await ticking(desk, 5)
        desk.raft.lead()
        return await fenced_after(desk)

    assert at_desk(story) == 0.4


def test_in_a_new_reign_the_sessions_of_brokers_that_were_heard_before_go_on():
    async def story(desk: Desk) -> tuple[Any, float | None]:
        epoch = desk.active().register()
        desk.raft.lose()
        await ticking(desk, 5)
        desk.heartbeat(7, epoch)
        refused = desk.take()
        await ticking(desk, 0.3)
        desk.raft.lead()
        return refused, await fenced_after(desk)

    refused, took = at_desk(story)
    assert (refused, took) == ([None], pytest.approx(0.7, abs=0.11))


def test_a_heartbeat_of_an_earlier_life_is_not_overheard():
    async def story(desk: Desk) -> float | None:
        epoch = desk.active().register()
        desk.raft.lose()
        await ticking(desk, 5)
        desk.heartbeat(7, epoch - 1)
        desk.raft.lead()
        return await fenced_after(desk)

    assert at_desk(story) == 0.4


def test_a_controller_that_stood_still_waits_for_what_it_has_not_read_yet():
    async def story(desk: Desk) -> float | None:
        desk.active().register()
        desk.quorum._tick()
        await asyncio.sleep(30)
        return await fenced_after(desk)

    assert at_desk(story) == 1.0
