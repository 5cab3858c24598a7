"""A run of many seeds that goes on where it ended."""

from cli.campaign import Campaign
from simulation.runner import SeedResult


def result(seed, failure=None):
    return SeedResult(seed, failure, 10, 1.0, f"hash{seed}")


def test_what_has_passed_is_not_run_again_and_what_failed_is(tmp_path):
    path = tmp_path / "seeds"
    first = Campaign(path, "raft", "abc")
    assert first.remaining(range(1, 4)) == [1, 2, 3]
    for each in (result(1), result(2, "it broke"), result(3)):
        first.record(each)
    assert path.read_text() == "raft commit abc\n1 ok hash1\n2 failed\n3 ok hash3\n"
    again = Campaign(path, "raft", "abc")
    assert again.remaining(range(1, 6)) == [2, 4, 5]
    assert str(again) == "raft commit abc: 2 seeds have passed"


def test_a_seed_that_fails_later_counts_as_failed(tmp_path):
    path = tmp_path / "seeds"
    first = Campaign(path, "raft", "abc")
    first.record(result(1))
    first.record(result(1, "after all"))
    assert Campaign(path, "raft", "abc").remaining([1]) == [1]


def test_another_commit_or_another_scenario_begins_anew(tmp_path):
    for other in (("raft", "abd"), ("redis", "abc"), ("raft", "abc+"), ("raft", "unknown")):
        path = tmp_path / "seeds"
        path.unlink(missing_ok=True)
        Campaign(path, "raft", "abc").record(result(1))
        assert Campaign(path, *other).remaining([1]) == [1]
        assert path.read_text() == f"{other[0]} commit {other[1]}\n"


def test_a_changed_tree_is_no_commit_to_go_on_from(tmp_path):
    path = tmp_path / "seeds"
    Campaign(path, "raft", "abc+").record(result(1))
    assert Campaign(path, "raft", "abc+").remaining([1]) == [1]
