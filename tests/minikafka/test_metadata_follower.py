"""A broker's copy of the metadata: record by record, or a snapshot when it has fallen behind (KIP-631)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from minikafka.controller.image import Delta, MetadataImage, ResourceType
from minikafka.controller_channel import ControllerUnavailable
from minikafka.metadata_follower import MAX_BYTES, MetadataFollower
from minikafka.records.metadata_entries import decode_records, encode_records
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.metadata_log import MetadataFetchRequest, MetadataFetchResponse
from minikafka.wire.messages.topics import DeleteTopicsRequest
from simulation.world import World
from tests.minikafka.controller.cluster import CLUSTER_ID, TERM, Cluster
from tests.minikafka.simulated_nodes import Nodes, in_world


class Controller:
    """Gives out the log of `cluster`, in place of a ControllerChannel.

    at_once        entries an answer holds at most
    begins_after   the offset up to which there is only a snapshot
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.at_once = 1000
        self.begins_after = -1
        self.snapshot_to: MetadataImage | None = None
        self.absent = 0
        self.error = ErrorCode.NONE
        self.asked: list[MetadataFetchRequest] = []
        self.patience: list[tuple[float, float | None]] = []

    async def call(self, request: Any, timeout_s: float, *, try_s: float | None = None) -> Any:
        self.asked.append(request)
        self.patience.append((timeout_s, try_s))
        await asyncio.sleep(0.001)
        if self.absent:
            self.absent -= 1
            raise ControllerUnavailable("nobody")
        answer = MetadataFetchResponse(
            cluster_id=CLUSTER_ID, error_code=self.error, end_offset=self.cluster.image.offset
        )
        offset = request.offset
        if offset < self.begins_after:
            image = self.snapshot_to or self.cluster.follower
            answer.snapshot = encode_records(image.records())
            answer.snapshot_offset, answer.snapshot_epoch = image.offset, image.epoch
            offset = image.offset
        answer.entries = [
            MetadataFetchResponse.Entry(offset=at, epoch=TERM, records=encode_records(records))
            for at, records in enumerate(self.cluster.log)
            if at > offset
        ][: self.at_once]
        return answer


class Follower:
    """A follower, what it was asked for, and what it told: (offset of the image at that time, delta)."""

    def __init__(self, cluster: Cluster) -> None:
        self.controller = Controller(cluster)
        self.told: list[tuple[int, Delta]] = []
        self.each_takes_s = 0.0
        self.follower = MetadataFollower(9, self.controller, self.changed)  # type: ignore[arg-type]

    async def changed(self, image: MetadataImage, delta: Delta) -> None:
        assert image is self.follower.image
        before = image.offset
        await asyncio.sleep(self.each_takes_s)
        assert self.follower.image.offset == before, "the image moves when the last change has been acted upon"
        self.told.append((before, delta))


def in_time(story: Callable[[Follower], Any], cluster: Cluster | None = None) -> Any:
    """`story(follower)` of a cluster with the brokers 0, 1, 2 in virtual time."""

    async def scenario(world: World) -> Any:
        return await world.spawn("broker", told())

    async def told() -> Any:
        return await story(Follower(cluster or Cluster(3)))

    return World(1).run(scenario, until=10_000.0)


# -- entry by entry -----------------------------------------------------------------------------------------------------


def test_it_becomes_what_the_controller_is():
    cluster = Cluster(3)
    cluster.create("orders", [0, 1], [1, 2], retention_ms="1")

    async def story(follower: Follower) -> bool:
        await follower.follower.fetch_once()
        return follower.follower.image == cluster.image

    assert in_time(story, cluster)


def test_every_entry_is_told_by_itself_and_in_order():
    cluster = Cluster(3)

    async def story(follower: Follower) -> list[int]:
        follower.each_takes_s = 0.01
        await follower.follower.fetch_once()
        return [offset for offset, _ in follower.told]

    assert in_time(story, cluster) == list(range(len(cluster.log)))


def test_it_asks_for_what_follows_the_last_entry_it_has():
    cluster = Cluster(3)

    async def story(follower: Follower) -> list[int]:
        follower.controller.at_once = 3
        for _ in range(3):
            await follower.follower.fetch_once()
        return [request.offset for request in follower.controller.asked]

    assert in_time(story, cluster) == [-1, 2, 5]


