"""How a broker reads the metadata log of the active controller.  Ours alone: Kafka's brokers use Fetch and FetchSnapshot.

They can, since Kafka's quorum replicates by Fetch as well.  Ours replicates by Raft's own messages, and gives brokers
nothing that is not committed, so they need one question: what comes after the offset that I have applied?
"""

from minikafka.wire.types import Bytes, Int16, Int32, Int64, String, Struct, message


@message(api_key=30000, versions="0", flexible="0+")
class MetadataFetchRequest(Struct):
    """`offset`: the last one applied, -1 for none; `broker_epoch`: -1 before the registration."""

    broker_id: Int32
    broker_epoch: Int64 = -1
    offset: Int64 = -1
    epoch: Int32
    max_wait_ms: Int32
    max_bytes: Int32


@message(api_key=30000, versions="0", flexible="0+")
class MetadataFetchResponse(Struct):
    """Entries after the offset asked for; or, when the log begins later, a snapshot of everything up to `snapshot_offset`."""

    error_code: Int16
    cluster_id: String
    end_offset: Int64 = -1
    snapshot: Bytes | None
    snapshot_offset: Int64 = -1
    snapshot_epoch: Int32
    entries: list["Entry"]

    class Entry(Struct):
        """What one decision of the controller wrote: metadata records, back to back."""

        offset: Int64
        epoch: Int32
        records: Bytes
