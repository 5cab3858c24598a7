"""A node from start to stop, and what keeps it from starting."""

from tests.minikafka.simulated_nodes import Nodes, in_world


def test_a_node_that_was_stopped_leaves_the_clean_marker_and_exit_code_0():
    async def story(nodes: Nodes) -> None:
        assert await nodes.stop() == 0
        assert nodes.disk().exists("data/.kafka_cleanshutdown")

    in_world(story)