def test_what_it_asks_says_who_it_is_and_how_long_it_waits():
    async def story(follower: Follower) -> Any:
        await follower.follower.fetch_once()
        follower.follower.epoch = 5
        await follower.follower.fetch_once(wait_ms=200)
        offset = follower.follower.image.offset
        return follower.controller.asked[1], offset, follower.controller.patience

    asked, offset, patience = in_time(story)
    assert asked == MetadataFetchRequest(
        broker_id=9, broker_epoch=5, offset=offset, epoch=TERM, max_wait_ms=200, max_bytes=MAX_BYTES
    )
    assert patience == [(30, 1.5), (30, 1.2)]  # longer than the controller may wait itself


def test_when_there_is_nothing_new_nothing_is_told():
    async def story(follower: Follower) -> int:
        await follower.follower.fetch_once()
        follower.told.clear()
        await follower.follower.fetch_once()
        return len(follower.told)

    assert in_time(story) == 0


def test_an_answer_with_an_error_changes_nothing():
    async def story(follower: Follower) -> tuple[int, int]:
        follower.controller.error = ErrorCode.UNKNOWN_SERVER_ERROR
        await follower.follower.fetch_once()
        return follower.follower.image.offset, len(follower.told)

    assert in_time(story) == (-1, 0)


def test_it_follows_on_when_there_was_no_controller_for_a_while():
    cluster = Cluster(3)

    async def story(follower: Follower) -> bool:
        following = asyncio.get_running_loop().create_task(follower.follower.follow())
        await asyncio.sleep(0.1)
        follower.controller.absent = 5
        cluster.create("orders", [0, 1])
        await asyncio.sleep(0.1)
        following.cancel()
        return follower.follower.image == cluster.image

    assert in_time(story, cluster)


def test_what_could_not_be_acted_upon_ends_it():
    """A broker that went on would lead and follow by something else than what it has read."""

    async def story(follower: Follower) -> None:
        async def broken(image: MetadataImage, delta: Delta) -> None:
            raise OSError("broken")

        follower.follower.changed = broken
        with pytest.raises(OSError, match="broken"):
            await follower.follower.follow()

    in_time(story)


# -- the beginning ------------------------------------------------------------------------------------------------------


def test_the_name_of_the_cluster_is_learned_without_reading_its_log():
    async def story(follower: Follower) -> tuple[str, int, int, int]:
        name = await follower.follower.learn_cluster_id()
        (asked,) = follower.controller.asked
        return name, follower.follower.image.offset, asked.offset, asked.max_wait_ms

    assert in_time(story) == (CLUSTER_ID, -1, 2**63 - 1, 0)


def test_an_earlier_life_is_read_and_not_acted_upon():
    """Up to its own registration a broker only reads; then it acts on all of it at once."""
    cluster = Cluster(3)
    cluster.create("orders", [0, 1], [1, 2])
    cluster.crash(1)
    registered = cluster.image.brokers[1].epoch

    async def story(follower: Follower) -> tuple[int, list[tuple[int, Delta]]]:
        follower.controller.at_once = 2
        await follower.follower.catch_up(registered)
        return follower.follower.image.offset, follower.told

    offset, told = in_time(story, cluster)
    topic_id = cluster.image.topic_ids["orders"]
    assert registered <= offset <= registered + 1
    assert told == [
        (
            offset,
            Delta(
                partitions={(topic_id, 0): None, (topic_id, 1): None},
                created=[topic_id],
                brokers={0: None, 1: None, 2: None},
                configs=set(cluster.image.configs),
                features=set(cluster.image.features),
            ),
        )
    ]


def test_catching_up_ends_when_nobody_answers():
    async def story(follower: Follower) -> int:
        follower.controller.absent = 1
        with pytest.raises(ControllerUnavailable):
            await follower.follower.catch_up(5)
        return len(follower.told)

    assert in_time(story) == 0


# -- a snapshot in the middle -------------------------------------------------------------------------------------------


def fallen_behind(
    cluster: Cluster, then: Callable[[Cluster], None], *, whole: bool = True
) -> tuple[Any, MetadataImage]:
    """What a follower is told that had read `cluster`, missed `then`, and is given a snapshot: (deltas, its image).

    whole   False: the snapshot was made before `then`'s last decision, which follows as an entry
    """

    async def story(follower: Follower) -> tuple[Any, MetadataImage]:
        await follower.follower.fetch_once()
        follower.told.clear()
        then(cluster)
        follower.controller.begins_after = follower.follower.image.offset + 1
        if not whole:
            follower.controller.snapshot_to = earlier(cluster)
        await follower.follower.fetch_once()
        return follower.told, follower.follower.image

    return in_time(story, cluster)


def earlier(cluster: Cluster) -> MetadataImage:
    """As it was before the last decision."""
    image = MetadataImage()
    for offset, records in enumerate(cluster.log[:-1]):
        image.apply(decode_records(encode_records(records)), offset, TERM)
    return image


