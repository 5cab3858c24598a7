"""Copying over lines that are slow, or dead."""

from tests.minikafka.simulated_nodes import Nodes, in_world

PIECE_BYTES = 1000
MISSED_BYTES = 200_000


def trickle(nodes: Nodes, bytes_a_second: int) -> None:
    """Every line carries no more from now on."""
    network = nodes.world.network
    network.split = lambda data: [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
    network.gap = lambda: PIECE_BYTES / bytes_a_second


def in_sync(nodes: Nodes, id: int) -> bool:
    topic = nodes.node[1].broker.image.topic("orders")
    return topic is not None and id in topic.partitions[0].isr


def test_a_follower_takes_in_an_answer_that_needs_longer_than_its_patience_with_a_silent_leader():
    """What it missed comes in 20 s, in one answer: given up and asked for again, it would never be whole."""

    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders", replicas=3)
        await nodes.until(lambda: in_sync(nodes, 3))
        topic = nodes.node[1].broker.image.topic("orders")
        away = 2 if topic.partitions[0].leader == 3 else 3
        assert await nodes.stop(away) == 0
        client = await nodes.connect(topic.partitions[0].leader)
        assert (await client.produce("orders", bytes(MISSED_BYTES))).error_code == 0
        trickle(nodes, bytes_a_second=10_000)
        nodes.start(away)
        await nodes.up(away)
        await nodes.until(lambda: in_sync(nodes, away), seconds=40)

    in_world(story, nodes=3)


def test_a_follower_gives_up_a_connection_on_which_nothing_comes_any_more():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders", replicas=2)
        await nodes.until(lambda: in_sync(nodes, 1) and in_sync(nodes, 2))
        leader = nodes.node[1].broker.image.topic("orders").partitions[0].leader
        link = nodes.node[3 - leader].broker.fetchers.links[leader]
        first = link.link
        nodes.world.network.cut(f"n{leader}", f"n{3 - leader}")
        await nodes.until(lambda: link.link is not first, seconds=5)

    in_world(story, nodes=2)
