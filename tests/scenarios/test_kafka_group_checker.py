"""What the checker of consumer groups lets pass, and what it does not."""

import pytest

from scenarios.kafka_checker import Violated
from scenarios.kafka_group_checker import GroupHistory
from scenarios.kafka_wire import Stored

ONE, OTHER = 1, 2
"""Brokers."""


@pytest.fixture
def group():
    return GroupHistory("g", partitions=2)


def given(group, generation, member, *partitions, by=ONE):
    group.was_given(by, group.mark(), generation, member, partitions)


def committed(group, generation, offset, by=ONE):
    asked, commit = group.mark(), group.commits(0, generation, offset)
    group.was_committed(by, asked, 0, commit)


def test_a_partition_has_one_owner_in_a_generation(group):
    given(group, 1, "a", 0)
    given(group, 1, "b", 1)
    given(group, 2, "b", 0)
    with pytest.raises(Violated, match="partition 0 belongs to a and to b in generation 1"):
        given(group, 1, "b", 0)


def test_a_commit_of_an_old_generation_must_be_refused(group):
    given(group, 2, "a", 0)
    with pytest.raises(Violated, match="a commit of generation 1"):
        committed(group, 1, 5)


def test_a_commit_that_was_sent_before_the_next_generation_began_may_be_taken(group):
    given(group, 1, "a", 0)
    asked, commit = group.mark(), group.commits(0, 1, 5)
    given(group, 2, "b", 0)
    group.was_committed(ONE, asked, 0, commit)
    assert group.committed(0) == 5


def test_a_member_goes_on_from_the_last_commit(group):
    given(group, 1, "a", 0)
    committed(group, 1, 5)
    committed(group, 1, 7)
    group.resumes(ONE, 0, "b", 7)
    with pytest.raises(Violated, match="the commit is lost"):
        group.resumes(ONE, 0, "b", 5)


def test_or_from_one_that_nobody_was_answered_about(group):
    given(group, 1, "a", 0)
    committed(group, 1, 5)
    group.commits(0, 1, 7)
    given(group, 2, "b", 0)
    group.resumes(ONE, 0, "b", 7)
    group.resumes(ONE, 0, "b", 5)


def test_but_not_from_one_that_was_refused(group):
    given(group, 1, "a", 0)
    refused = group.commits(0, 1, 7)
    group.was_refused(0, refused)
    with pytest.raises(Violated, match="read up to 7; it knew of -1"):
        group.resumes(ONE, 0, "b", 7)


def test_nor_from_an_unanswered_one_once_a_later_generation_has_committed(group):
    given(group, 1, "a", 0)
    group.commits(0, 1, 7)
    given(group, 2, "b", 0)
    committed(group, 2, 5)
    with pytest.raises(Violated, match="the commit is lost"):
        group.resumes(ONE, 0, "b", 7)


def test_a_broker_that_has_been_replaced_may_tell_what_it_knew_and_nothing_older(group):
    given(group, 1, "a", 0)
    committed(group, 1, 5)
    committed(group, 1, 6)
    given(group, 2, "b", 0, by=OTHER)
    committed(group, 2, 8, by=OTHER)
    group.resumes(ONE, 0, "a", 6)
    with pytest.raises(Violated, match="broker 2 tells b"):
        group.resumes(OTHER, 0, "b", 6)
    with pytest.raises(Violated, match="broker 1 tells a"):
        group.resumes(ONE, 0, "a", -1)


def test_a_share_that_is_told_again_proves_nothing(group):
    given(group, 1, "a", 0)
    given(group, 2, "b", 0, by=OTHER)
    committed(group, 2, 8, by=OTHER)
    given(group, 1, "a", 0)
    group.resumes(ONE, 0, "a", -1)


def test_every_record_is_to_be_read_by_somebody(group):
    group.consumed[0] |= {0, 1}
    group.verify({0: [Stored(0, b"a"), Stored(1, b"b")]})
    with pytest.raises(Violated, match="passed over 1 records of 0"):
        group.verify({0: [Stored(0, b"a"), Stored(2, b"c")]})
