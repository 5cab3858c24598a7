"""Majorities, of one configuration and of two at once."""

from itertools import combinations

import pytest

from raft.membership import EMPTY, Membership

JOINT = Membership(frozenset({1, 4, 5}), old_voters=frozenset({1, 2, 3}))


@pytest.mark.parametrize(("size", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_a_majority_is_more_than_half(size, needed):
    membership = Membership.of(*range(size), learners=[100, 101])
    assert not membership.is_majority([*range(needed - 1), 100, 101, 200])
    assert membership.is_majority(range(needed))


@pytest.mark.parametrize("servers", [set(some) for count in range(6) for some in combinations(range(1, 6), count)])
def test_the_joint_configuration_asks_both(servers):
    """[R] §6: "Agreement (for elections and entry commitment) requires separate majorities from both." """
    both = len(servers & {1, 2, 3}) >= 2 and len(servers & {1, 4, 5}) >= 2
    assert JOINT.is_majority(servers) == both
    positions = {server: 7 if server in servers else 3 for server in range(1, 6)}
    assert JOINT.majority_reaches(positions.__getitem__) == (7 if both else 3)


@pytest.mark.parametrize(
    ("positions", "reached"), [([5], 5), ([5, 3], 3), ([9, 3, 5], 5), ([9, 3, 5, 7], 5), ([1, 2, 3, 4, 5], 3)]
)
def test_a_majority_has_reached_the_middle(positions, reached):
    assert Membership.of(*range(len(positions))).majority_reaches(positions.__getitem__) == reached


def test_nobody_is_no_majority():
    assert not EMPTY.is_majority([])
    assert EMPTY.majority_reaches(lambda server: 9) == 0


@pytest.mark.parametrize(
    ("target", "step"),
    [
        (Membership.of(1, 2, 3, 4), Membership.of(1, 2, 3, 4)),
        (Membership.of(1, 2), Membership.of(1, 2)),
        (Membership.of(1, 2, 3, learners=[7, 8]), Membership.of(1, 2, 3, learners=[7, 8])),
        (Membership.of(1, 2, 4), Membership(frozenset({1, 2, 4}), old_voters=frozenset({1, 2, 3}))),
        (Membership.of(9), Membership(frozenset({9}), old_voters=frozenset({1, 2, 3}))),
    ],
)
def test_one_voter_at_a_time_or_jointly(target, step):
    assert Membership.of(1, 2, 3).next_step(target) == step
    assert step.without_old() == target


@pytest.mark.parametrize("membership", [EMPTY, Membership.of(3, 1, learners=[9]), JOINT])
def test_it_survives_the_log(membership):
    assert Membership.decode(membership.encode()) == membership


def test_it_reads_as_words():
    assert str(Membership(frozenset({4, 1}), frozenset({3}), frozenset({2, 1}))) == "voters 1,4 from 1,2 learners 3"
