"""The model finds nothing in the coordinator, and finds every mistake that is put into it."""

import pytest

from minikafka.groups.coordinator import GroupCoordinator
from minikafka.groups.group import STABLE, Group
from minikafka.groups.loading import Loading
from minikafka.groups.membership import Membership
from minikafka.groups.timers import Timers
from minikafka.groups.writes import Writes
from minikafka.wire.errors import ErrorCode, KafkaError
from tests.minikafka.groups.model import Broken, World

SEEDS = range(10)
SEEDS_TO_FIND_IT = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_world(seed):
    World(seed).play()


def old_generations_may_commit(patch):
    check = Group.check_commit

    def careless(self, member_id, group_instance_id, generation):
        return check(self, member_id, group_instance_id, self.generation if generation >= 0 else generation)

    patch.setattr(Group, "check_commit", careless)


def silent_members_stay(patch):
    patch.setattr(Membership, "_silent", lambda self, group, member_id: None)


def offsets_are_answered_before_they_are_committed(patch):
    appended = Writes.appended

    def hasty(self, end_offset):
        appended(self, end_offset)
        self.committed(end_offset)

    patch.setattr(Writes, "appended", hasty)


def generations_do_not_count(patch):
    begin = Group.begin_generation

    def same_again(self, wall_ms):
        begin(self, wall_ms)
        self.generation = 1

    patch.setattr(Group, "begin_generation", same_again)


def instances_are_not_fenced(patch):
    def careless(self, member_id, group_instance_id):
        if group_instance_id is not None:
            member_id = self.static_members.get(group_instance_id, member_id)
        if member_id not in self.members:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        return self.members[member_id]

    patch.setattr(Group, "validated", careless)


def sessions_do_not_begin_with_a_new_coordinator(patch):
    finish = GroupCoordinator.finish_loading

    def forgetful(self, now):
        yield from finish(self, now)
        for group in self.groups.values():
            for member in group.members:
                self.membership.timers.cancel(("member", group.group_id, member))

    patch.setattr(GroupCoordinator, "finish_loading", forgetful)


def the_first_record_of_a_key_holds(patch):
    replay = Loading._replay

    def first_wins(self, key, value):
        kept = {group: dict(offsets) for group, offsets in self.offsets.items()}
        replay(self, key, value)
        for group, offsets in kept.items():
            self.offsets[group].update(offsets)

    patch.setattr(Loading, "_replay", first_wins)


def shares_are_given_out_before_they_are_stored(patch):
    store = Membership._store_shares

    def hasty(self, group, shares):
        store(self, group, shares)
        generation = group.generation
        group.become(STABLE, self.now.wall_ms)
        for member in group.members.values():
            member.assignment = shares.get(member.member_id, b"")
            if member.sync_reply is not None:
                member.answer_sync(self.share(group, member))
                self.keep_alive(group, member)
        assert group.generation == generation

    patch.setattr(Membership, "_store_shares", hasty)


def rebalances_wait_for_ever(patch):
    set_timer = Timers.set

    def set_some(self, name, at_ms, due):
        if name[0] != "join":
            set_timer(self, name, at_ms, due)

    patch.setattr(Timers, "set", set_some)


def waiting_members_expire(patch):
    """The silence of who waits for an answer counts against it."""

    def strict(self, group, member_id):
        self._forget(group, member_id)
        self._after_removal(group)

    patch.setattr(Membership, "_silent", strict)
    keep_alive = Membership.keep_alive
    patch.setattr(
        Membership, "keep_alive", lambda self, group, member, timeout_ms=None: keep_alive(self, group, member, 400)
    )


def acknowledged_offsets_are_not_written(patch):
    add = Writes.add

    def lazy(self, records, now_ms, settled, ended=None):
        if len(records) == 1 and records[0].key[:2] == b"\0\1" and ended is not None:
            ended(True)
            settled(ErrorCode.NONE)
        else:
            add(self, records, now_ms, settled, *([ended] if ended else []))

    patch.setattr(Writes, "add", lazy)


@pytest.mark.parametrize(
    "mistake",
    [
        old_generations_may_commit,
        silent_members_stay,
        offsets_are_answered_before_they_are_committed,
        generations_do_not_count,
        instances_are_not_fenced,
        sessions_do_not_begin_with_a_new_coordinator,
        the_first_record_of_a_key_holds,
        shares_are_given_out_before_they_are_stored,
        rebalances_wait_for_ever,
        waiting_members_expire,
        acknowledged_offsets_are_not_written,
    ],
)
def test_a_mistake_is_found(mistake, monkeypatch):
    mistake(monkeypatch)
    with pytest.raises(Broken):
        for seed in SEEDS_TO_FIND_IT:
            World(seed).play()
