"""Producer ids, unique over the cluster and for ever: handed to brokers by the thousand, each block in the log before
it is used.

A broker that dies with half a block unused leaves a hole; there are 2^63 ids.

Source: KIP-730; Kafka `ProducerIdControlManager`.
"""

from minikafka.controller.brokers import check_broker_epoch
from minikafka.controller.state import ControllerState, Decision, decided
from minikafka.records.metadata import ProducerIdsRecord
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.controller import AllocateProducerIdsRequest, AllocateProducerIdsResponse

BLOCK = 1_000
LAST_ID = 2**63 - 1


def allocate(state: ControllerState, request: AllocateProducerIdsRequest, now_ms: int) -> Decision:
    start = state.image.next_producer_id
    try:
        check_broker_epoch(state, request.broker_id, request.broker_epoch)
        if start > LAST_ID - BLOCK:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "All producer ids are in use.")
    except KafkaError as error:
        return decided([], AllocateProducerIdsResponse(error_code=error.code))
    record = ProducerIdsRecord(
        broker_id=request.broker_id,
        broker_epoch=request.broker_epoch,
        next_producer_id=start + BLOCK,
    )
    return decided([record], AllocateProducerIdsResponse(producer_id_start=start, producer_id_len=BLOCK))
