"""A partition on three brokers, reduced to what the controller's promise is about; the controller itself is the real
one.

A broker here is a log in memory (`log`), what it knows of the partition (`view`, which lags), and as a leader what it
knows of its followers.  Nothing is ever forced to disk: a killed process keeps its log, a power loss cuts it
anywhere.  The leader answers a producer when its high watermark passes the record; `acknowledged` are those answers.

Power may fail at one replica, and at the next only after the first is back in the ISR.  Who begins to lead, other
than after an election that admits it may lose records, must hold everything acknowledged.
"""

from random import Random

from minikafka.controller.image import NO_LEADER, RECOVERING, MetadataImage, Partition
from minikafka.controller.isr import ANY_EPOCH
from minikafka.wire.errors import ErrorCode
from tests.minikafka.controller.cluster import Cluster

REPLICAS = (0, 1, 2)
MIN_ISR = 2


class Replica:
    """One broker: its log as (leader epoch, value), and what it believes."""

    def __init__(self, broker_id: int) -> None:
        self.id = broker_id
        self.log: list[tuple[int, int]] = []
        self.alive = True
        self.clean_epoch = -1
        self.begin(None)

    def begin(self, view: Partition | None) -> None:
        """Another leader epoch: what was known of followers is forgotten."""
        self.view = view
        self.seen: dict[int, tuple[int, int]] = {}  # follower -> its broker epoch, its log end offset
        self.proposed: frozenset[int] | None = None
        self.high_watermark = 0
        self.start_offset = len(self.log)

    @property
    def leads(self) -> bool:
        return self.alive and self.view is not None and self.view.leader == self.id


