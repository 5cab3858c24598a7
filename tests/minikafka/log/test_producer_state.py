"""KIP-98's rules for sequences and epochs, and the snapshot that carries them over a restart."""

import pytest

from minikafka.log import producer_snapshot
from minikafka.log.producer_snapshot import BadSnapshot
from minikafka.log.producer_state import EndedTransaction, ProducerState, SeenBatch
from minikafka.records.batch import CONTROL, TRANSACTIONAL, Batch
from minikafka.records.marker import ABORT, COMMIT, Marker
from minikafka.wire.errors import ErrorCode, KafkaError

ME = 7
LAST = (1 << 31) - 1


def batch(
    sequence: int, count: int = 1, epoch: int = 0, attributes: int = 0, time: int = 0, producer: int = ME
) -> Batch:
    return Batch(0, 0, 0, 2, 0, attributes, count - 1, time, time, producer, epoch, sequence, count)


def state(*batches: Batch) -> ProducerState:
    known, offset = ProducerState("topic-0"), 100
    for each in batches:
        known.take(each, offset)
        offset += each.record_count
    return known


def refusal(known: ProducerState, one: Batch) -> tuple[ErrorCode, str]:
    with pytest.raises(KafkaError) as refused:
        known.check(one, 200)
    return refused.value.code, str(refused.value)


def test_an_unknown_producer_may_begin_anywhere():
    """Its earlier records may have been deleted."""
    assert state().check(batch(5), 0) is None


def test_the_next_sequence_is_taken():
    assert state(batch(0, 3)).check(batch(3), 103) is None


def test_a_gap_is_refused():
    assert refusal(state(batch(0, 3)), batch(4)) == (
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        "Out of order sequence number for producer 7 at offset 200 in partition topic-0: 4 (incoming seq. number), "
        "2 (current end sequence number)",
    )


def test_one_of_the_last_five_batches_is_a_duplicate():
    known = state(*(batch(sequence) for sequence in range(6)))
    for sequence in range(1, 6):
        assert known.check(batch(sequence), 200) == SeenBatch(sequence, 100 + sequence, 0, 0)
    assert refusal(known, batch(0))[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_batch_that_overlaps_is_no_duplicate():
    assert refusal(state(batch(0), batch(1)), batch(0, 2))[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_sequences_begin_again_at_zero():
    assert state(batch(LAST)).check(batch(0), 101) is None
    across = state(batch(LAST - 1, 4))
    assert across.producers[ME].last_sequence == 1
    assert across.check(batch(LAST - 1, 4), 200) == SeenBatch(1, 103, 3, 0)
    assert across.check(batch(2), 104) is None


def test_a_new_epoch_begins_at_zero():
    known = state(batch(5, epoch=1))
    assert known.check(batch(0, epoch=2), 101) is None
    assert refusal(known, batch(6, epoch=2))[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_an_old_epoch_is_fenced():
    assert refusal(state(batch(0, epoch=2)), batch(1, epoch=1)) == (
        ErrorCode.INVALID_PRODUCER_EPOCH,
        "Epoch of producer 7 at offset 200 in topic-0 is 1, which is smaller than the last seen epoch 2",
    )


def test_producers_who_are_silent_too_long_are_forgotten():
    known = state(batch(0, time=1000), batch(0, time=2000, producer=8))
    assert known.expire(2500, 1000) == 1
    assert list(known.producers) == [8]


def test_an_open_transaction_keeps_its_producer_and_holds_back_readers():
    known = state(batch(0, attributes=TRANSACTIONAL, time=0))
    assert known.expire(10**9, 1000) == 0
    assert known.first_unstable_offset(high_watermark=50) == 100


def test_the_end_of_a_transaction_counts_once_it_is_replicated():
    known = state(batch(0, attributes=TRANSACTIONAL))
    ended = known.take(batch(-1, attributes=TRANSACTIONAL | CONTROL), 101, Marker(ABORT, 3))
    assert ended == EndedTransaction(ME, 100, 101, aborted=True)
    assert known.producers[ME].coordinator_epoch == 3
    assert known.first_unstable_offset(high_watermark=101) == 100
    assert known.first_unstable_offset(high_watermark=102) is None


def test_a_marker_without_a_transaction_ends_nothing():
    assert state().take(batch(-1, attributes=TRANSACTIONAL | CONTROL), 100, Marker(COMMIT, 3)) is None


def test_a_snapshot_keeps_each_producers_last_batch():
    known = state(batch(0, 2, time=9), batch(2, 3, time=10), batch(0, attributes=TRANSACTIONAL, producer=8))
    content = producer_snapshot.encode(known.producers)
    again = ProducerState("topic-0")
    producer_snapshot.restore(again, producer_snapshot.decode(content), 106)
    assert (again.end_offset, again.open) == (106, {8: 105})
    assert again.producers[ME].batches == [SeenBatch(4, 104, 2, 10)]
    assert again.check(batch(5), 106) is None


@pytest.mark.parametrize("place", range(6 + 4 + 46))
def test_a_damaged_snapshot_is_refused(place):
    content = bytearray(producer_snapshot.encode(state(batch(0)).producers))
    content[place] ^= 1
    with pytest.raises(BadSnapshot):
        producer_snapshot.decode(bytes(content))
    with pytest.raises(BadSnapshot):
        producer_snapshot.decode(bytes(content[:place]))
