"""Changes wait for the high watermark, in order."""

from minikafka.groups.writes import RECORD_OVERHEAD, Writes
from minikafka.records.record import Record
from minikafka.wire.errors import ErrorCode

NONE = ErrorCode.NONE
A, B, C = (Record(name, b"x" * 10) for name in (b"a", b"b", b"c"))


class Watched(Writes):
    """Notes down how each change ends."""

    def __init__(self) -> None:
        super().__init__(timeout_ms=100)
        self.told: list[tuple[str, object]] = []

    def write(self, name: str, *records: Record, now_ms: int = 0) -> None:
        self.add(
            records, now_ms, lambda error: self.told.append((name, error)), lambda done: self.told.append((name, done))
        )


def test_a_change_ends_when_the_watermark_has_passed_it():
    writes = Watched()
    writes.write("a", A)
    writes.write("b", B)
    assert writes.take(1000) == [A, B]
    writes.appended(2)
    writes.committed(1)
    assert writes.told == []
    writes.committed(2)
    assert writes.told == [("a", True), ("a", NONE), ("b", True), ("b", NONE)]
    assert len(writes) == 0


def test_a_batch_takes_whole_changes_and_one_that_is_too_large_goes_alone():
    writes = Watched()
    room = RECORD_OVERHEAD + 11
    writes.write("two", A, B)
    writes.write("one", C)
    writes.write("huge", *[A] * 10)
    taken = []
    while records := writes.take(2 * room):
        taken.append(len(records))
        writes.appended(sum(taken))
    assert taken == [2, 1, 10]


def test_what_is_refused_has_not_happened():
    writes = Watched()
    writes.write("a", A)
    writes.take(1000)
    writes.refused(ErrorCode.NOT_ENOUGH_REPLICAS)
    assert writes.told == [("a", False), ("a", ErrorCode.NOT_ENOUGH_REPLICAS)]


def test_a_look_waits_for_what_is_before_it_and_for_nothing_else():
    writes = Watched()
    writes.write("at once")
    writes.write("a", A)
    writes.write("with a")
    assert writes.take(1000) == [A]
    writes.appended(1)
    writes.write("after a")
    writes.write("b", B)
    assert writes.take(1000) == [B]
    writes.appended(2)
    writes.committed(1)
    assert [name for name, error in writes.told if error is NONE] == ["at once", "a", "with a", "after a"]


def test_who_waits_too_long_is_told_and_the_change_may_still_happen():
    writes = Watched()
    writes.write("a", A, now_ms=5)
    writes.take(1000)
    writes.appended(1)
    assert writes.next_ms == 105
    writes.expire(104)
    assert writes.told == []
    writes.expire(105)
    assert (writes.told, writes.next_ms) == ([("a", ErrorCode.REQUEST_TIMED_OUT)], None)
    writes.committed(1)
    assert writes.told[1:] == [("a", True)]


def test_nothing_is_taken_from_within_an_append():
    writes = Watched()
    writes.write("a", A)
    writes.take(1000)
    writes.write("b", B)
    assert (writes.to_append, writes.take(1000)) == (False, [])
    writes.appended(1)
    assert writes.to_append


def test_everything_fails_with_the_coordinator():
    writes = Watched()
    writes.write("a", A)
    writes.take(1000)
    writes.appended(1)
    writes.write("b", B)
    writes.fail(ErrorCode.NOT_COORDINATOR)
    assert [each for each in writes.told if each[1] is not False] == [
        ("a", ErrorCode.NOT_COORDINATOR),
        ("b", ErrorCode.NOT_COORDINATOR),
    ]
    assert (len(writes), writes.next_ms) == (0, None)
