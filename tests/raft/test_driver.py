"""Nodes with disks, clocks and connections: what whoever proposes and reads is told, and when."""

import asyncio

import pytest

from raft.driver import OutcomeUnknown
from raft.example_kv import OPEN, PUT, encode_command
from raft.example_server import ReplicatedTable, changed
from raft.host import Host
from raft.membership import Membership
from raft.ready import NotLeader, Role, Settings
from simulation.disk import DiskOptions
from simulation.network import NetworkOptions
from simulation.world import World

PORT = 9093
CALM = NetworkOptions(latency_mean_s=0.0005)
STEADY = DiskOptions(fsync_s=(0.004, 0.004), stall=0.0)
ADDRESSES = {node: (f"n{node}", PORT) for node in range(1, 6)}


class Table(ReplicatedTable):
    """Remembers who led, and how much was applied then."""

    def __init__(self):
        super().__init__()
        self.led = []
        self.applied = 0

    def apply(self, index, data):
        self.applied += 1
        return super().apply(index, data)

    def leadership(self, term, leader):
        self.led.append((term, leader, self.applied))


class LateTable(Table):
    """Takes its time to write a snapshot down; much is applied, and saved, until then."""

    def snapshot(self):
        return self.given(super().snapshot())

    async def given(self, data):
        await asyncio.sleep(0.1)
        return data


class BrokenTable(Table):
    """Cannot write one down at all."""

    async def snapshot(self):
        raise ValueError("no snapshot")


class Cluster:
    """Hosts n1, n2, ... of a world; `founders` of them begin together."""

    def __init__(self, world, founders=3, groups=1, table=Table, **options):
        self.world, self.groups, self.table, self.options = world, groups, table, options
        self.founders = Membership.of(*range(1, founders + 1))
        self.hosts, self.tables, self.failures = {}, {}, {}
        for node in sorted(self.founders.voters):
            self.start(node)

    def start(self, node):
        return self.world.start(f"n{node}", lambda host: self.software(node, host))

    async def software(self, node, host):
        failed = asyncio.get_running_loop().create_future()
        raft = self.hosts[node] = Host(
            node, host.disk, "raft", cluster="c", random=host.random, settings=Settings(kept_entries=2), tick_s=0.02,
            on_failed=failed.set_result,
        )  # fmt: skip
        await raft.listen(None, PORT)
        raft.dial(ADDRESSES)
        for group in range(self.groups):
            table = self.tables[node, group] = self.table()
            founders = self.founders if node in self.founders.voters else None
            raft.join(group, table, founders=founders, **self.options)
        self.failures[node] = await failed

    def driver(self, node, group=0):
        return self.hosts[node].drivers[group]

    async def leader(self, group=0, among=None):
        """Its number, once there is one that has applied its own first entry."""
        async with asyncio.timeout(10):
            while True:
                for node in among or self.hosts:
                    driver = self.driver(node, group)
                    ready = driver.node.role is Role.LEADER and driver.machine.led
                    if ready and driver.machine.led[-1][:2] == (driver.node.term, node):
                        return node
                await asyncio.sleep(0.01)

    async def opened(self, group=0):
        """The leader, and a session."""
        leader = await self.leader(group)
        return leader, await self.driver(leader, group).propose(encode_command(OPEN))


def run(scenario, seed=1):
    return World(seed, network=CALM, disk=STEADY).run(scenario, until=200)


def test_a_proposal_is_answered_by_the_state_machine_and_applied_everywhere():
    async def scenario(world):
        cluster = Cluster(world)
        leader, session = await cluster.opened()
        assert await cluster.driver(leader).propose(encode_command(session, 1, PUT, "k", "v")) is None
        await asyncio.sleep(1)
        assert [table.values for table in cluster.tables.values()] == [{"k": "v"}] * 3

    run(scenario)


def test_a_follower_names_the_leader():
    async def scenario(world):
        cluster = Cluster(world)
        leader, _ = await cluster.opened()
        await asyncio.sleep(1)
        with pytest.raises(NotLeader) as raised:
            cluster.driver(leader % 3 + 1).propose(b"")
        assert raised.value.leader == leader

    run(scenario)


def test_a_read_on_any_node_sees_what_was_acknowledged_before_it_began():
    async def scenario(world):
        cluster = Cluster(world)
        leader, session = await cluster.opened()
        for number in range(1, 20):
            await cluster.driver(leader).propose(encode_command(session, number, PUT, "k", number))
            await asyncio.gather(*(cluster.driver(node).read() for node in cluster.hosts))
            assert [table.get("k") for table in cluster.tables.values()] == [number] * 3

    run(scenario)