def test_a_snapshot_takes_the_place_of_what_was_missed():
    cluster = Cluster(3)
    told, image = fallen_behind(cluster, lambda cluster: cluster.create("orders", [0, 1]))
    assert (image, [offset for offset, _ in told]) == (cluster.image, [cluster.image.offset])


def test_entries_behind_the_snapshot_follow_it():
    cluster = Cluster(3)

    def then(cluster: Cluster) -> None:
        cluster.create("orders", [0, 1])
        cluster.create("payments", [1, 2])

    told, image = fallen_behind(cluster, then, whole=False)
    end = cluster.image.offset
    assert (image, [offset for offset, _ in told]) == (cluster.image, [end - 1, end])
    assert told[1][1].created == [cluster.image.topic_ids["payments"]]


def test_topics_that_came_went_and_stayed_while_it_was_away():
    cluster = Cluster(3)
    cluster.create("stays", [0, 1])
    cluster.create("goes", [0, 1])
    stays, goes = (cluster.image.topic(name) for name in ("stays", "goes"))
    before = cluster.partition("stays")

    def then(cluster: Cluster) -> None:
        delete(cluster, "goes")
        cluster.create("comes", [1, 2])
        cluster.silence(0)

    ((_, delta),), image = fallen_behind(cluster, then)
    comes = image.topic_ids["comes"]
    assert delta.created == [comes]
    assert delta.deleted == {goes.id: goes}
    assert delta.partitions == {(stays.id, 0): before, (comes, 0): None}
    assert image.partition(stays.id, 0).leader == 1


def test_a_topic_that_was_made_again_is_another():
    cluster = Cluster(3)
    cluster.create("orders", [0, 1])
    old = cluster.image.topic_ids["orders"]

    def then(cluster: Cluster) -> None:
        delete(cluster, "orders")
        cluster.create("orders", [1, 2])

    ((_, delta),), image = fallen_behind(cluster, then)
    new = image.topic_ids["orders"]
    assert (new != old, delta.created, list(delta.deleted), list(delta.partitions)) == (True, [new], [old], [(new, 0)])


def test_settings_that_are_gone_have_changed_too():
    cluster = Cluster(3)
    cluster.create("orders", [0, 1], retention_ms="1")

    ((_, delta),), _ = fallen_behind(cluster, lambda cluster: delete(cluster, "orders"))
    assert (ResourceType.TOPIC, "orders") in delta.configs


def test_a_broker_that_was_restarted_meanwhile_is_named_with_what_it_was():
    cluster = Cluster(3)
    before = cluster.image.brokers[2]

    ((_, delta),), image = fallen_behind(cluster, lambda cluster: cluster.crash(2))
    assert (delta.brokers[2], image.brokers[2].epoch > before.epoch) == (before, True)


def delete(cluster: Cluster, name: str) -> None:
    topics = [DeleteTopicsRequest.Topic(name=name, topic_id=bytes(16))]
    answer = cluster.ask(DeleteTopicsRequest(topics=topics))
    assert answer.responses[0].error_code == 0, answer


def test_a_broker_lives_through_a_snapshot_in_which_its_topic_was_made_again():
    """The folder of the old topic makes way for the new one's, once."""

    async def story(nodes: Nodes) -> tuple[bool, bool]:
        await (await nodes.connect(1)).create("orders", replicas=3)
        await nodes.until(lambda: all(len(nodes.node[id].broker.partitions) == 1 for id in nodes.ids))
        away = next(id for id in nodes.ids if not nodes.node[id].quorum.is_active())
        near = next(id for id in nodes.ids if id != away)
        nodes.world.network.isolate(f"n{away}")
        client = await nodes.connect(near)
        await client.ask(DeleteTopicsRequest(timeout_ms=10_000, topic_names=["orders"]), 5)
        await client.create("orders", replicas=3)
        for number in range(30):
            await client.create(f"filler-{number}")
        await asyncio.sleep(3)  # it has given up the connection on which the deletion was on its way
        nodes.world.network.heal()
        quorum = nodes.node[away].quorum
        broker = nodes.node[away].broker
        await nodes.until(lambda: "filler-29" in broker.image.topic_ids or not nodes.running(away))
        held = [each.topic_id for each in broker.partitions.values() if each.topic == "orders"]
        assert quorum.begins_after > 0
        return nodes.running(away), held == [broker.image.topic_ids["orders"]]

    running, held = in_world(story, nodes=3, metadata_log_max_record_bytes_between_snapshots=1000)
    assert (running, held) == (True, True)
