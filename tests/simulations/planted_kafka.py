"""Kafka's protocol, broken in one place each: what the simulation must notice.

Each mistake stands in the place of a function of the honest brokers while a seed runs; they have no switch for it.  Some
were mistakes of this very broker, found by the first seeds that it ran.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from unittest.mock import patch

from cli.simulate_kafka import Shape, drawn_plan, kafka_run
from minikafka.broker import Broker
from minikafka.controller import brokers, elections, isr
from minikafka.controller.elections import Elected
from minikafka.controller.image import Partition as Registered
from minikafka.coordination import Coordinating
from minikafka.groups import loading
from minikafka.groups.group import Group, State
from minikafka.groups.membership import Membership
from minikafka.groups.writes import Writes
from minikafka.log import recovery
from minikafka.log.epochs import LeaderEpochs
from minikafka.log.partition_log import PartitionLog
from minikafka.log.producer_state import ProducerState
from minikafka.metadata_follower import MetadataFollower
from minikafka.replication.fetcher import Fetcher
from minikafka.replication.partition import Follower, Partition
from scenarios.kafka_group import Ways
from scenarios.kafka_nemesis import FLUSHED_FAULTS
from simulation.world import World
from tests.simulations.cut_off_leader import judge_course


@dataclass
class Bug:
    """Each `owner.name` is replaced by its `wrong`.

    seeds    where it is caught; a change of the scenario moves them
    told     what the failure says: the reason is the bug, not a slip in planting it
    faults   where to look for it; empty: as the seed draws them
    flushed  with an fsync for each write, or without; None: as the seed draws it
    group    whether it is about consumer groups; the others do without, and are the quicker for it
    course   what is run instead of faults at random, where only a course of events set out step by step leads to it
    """

    replaced: list[tuple[object, str, object]]
    seeds: range
    told: str
    faults: tuple[str, ...]
    flushed: bool | None
    group: bool
    course: Course | None


Course = Callable[[World], Awaitable[object]]
BUGS: dict[str, Bug] = {}
SEEDS_EACH = 60
SET_BY_EACH = ("under_min_isr",)
"""Attributes that each object sets for itself: a property in their place takes no notice."""


def bug(owner, name, *, told, faults=(), first=1, flushed=None, group=False, course=None):
    """The decorated function takes the place of `owner.name`; its own name is the name of the bug."""

    def plant(wrong):
        title = wrong.fget.__name__ if isinstance(wrong, property) else wrong.__name__
        if isinstance(wrong, property):
            wrong = wrong.setter(lambda self, value: None)
        seeds = range(first, first + (1 if course else SEEDS_EACH))
        entry = BUGS.setdefault(title, Bug([], seeds, told, faults, flushed, group, course))
        entry.replaced.append((owner, name, wrong))
        return wrong

    return plant


async def judge_planted(world, name):
    """A seed with one bug."""
    entry = BUGS[name]
    with ExitStack() as stack:
        for owner, attribute, wrong in entry.replaced:
            stack.enter_context(patch.object(owner, attribute, wrong, create=attribute in SET_BY_EACH))
        if entry.course is not None:
            return await entry.course(world)
        flushed = world.random("profile").random() < 0.5 if entry.flushed is None else entry.flushed
        plan = drawn_plan(world.random("plan"), flushed)
        faults = entry.faults or plan.weather.faults
        weather = replace(plan.weather, faults=faults, strikes=8, overlap=0.6)
        if not entry.group:
            plan = replace(plan, pace=replace(plan.pace, group_chance=0.0), group=Ways())
        plan = replace(plan, weather=weather)
        return await kafka_run(world, plan, Shape(world.random("shape"), flushed))


CUTS = ("cut_off", "cut_one_way", "cut_pair", "pause", "isolate_controller")
KILLS = ("kill", "restart_storm", "kill_all", "pause")

updated = Partition.update
commit_checked = Group.check_commit
appended_to = Writes.appended
group_read = loading.group_from
reign_begun = Partition._begin_reign
advanced = Partition.advance_high_watermark
appended_from_leader = PartitionLog.append_as_follower
merged = Registered.merge
truncated = PartitionLog.truncate_to


# When a record counts as committed


@bug(Partition, "advance_high_watermark", told="in sync", faults=KILLS)
def a_leader_answers_before_the_in_sync_set_has_it(self, now_ms):
    if not self.leading:
        return False
    followers, self.followers = self.followers, {}
    try:
        return advanced(self, now_ms)
    finally:
        self.followers = followers


@bug(Partition, "under_min_isr", first=14, told="in sync", faults=("cut_pair", "kill", "slow_disk", "stop"))
@property
def the_watermark_moves_below_min_isr(self):
    return False


@bug(Partition, "advance_high_watermark", first=34, told="in sync", faults=(*CUTS, "kill"))
def a_proposed_member_is_not_waited_for(self, now_ms):
    proposal, self.proposal = self.proposal, None
    try:
        return advanced(self, now_ms)
    finally:
        self.proposal = proposal


@bug(Partition, "shrink_isr", first=5, told="in sync", faults=(*CUTS, *KILLS))
def a_leader_shrinks_its_set_by_itself(self, now_ms):
    lagging = [
        broker
        for broker, follower in self.followers.items()
        if broker in self.isr and now_ms - follower.caught_up_ms > self.lag_time_ms
    ]
    if self.leading and lagging:
        self.isr = tuple(broker for broker in self.isr if broker not in lagging)
        self.settings = replace(self.settings, min_isr=1)
        advanced(self, now_ms)
    return False


@bug(Partition, "end_of_own_log", first=3, told="in sync", faults=FLUSHED_FAULTS, flushed=True)
def a_leader_counts_what_it_has_not_flushed(self):
    return self.log.log_end_offset


@bug(Fetcher, "unflushed", first=2, told="in sync", faults=FLUSHED_FAULTS, flushed=True)
def a_follower_fetches_on_before_its_flush(self):
    return []


@bug(Follower, "fetched", told="in sync", faults=KILLS)
def what_was_sent_counts_as_received(self, offset, log_start, leader_end, broker_epoch, now_ms):
    self.caught_up_ms = self.fetched_ms = now_ms
    self.log_end_offset = self.leader_end_at_fetch = leader_end
    self.log_start_offset, self.broker_epoch = log_start, broker_epoch


# Who may lead


@bug(elections, "elect", told="in vain", faults=KILLS)
def whoever_lives_may_lead(partition, may_lead, election):
    for replica in partition.replicas[::-1]:
        if may_lead(replica):
            return Elected(replica)
    return Elected(-1)


@bug(brokers, "forget_unclean", first=26, told="in sync", faults=("power_loss",), flushed=False)
def a_broker_that_lost_its_power_stays_in_sync(state, broker_id):
    return []


@bug(Broker, "may_join_isr", first=27, told="in sync", faults=("power_loss",), flushed=False)
@bug(isr, "may_be_in_sync", first=27, told="in sync", faults=("power_loss",), flushed=False)
def a_member_counts_with_its_earlier_life(holder, broker_id, broker_epoch):
    return True


@bug(isr, "check_proposal", first=5, told="in sync", faults=(*CUTS, *KILLS))
def a_proposal_from_an_earlier_reign_is_taken(state, broker_id, partition, proposal, members):
    return None


# Reigns


@bug(Registered, "merge", told="one", faults=KILLS)
def a_new_leader_has_the_old_epoch(self, record):
    return merged(self, record)._replace(leader_epoch=self.leader_epoch)


@bug(LeaderEpochs, "assign", first=11, told="not the same", faults=(*KILLS, *CUTS))
def a_reign_is_not_written_down(self, epoch, start_offset):
    pass


@bug(Partition, "update", first=6, told="in sync", faults=(*KILLS, *CUTS))
def a_follower_cuts_its_log_at_its_watermark(self, registration, now_ms):
    epoch = self.leader_epoch
    updated(self, registration, now_ms)
    if self.leader_epoch > epoch >= 0 and not self.leading:
        self.truncate(self.log.high_watermark)


@bug(
    MetadataFollower,
    "catch_up",
    first=2,
    told="in vain",
    faults=("power_loss", "kill_all", "kill", "power_loss_of_all"),
    flushed=True,
)
async def a_broker_acts_on_what_it_reads_of_an_earlier_life(self, offset):
    while self.image.offset < offset:
        await self.fetch_once(100)


@bug(Partition, "_begin_reign", first=15, told="went back", faults=(*KILLS, *CUTS))
def a_new_leader_tells_the_end_before_it_knows_it(self, now_ms):
    reign_begun(self, now_ms)
    self.reign_start = 0


@bug(Partition, "expand_isr", first=5, told="in vain", faults=KILLS)
def nobody_is_proposed_twice(self):
    pass


# Producers


@bug(PartitionLog, "append_as_follower", first=6, told="fatal", faults=(*KILLS, *CUTS))
def followers_learn_nothing_of_producers(self, *arguments):
    with patch.object(ProducerState, "take", lambda *_: None):
        return appended_from_leader(self, *arguments)


@bug(ProducerState, "check", first=2, told="duplicated", faults=(*KILLS, *CUTS))
def a_retry_is_taken_for_news(self, batch, offset):
    return None


@bug(ProducerState, "recall", told="fatal", faults=("stop", "rolling_restart"))
def a_stop_forgets_all_but_the_last_batch(self, batches):
    pass


# Groups


@bug(Group, "check_commit", first=13, told="had begun", faults=KILLS, group=True)
def a_commit_of_an_old_generation_is_taken(self, member_id, group_instance_id, generation):
    return commit_checked(self, member_id, group_instance_id, self.generation if generation >= 0 else generation)


@bug(Writes, "appended", first=2, told="the commit is lost", faults=(*KILLS, *CUTS), group=True)
def a_commit_is_answered_before_the_watermark(self, end_offset):
    appended_to(self, end_offset)
    self.committed(end_offset)


@bug(Coordinating, "load", first=9, told="the commit is lost", faults=(*KILLS, *CUTS), group=True)
async def a_coordinator_begins_with_what_it_knows_to_be_committed(self):
    """Its watermark lags behind: what the log holds above it may have been answered."""
    log = self.partition.log
    known = memoryview(log.read(log.log_start_offset, 1 << 30, log.high_watermark).records)
    for _ in (*self.coordinator.load(known), *self.coordinator.finish_loading(self.moment())):
        pass
    self.settle()


@bug(Membership, "_store_shares", told="belongs to", faults=(*KILLS, *CUTS), group=True)
def shares_are_given_out_before_they_are_committed(self, group, shares):
    group.storing = True
    self.write_group(group, shares, lambda error: None)
    group.become(State.STABLE, self.now.wall_ms)
    for member in group.members.values():
        member.assignment = shares.get(member.member_id, b"")
        member.answer_sync(self.share(group, member))


@bug(loading, "group_from", first=2, told="belongs to", faults=(*KILLS, *CUTS), group=True)
def a_coordinator_forgets_which_generation_it_was(group_id, value):
    group = group_read(group_id, value)
    group.generation = 0
    return group


@bug(PartitionLog, "truncate_to", told="is lost", course=judge_course)
def what_is_cut_off_a_log_stays_known_of_its_producers(self, offset):
    with patch.object(recovery, "load_producers", lambda log: None):
        truncated(self, offset)
