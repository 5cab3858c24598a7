"""A table whose commands may be sent twice."""

from raft.example_kv import CAS, EXPIRED, GET, OPEN, PUT, STALE, Refused, Table, encode_command


def applied(table, *commands, first=1):
    return [table.apply(index, encode_command(*command)) for index, command in enumerate(commands, first)]


def test_put_get_and_compare_and_swap():
    table = Table()
    assert applied(
        table,
        (OPEN,),
        (1, 1, CAS, "k", None, "a"),
        (1, 2, CAS, "k", None, "b"),
        (1, 3, PUT, "k", 7),
        (1, 4, CAS, "k", 7, None),
        (1, 5, GET, "k"),
    ) == [1, True, False, None, True, None]


def test_a_retry_gets_the_first_answer_and_changes_nothing():
    """Thesis §6.3: the response of each session's last command is kept with the state."""
    table = Table()
    assert applied(table, (OPEN,), (1, 1, CAS, "k", None, "a"), (1, 1, CAS, "k", None, "a")) == [1, True, True]
    assert applied(table, (1, 2, PUT, "k", "b"), (1, 2, PUT, "k", "b"), first=4) == [None, None]


def test_a_snapshot_keeps_the_sessions():
    table, other = Table(), Table()
    applied(table, (OPEN,), (1, 1, CAS, "k", None, "a"))
    other.restore(table.snapshot())
    assert applied(other, (1, 1, CAS, "k", None, "a"), first=3) == [True]
    assert other.snapshot() == table.snapshot()


def refusals(answers):
    return [str(answer) if isinstance(answer, Refused) else answer for answer in answers]


def test_what_comes_late_is_refused():
    table = Table()
    answers = applied(table, (OPEN,), (1, 2, PUT, "k", "new"), (1, 1, PUT, "k", "old"))
    assert refusals(answers) == [1, None, STALE]
    assert table.get("k") == "new"


def test_the_most_silent_session_is_forgotten_and_its_commands_are_refused():
    """By the order of entries, so that every node forgets the same."""
    table = Table(sessions_max=2)
    answers = applied(table, (OPEN,), (OPEN,), (1, 1, PUT, "k", 1), (OPEN,), (2, 1, PUT, "k", 2), (1, 2, GET, "k"))
    assert refusals(answers) == [1, 2, None, 4, EXPIRED, 1]