class Model:
    def __init__(self, seed: int, *, power: bool, kills_at_will: bool) -> None:
        """`power`: unclean stops may lose the log's end.  Without `kills_at_will` one unclean stop at a time."""
        self.random = Random(seed)
        self.power, self.kills_at_will = power, kills_at_will
        self.cluster = Cluster(3, seed=seed, min_insync_replicas=MIN_ISR)
        self.cluster.create("t", list(REPLICAS))
        self.replicas = {broker_id: Replica(broker_id) for broker_id in REPLICAS}
        self.acknowledged: list[int] = []
        self.values = 0
        self.hurt: int | None = None  # stopped uncleanly, under this registration, and not back in the ISR
        self.hurt_epoch = -1
        self.recoveries = 0
        self.before = self.partition
        for broker_id in REPLICAS:
            self.learn(broker_id)

    @property
    def partition(self) -> Partition:
        return self.cluster.partition("t")

    def run(self, steps: int) -> None:
        actions = [
            (self.work, 12),
            (self.learn, 8),
            (self.shrink, 1),
            (self.expand, 5),
            (self.pause, 1),
            (self.resume, 5),
            (self.stop_uncleanly, 1),
            (self.stop_cleanly, 0.5),
            (self.restart, 5),
            (self.change_controller, 0.3),
        ]
        chosen = self.random.choices([act for act, _ in actions], [weight for _, weight in actions], k=steps)
        for number, act in enumerate(chosen):
            act(self.random.choice(REPLICAS))
            self.check()
            if number % 50 == 0:
                again = MetadataImage()
                again.apply(self.cluster.image.records(), self.cluster.image.offset, self.cluster.image.epoch)
                assert again == self.cluster.image, "a snapshot is not the image"

    def check(self) -> None:
        """What holds after every step, whatever happened."""
        image, now, before = self.cluster.image, self.partition, self.before
        assert len(set(now.replicas)) == len(now.replicas)
        assert set(now.isr) | set(now.elr) <= set(now.replicas)
        assert not set(now.isr) & set(now.elr), "in sync and eligible at once"
        assert now.leader == NO_LEADER or now.leader in now.isr, "led from outside the ISR"
        assert now.leader != NO_LEADER or not now.isr, "in sync with nobody"
        for member in now.isr:
            assert image.brokers[member].active, "a broker that is fenced or stopping is in the ISR"
        assert now.partition_epoch >= before.partition_epoch
        assert now == before or now.partition_epoch > before.partition_epoch, "a change under the same partition epoch"
        assert now.leader == before.leader or now.leader_epoch > before.leader_epoch, "two leaders of one epoch"
        self.before = now
        if self.hurt in now.isr and image.brokers[self.hurt].epoch > self.hurt_epoch:
            self.hurt = None

    # -- replication ---------------------------------------------------------------------------------------------

    def work(self, broker_id: int) -> None:
        """A moment in which nothing fails: some records, some fetches, whatever follows from them."""
        for act in (self.produce, self.fetch, self.fetch, self.expand, self.advance, self.produce):
            for each in REPLICAS:
                if self.random.random() < 0.7:
                    act(each)

    def produce(self, broker_id: int) -> None:
        leader = self.replicas[broker_id]
        if leader.leads and len(leader.view.isr) >= MIN_ISR:
            self.values += 1
            leader.log.append((leader.view.leader_epoch, self.values))

    def fetch(self, broker_id: int) -> None:
        """A follower says how far it is, cuts off what the leader never had, takes some of what it lacks."""
        follower = self.replicas[broker_id]
        if not follower.alive or follower.view is None or follower.view.leader in (NO_LEADER, broker_id):
            return
        leader = self.replicas[follower.view.leader]
        if not leader.leads or leader.view.leader_epoch != follower.view.leader_epoch:
            return
        same = 0
        while same < min(len(leader.log), len(follower.log)) and leader.log[same] == follower.log[same]:
            same += 1
        del follower.log[same:]
        leader.seen[broker_id] = (self.cluster.image.brokers[broker_id].epoch, len(follower.log))
        follower.log += leader.log[same : same + self.random.randrange(4)]

    def advance(self, broker_id: int) -> None:
        """The high watermark passes what the whole ISR has, the larger one while a proposal is open; answers go out."""
        leader = self.replicas[broker_id]
        if not leader.leads or len(leader.view.isr) < MIN_ISR:
            return
        members = {*leader.view.isr, *(leader.proposed or ())} - {broker_id}
        if not members <= leader.seen.keys():
            return
        lowest = min([len(leader.log), *(leader.seen[member][1] for member in members)])
        leader.high_watermark = max(leader.high_watermark, lowest)
        known = set(self.acknowledged)
        self.acknowledged += [value for _, value in leader.log[: leader.high_watermark] if value not in known]

    def learn(self, broker_id: int) -> None:
        """A broker hears of the partition's state, if it is up and this registration of it counts."""
        replica = self.replicas[broker_id]
        if not replica.alive:
            return
        before, replica_now = replica.view, self.partition
        if before is None or before.leader_epoch != replica_now.leader_epoch:
            replica.begin(replica_now)
            if replica.leads:
                self.begin_to_lead(replica)
        else:
            if replica_now.partition_epoch > before.partition_epoch:
                replica.proposed = None
            replica.view = replica_now

    def begin_to_lead(self, leader: Replica) -> None:
        held = {value for _, value in leader.log}
        lost = [value for value in self.acknowledged if value not in held]
        if self.partition.leader_recovery_state == RECOVERING:
            self.recoveries += 1
            if self.power and self.kills_at_will:  # more failed than was promised to survive
                self.acknowledged = [value for value in self.acknowledged if value in held]
                return
        assert not lost, f"broker {leader.id} leads without {len(lost)} acknowledged records"

    # -- what leaders ask ------------------------------------------------------------------------------------------

    def shrink(self, broker_id: int) -> None:
        leader = self.replicas[broker_id]
        if leader.leads and leader.proposed is None and len(leader.view.isr) > 1:
            gone = self.random.choice([member for member in leader.view.isr if member != broker_id])
            self.propose(leader, frozenset(leader.view.isr) - {gone})

    def expand(self, broker_id: int) -> None:
        leader = self.replicas[broker_id]
        if not leader.leads or leader.proposed is not None:
            return
        for follower, (_, end) in leader.seen.items():
            if follower not in leader.view.isr and end >= max(leader.high_watermark, leader.start_offset):
                self.propose(leader, frozenset(leader.view.isr) | {follower})
                return

    def propose(self, leader: Replica, isr: frozenset[int]) -> None:
        """The leader counts with both sets until it hears the outcome."""
        leader.proposed = isr
        epochs = {member: leader.seen[member][0] if member in leader.seen else ANY_EPOCH for member in isr}
        epochs[leader.id] = self.cluster.image.brokers[leader.id].epoch
        outcome = self.cluster.propose(
            "t",
            sorted(isr),
            broker_id=leader.id,
            leader_epoch=leader.view.leader_epoch,
            partition_epoch=leader.view.partition_epoch,
            leader_recovery_state=0,
            epochs=epochs,
        )
        if outcome is ErrorCode.INELIGIBLE_REPLICA:
            leader.proposed = None  # any other refusal means that newer state is on its way
        elif not isinstance(outcome, ErrorCode) and self.random.random() < 0.5:
            self.learn(leader.id)  # else the answer was lost

    # -- what happens to brokers --------------------------------------------------------------------------------------

    def silent(self, *broker_ids: int) -> None:
        """A session's time passes for these and for all that are down."""
        down = {replica.id for replica in self.replicas.values() if not replica.alive}
        self.cluster.silence(*down.union(broker_ids))

    def pause(self, broker_id: int) -> None:
        """Too long, or cut off from the controller: fenced, and it does not know."""
        self.silent(broker_id)

    def resume(self, broker_id: int) -> None:
        if self.replicas[broker_id].alive:
            self.cluster.heartbeat(broker_id)
            self.learn(broker_id)

    def stop_uncleanly(self, broker_id: int) -> None:
        replica = self.replicas[broker_id]
        if not replica.alive or (self.hurt not in (None, broker_id) and not self.kills_at_will):
            return
        replica.alive, replica.clean_epoch = False, -1
        if self.power and self.hurt in (None, broker_id):
            self.hurt, self.hurt_epoch = broker_id, self.cluster.image.brokers[broker_id].epoch
            del replica.log[self.random.randrange(len(replica.log) + 1) :]

    def stop_cleanly(self, broker_id: int) -> None:
        replica = self.replicas[broker_id]
        if not replica.alive or self.cluster.image.brokers[broker_id].fenced:
            return
        for _ in range(3):
            if self.cluster.heartbeat(broker_id, want_shut_down=True).should_shut_down:
                break
            self.silent()
        if self.cluster.image.brokers[broker_id].fenced:
            replica.alive, replica.clean_epoch = False, self.cluster.image.brokers[broker_id].epoch

    def restart(self, broker_id: int) -> None:
        replica = self.replicas[broker_id]
        if replica.alive:
            return
        if self.random.random() < 0.5:
            self.silent()
        if self.cluster.register(broker_id, previous_epoch=replica.clean_epoch).error_code:
            return  # its session has not ended
        replica.alive = True
        replica.begin(None)
        self.cluster.heartbeat(broker_id)
        self.learn(broker_id)

    def change_controller(self, broker_id: int) -> None:
        self.cluster.fail_over()
