"""Random worlds, every invariant after every event; and mistakes planted into the code, which the same worlds must notice.

SEEDS=5000 python -m pytest tests/raft/test_explorer.py -k worlds       more worlds
python -m tests.raft.planted                                            which seeds give a mistake away
"""

from os import environ

import pytest

from raft.invariants import InvariantViolated
from tests.raft.model import Cluster, explore
from tests.raft.planted import MISTAKES, planted
from tests.raft.stories import FOLDER, Story

SEEDS = int(environ.get("SEEDS", "60"))
IN_EACH = 10

GIVEN_AWAY_BY = {
    "a_vote_is_given_to_whoever_asks": 1,
    "a_vote_is_given_to_any_log": 2,
    "the_longer_log_wins_whatever_its_term": 90,
    "late_votes_are_counted_in_a_new_election": 473,
    "the_vote_is_not_saved": 0,
    "all_draw_the_same_timeout": 12,
    "a_shorter_message_cuts_the_log": 3,
    "the_previous_term_is_not_compared": 22,
    "the_leaders_commit_index_is_believed_beyond_the_message": 9,
    "a_heartbeat_carries_the_leaders_own_commit_index": 4,
    "entries_of_earlier_terms_are_committed_by_counting": 60,
    "match_index_is_taken_from_next_index": 0,
    "committed_entries_are_handed_out_again": 0,
    "promises_leave_before_they_are_saved": 0,
    "the_leader_counts_itself_before_its_disk_has_it": 0,
    "a_write_counts_although_its_entries_were_cut_away_since": 723,
    "reads_are_answered_without_asking_whether_one_still_leads": 43,
    "a_leader_reads_before_it_has_committed_in_its_term": 0,
    "an_old_snapshot_is_installed": 552,
    "a_snapshot_forgets_the_configuration": 5,
    "learners_count": 3,
    "the_joint_configuration_asks_only_the_new_voters": 24,
    "several_servers_are_swapped_in_one_step": 15,
    "a_change_begins_before_the_last_is_committed": 111,
    "lost_messages_are_not_sent_again": 1,
}
"""The seed that finds it soonest.  When the explorer changes these do too: the search then goes on from seed 0."""

GIVEN_AWAY_IN = {
    "reads_are_answered_by_an_answer_to_an_earlier_round": "stale_read",
    "a_change_begins_before_the_leader_has_committed_in_its_term": "two_changes",
}
"""Two take too many coincidences for chance to find them soon: a story in tests/traces/raft leads there."""


@pytest.mark.parametrize("first", range(0, SEEDS, IN_EACH))
def test_worlds_keep_every_promise(first):
    for seed in range(first, min(first + IN_EACH, SEEDS)):
        explore(seed)


def test_the_explorer_goes_where_the_mistakes_are():
    """Worlds in which nothing happens would keep every promise."""
    worlds = [explore(seed) for seed in range(30)]
    nodes = [node for world in worlds for node in world.nodes.values()]
    assert sum(world.invariants.committed.last_index for world in worlds) > 500
    assert sum(len(world.invariants.leaders) for world in worlds) > 80
    assert sum(node.first_index > 1 for node in nodes) > 30
    assert len({node.membership for node in nodes}) > 15


def test_one_seed_is_one_world():
    def story(seed: int) -> list[object]:
        world: Cluster = explore(seed, events=800)
        return [world.states, world.invariants.leaders, {id: disk.saved for id, disk in world.disks.items()}]

    assert story(5) == story(5)


def gives_away(seed: int) -> bool:
    try:
        explore(seed)
    except (AssertionError, KeyError):
        return True
    return False


@pytest.mark.parametrize("name", GIVEN_AWAY_BY)
def test_a_planted_mistake_is_noticed(name):
    with planted(name):
        assert gives_away(GIVEN_AWAY_BY[name]) or any(gives_away(seed) for seed in range(300)), MISTAKES[name].__doc__
    explore(GIVEN_AWAY_BY[name])  # and it was the mistake


@pytest.mark.parametrize("name", GIVEN_AWAY_IN)
def test_a_rare_one_is_noticed_in_its_story(name):
    with planted(name), pytest.raises(InvariantViolated):
        Story().run((FOLDER / f"{GIVEN_AWAY_IN[name]}.txt").read_text())


def test_every_mistake_is_given_away_somewhere():
    assert sorted(MISTAKES) == sorted([*GIVEN_AWAY_BY, *GIVEN_AWAY_IN])