def test_a_read_that_no_majority_confirms_is_given_up():
    async def scenario(world):
        cluster = Cluster(world)
        leader, _ = await cluster.opened()
        for node in set(cluster.hosts) - {leader}:
            world.kill(f"n{node}")
        with pytest.raises(OutcomeUnknown):
            await cluster.driver(leader).read()
        assert cluster.driver(leader)._reads == {}

    run(scenario)


def test_a_hundred_proposals_of_one_turn_share_an_fsync():
    async def scenario(world):
        cluster = Cluster(world)
        leader, session = await cluster.opened()
        await asyncio.sleep(1)
        before = {node: host.store.journal.syncs for node, host in cluster.hosts.items()}
        await asyncio.gather(
            *(cluster.driver(leader).propose(encode_command(session, n, PUT, "k", n)) for n in range(1, 101))
        )
        assert cluster.hosts[leader].store.journal.syncs - before[leader] == 1

    run(scenario)


def test_a_leader_sends_while_it_writes_itself():
    """[T] §10.2.1: two fsyncs of 4 ms one after the other would take 8."""

    async def scenario(world):
        cluster = Cluster(world)
        leader, session = await cluster.opened()
        await asyncio.sleep(1)
        began = world.loop.now
        await cluster.driver(leader).propose(encode_command(session, 1, PUT, "k", 1))
        assert 0.004 <= world.loop.now - began < 0.008

    run(scenario, seed=2)


def test_groups_of_one_process_share_journal_connections_and_fsyncs():
    async def scenario(world):
        cluster = Cluster(world, groups=20)
        for group in range(20):
            leader = await cluster.leader(group)
            await cluster.driver(leader, group).propose(encode_command(OPEN))
        await asyncio.sleep(1)
        busy = [await cluster.leader(group) for group in range(20)]
        node = max(set(busy), key=busy.count)
        mine = [group for group in range(20) if busy[group] == node]
        journal = cluster.hosts[node].store.journal
        before = journal.syncs
        await asyncio.gather(*(cluster.driver(node, group).propose(encode_command(OPEN)) for group in mine))
        assert len(mine) > 5 and journal.syncs - before <= 3
        assert len(cluster.hosts[node].transport.peers) == 2

    run(scenario)


def test_who_waits_when_leadership_is_lost_learns_that_nobody_knows():
    async def scenario(world):
        cluster = Cluster(world)
        leader, session = await cluster.opened()
        world.network.partition([f"n{leader}"], [f"n{node}" for node in cluster.hosts if node != leader])
        waiting = cluster.driver(leader).propose(encode_command(session, 1, PUT, "k", 1))
        with pytest.raises(OutcomeUnknown):
            await waiting
        other = await cluster.leader(among=set(cluster.hosts) - {leader})
        assert other != leader

    run(scenario)


def test_a_new_leader_is_announced_when_it_has_applied_all_that_was_committed_before():
    async def scenario(world):
        cluster = Cluster(world)
        leader, session = await cluster.opened()
        await asyncio.gather(
            *(cluster.driver(leader).propose(encode_command(session, n, PUT, "k", n)) for n in range(1, 51))
        )
        world.kill(f"n{leader}")
        other = await cluster.leader(among=set(cluster.hosts) - {leader})
        (announced,) = [led for led in cluster.tables[other, 0].led if led[1] == other]
        assert announced[2] == 51

    run(scenario)


def test_leadership_can_be_handed_over():
    async def scenario(world):
        cluster = Cluster(world)
        leader, _ = await cluster.opened()
        cluster.driver(leader).transfer_leadership(leader % 3 + 1)
        await asyncio.sleep(1)
        assert await cluster.leader() == leader % 3 + 1

    run(scenario)


@pytest.mark.parametrize("table", [Table, LateTable])
def test_after_a_power_failure_of_all_everything_acknowledged_is_there(table):
    async def scenario(world):
        cluster = Cluster(world, table=table, snapshot_entries=10)
        leader, session = await cluster.opened()
        for number in range(1, 36):
            await cluster.driver(leader).propose(encode_command(session, number, PUT, f"k{number % 7}", number))
        for node in list(cluster.hosts):
            world.power_loss(f"n{node}")
        for node in list(cluster.hosts):
            cluster.start(node)
        await asyncio.sleep(1)
        leader = await cluster.leader()
        await cluster.driver(leader).read()
        assert cluster.tables[leader, 0].values == {f"k{number % 7}": number for number in range(29, 36)}
        assert cluster.driver(leader).node.first_index > 10

    run(scenario)


@pytest.mark.parametrize("table", [Table, LateTable])
def test_a_node_far_behind_gets_a_snapshot_and_keeps_it(table):
    async def scenario(world):
        cluster = Cluster(world, table=table, snapshot_entries=10)
        leader, session = await cluster.opened()
        behind = leader % 3 + 1
        world.kill(f"n{behind}")
        for number in range(1, 60):
            await cluster.driver(leader).propose(encode_command(session, number, PUT, "k", number))
        cluster.start(behind)
        await asyncio.sleep(2)
        assert (cluster.tables[behind, 0].get("k"), cluster.tables[behind, 0].applied < 20) == (59, True)
        world.power_loss(f"n{behind}")
        cluster.start(behind)
        await asyncio.sleep(2)
        assert cluster.tables[behind, 0].get("k") == 59

    run(scenario)


def test_a_snapshot_that_comes_late_is_of_where_it_was_asked_for():
    """What was applied while it was written down is in the log behind it, once."""

    async def scenario(world):
        cluster = Cluster(world, founders=1, table=LateTable, snapshot_entries=10)
        leader, session = await cluster.opened()
        node = cluster.driver(leader).node
        for number in range(1, 18):
            await cluster.driver(leader).propose(encode_command(session, number, PUT, "k", number))
        assert (node.log.snapshot.index, node.applied_index >= 18) == (0, True), "it is on its way"
        await asyncio.sleep(1)
        assert 10 <= node.log.snapshot.index < 12
        world.power_loss("n1")
        cluster.start(1)
        await asyncio.sleep(1)
        await cluster.driver(1).read()
        assert (cluster.tables[1, 0].get("k"), cluster.tables[1, 0].applied < 10) == (17, True)

    run(scenario)


def test_a_snapshot_that_cannot_be_written_down_ends_the_node():
    async def scenario(world):
        cluster = Cluster(world, founders=1, table=BrokenTable, snapshot_entries=5)
        leader, session = await cluster.opened()
        with pytest.raises(OutcomeUnknown):
            for number in range(1, 30):
                await cluster.driver(leader).propose(encode_command(session, number, PUT, "k", number))
        await asyncio.sleep(0.1)
        assert isinstance(cluster.failures[1], ValueError)

    run(scenario)


def test_a_node_that_is_added_later_waits_to_be_spoken_to():
    async def scenario(world):
        cluster = Cluster(world)
        leader, session = await cluster.opened()
        cluster.start(4)
        await cluster.driver(leader).propose(encode_command(session, 1, PUT, "k", 1))
        await asyncio.sleep(3)
        assert (cluster.driver(4).node.term, cluster.tables[4, 0].values) == (0, {})
        for change in ("learn", "add"):
            membership = cluster.driver(leader).node.membership
            await cluster.driver(leader).propose_membership(changed(membership, change, 4))
        await asyncio.sleep(1)
        assert cluster.tables[4, 0].values == {"k": 1}
        assert cluster.driver(4).node.membership == Membership.of(1, 2, 3, 4)

    run(scenario)


@pytest.mark.parametrize("operation", ["append", "fsync"])
def test_a_disk_that_fails_stops_the_node_and_the_others_go_on(operation):
    async def scenario(world):
        cluster = Cluster(world)
        leader, session = await cluster.opened()
        await asyncio.sleep(1)
        world.host(f"n{leader}").disk.fail_next(operation)
        with pytest.raises(OutcomeUnknown):
            await cluster.driver(leader).propose(encode_command(session, 1, PUT, "k", 1))
        await asyncio.sleep(0.1)
        assert isinstance(cluster.failures[leader], OSError)
        with pytest.raises(OutcomeUnknown):
            cluster.driver(leader).propose(b"")
        other = await cluster.leader(among=set(cluster.hosts) - {leader})
        assert await cluster.driver(other).propose(encode_command(session, 1, PUT, "k", 1)) is None

    run(scenario)


def test_giving_up_on_an_answer_takes_nothing_back():
    async def scenario(world):
        cluster = Cluster(world)
        leader, session = await cluster.opened()
        cluster.driver(leader).propose(encode_command(session, 1, PUT, "k", 1)).cancel()
        await asyncio.sleep(1)
        assert [table.get("k") for table in cluster.tables.values()] == [1, 1, 1]

    run(scenario)


def test_a_single_node_is_a_cluster_too():
    async def scenario(world):
        cluster = Cluster(world, founders=1)
        leader, session = await cluster.opened()
        assert world.loop.now < 0.2
        await cluster.driver(leader).propose(encode_command(session, 1, PUT, "k", 1))
        await cluster.driver(leader).read()
        assert cluster.tables[1, 0].values == {"k": 1}

    run(scenario)
