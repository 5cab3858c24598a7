"""Every error a Kafka broker can answer with: its number, its name, whether to try again, and what it says.

A table, as in the protocol guide.  RETRY: the client may repeat the request as it is.  REFRESH: it should ask for fresh
metadata first, since the error most likely tells that it talks to the wrong broker.  The numbers and names are Kafka's,
the sentences ours.

Source: "Kafka protocol guide", Error Codes; the flags as of Apache Kafka 4.1.1.
"""

from enum import IntEnum

RETRY = 1
REFRESH = 3  # which means to retry, too


class ErrorCode(IntEnum):
    """An error code of the protocol: an int that knows what it means."""

    message: str
    retriable: bool
    refreshes_metadata: bool

    def __new__(cls, code: int, message: str, flags: int = 0) -> "ErrorCode":
        member = int.__new__(cls, code)
        member._value_ = code
        member.message = message
        member.retriable = bool(flags & RETRY)
        member.refreshes_metadata = flags == REFRESH
        return member

    def __init__(self, code: int, message: str, flags: int = 0) -> None:
        """What a type checker should know of the rows below."""

    UNKNOWN_SERVER_ERROR = -1, "The server met a condition it did not expect."
    NONE = 0, ""
    OFFSET_OUT_OF_RANGE = 1, "The offset lies outside of what the log holds."
    CORRUPT_MESSAGE = 2, "The records are damaged: their checksum or their layout is wrong.", RETRY
    UNKNOWN_TOPIC_OR_PARTITION = 3, "There is no such topic or partition here.", REFRESH
    INVALID_FETCH_SIZE = 4, "The fetch size is not valid."
    LEADER_NOT_AVAILABLE = 5, "The partition has no leader for now: an election is under way.", REFRESH
    NOT_LEADER_OR_FOLLOWER = (
        6,
        "This broker is neither leader nor, where one would do, a follower of the partition.",
        REFRESH,
    )
    REQUEST_TIMED_OUT = 7, "The request was not done in the time it gave.", RETRY
    BROKER_NOT_AVAILABLE = 8, "The broker is not available."
    REPLICA_NOT_AVAILABLE = 9, "The replica is not available.", REFRESH
    MESSAGE_TOO_LARGE = 10, "The batch is larger than the topic accepts."
    STALE_CONTROLLER_EPOCH = 11, "The controller has moved on to another broker."
    OFFSET_METADATA_TOO_LARGE = 12, "The text committed beside the offset is too long."
    NETWORK_EXCEPTION = 13, "The connection broke before an answer came.", REFRESH
    COORDINATOR_LOAD_IN_PROGRESS = 14, "The coordinator is still reading its log.", RETRY
    COORDINATOR_NOT_AVAILABLE = 15, "The coordinator is not available.", RETRY
    NOT_COORDINATOR = 16, "This broker is not the coordinator.", RETRY
    INVALID_TOPIC_EXCEPTION = 17, "No operation may be done on a topic of this name."
    RECORD_LIST_TOO_LARGE = 18, "The request holds more than a segment may."
    NOT_ENOUGH_REPLICAS = 19, "Fewer replicas are in sync than min.insync.replicas asks; nothing was written.", RETRY
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = (
        20,
        "The records were written, but to fewer in-sync replicas than min.insync.replicas asks.",
        RETRY,
    )
    INVALID_REQUIRED_ACKS = 21, "acks must be -1, 0 or 1."
    ILLEGAL_GENERATION = 22, "The generation of the group is another."
    INCONSISTENT_GROUP_PROTOCOL = 23, "The member shares no protocol with its group, or is of another protocol type."
    INVALID_GROUP_ID = 24, "The group id is not valid."
    UNKNOWN_MEMBER_ID = 25, "The coordinator knows no such member."
    INVALID_SESSION_TIMEOUT = (
        26,
        "The session timeout is not within the limits of the broker "
        "(group.min.session.timeout.ms, group.max.session.timeout.ms).",
    )
    REBALANCE_IN_PROGRESS = 27, "The group is rebalancing: join again."
    INVALID_COMMIT_OFFSET_SIZE = 28, "The offsets to commit are too large."
    TOPIC_AUTHORIZATION_FAILED = 29, "Not authorized to access the topic."
    GROUP_AUTHORIZATION_FAILED = 30, "Not authorized to access the group."
    CLUSTER_AUTHORIZATION_FAILED = 31, "Not authorized for the cluster."
    INVALID_TIMESTAMP = 32, "The timestamp of a record is out of the range that the topic accepts."
    UNSUPPORTED_SASL_MECHANISM = 33, "The broker does not offer this SASL mechanism."
    ILLEGAL_SASL_STATE = 34, "The request does not fit the state of the SASL exchange."
    UNSUPPORTED_VERSION = 35, "This version of the API is not supported."
    TOPIC_ALREADY_EXISTS = 36, "A topic of this name exists."
    INVALID_PARTITIONS = 37, "The number of partitions is below one."
    INVALID_REPLICATION_FACTOR = 38, "The replication factor is below one, or larger than the number of brokers."
    INVALID_REPLICA_ASSIGNMENT = 39, "The assignment of replicas is not valid."
    INVALID_CONFIG = 40, "The configuration is not valid."
    NOT_CONTROLLER = 41, "This is not the active controller of the cluster.", RETRY
    INVALID_REQUEST = 42, "The request makes no sense."
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, "The message format of the broker does not allow the request."
    POLICY_VIOLATION = 44, "The request is against a policy of the cluster."
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, "The sequence number of the producer does not follow the last one."
    DUPLICATE_SEQUENCE_NUMBER = 46, "The sequence number of the producer has been seen already."
    INVALID_PRODUCER_EPOCH = 47, "The producer has an old epoch."
    INVALID_TXN_STATE = 48, "The state of the transaction does not allow the operation."
    INVALID_PRODUCER_ID_MAPPING = 49, "The transactional id belongs to another producer id."
    INVALID_TRANSACTION_TIMEOUT = 50, "The transaction timeout is larger than transaction.max.timeout.ms."
    CONCURRENT_TRANSACTIONS = 51, "Another operation on this transaction is under way.", RETRY
    TRANSACTION_COORDINATOR_FENCED = 52, "A newer coordinator writes the markers of this transaction."
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, "Not authorized to use the transactional id."
    SECURITY_DISABLED = 54, "There is no security to change here."
    OPERATION_NOT_ATTEMPTED = 55, "The operation was not tried: it came after one that failed."
    KAFKA_STORAGE_ERROR = 56, "The disk failed that holds the log.", REFRESH
    LOG_DIR_NOT_FOUND = 57, "The broker has no such log folder."
    SASL_AUTHENTICATION_FAILED = 58, "SASL authentication failed."
    UNKNOWN_PRODUCER_ID = 59, "The broker remembers nothing of this producer id."
    REASSIGNMENT_IN_PROGRESS = 60, "The partition is being moved."
    DELEGATION_TOKEN_AUTH_DISABLED = 61, "Delegation tokens are off."
    DELEGATION_TOKEN_NOT_FOUND = 62, "There is no such delegation token."
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, "The delegation token belongs to someone else."
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, "Delegation tokens cannot be asked for over this connection."
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, "Not authorized for the delegation token."
    DELEGATION_TOKEN_EXPIRED = 66, "The delegation token has expired."
    INVALID_PRINCIPAL_TYPE = 67, "This type of principal is not supported."
    NON_EMPTY_GROUP = 68, "The group has members."
    GROUP_ID_NOT_FOUND = 69, "There is no such group."
    FETCH_SESSION_ID_NOT_FOUND = 70, "There is no such fetch session.", RETRY
    INVALID_FETCH_SESSION_EPOCH = 71, "The epoch of the fetch session is another.", RETRY
    LISTENER_NOT_FOUND = 72, "The leader has no listener of the name that the request came in by.", REFRESH
    TOPIC_DELETION_DISABLED = 73, "Deleting topics is off."
    FENCED_LEADER_EPOCH = 74, "The leader epoch is older than the broker's.", REFRESH
    UNKNOWN_LEADER_EPOCH = 75, "The leader epoch is newer than the broker's.", RETRY
    UNSUPPORTED_COMPRESSION_TYPE = 76, "The client does not know the compression of these records."
    STALE_BROKER_EPOCH = 77, "The broker has registered again since."
    OFFSET_NOT_AVAILABLE = 78, "The leader does not yet know its high watermark.", RETRY
    MEMBER_ID_REQUIRED = 79, "Join again, with the member id given here."
    PREFERRED_LEADER_NOT_AVAILABLE = 80, "The preferred leader is not available.", REFRESH
    GROUP_MAX_SIZE_REACHED = 81, "The group has as many members as it may."
    FENCED_INSTANCE_ID = 82, "Another consumer has taken over this group instance id."
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, "No replica that may lead is available.", REFRESH
    ELECTION_NOT_NEEDED = 84, "The partition has the leader it should have.", REFRESH
    NO_REASSIGNMENT_IN_PROGRESS = 85, "The partition is not being moved."
    GROUP_SUBSCRIBED_TO_TOPIC = 86, "The group reads the topic: its offsets there cannot be deleted."
    INVALID_RECORD = 87, "A record breaks a rule of the topic."
    UNSTABLE_OFFSET_COMMIT = 88, "Offsets of a transaction still open would be read.", RETRY
    THROTTLING_QUOTA_EXCEEDED = 89, "A quota is used up.", RETRY
    PRODUCER_FENCED = 90, "A newer producer uses the same transactional id."
    RESOURCE_NOT_FOUND = 91, "The request names something that does not exist."
    DUPLICATE_RESOURCE = 92, "The request names something twice."
    UNACCEPTABLE_CREDENTIAL = 93, "The credential does not meet the requirements."
    INCONSISTENT_VOTER_SET = 94, "The voters of the quorum are others than those of the request."
    INVALID_UPDATE_VERSION = 95, "The version is not the one that the update was based on."
    FEATURE_UPDATE_FAILED = 96, "The feature could not be changed."
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, "The principal of a forwarded request cannot be read."
    SNAPSHOT_NOT_FOUND = 98, "There is no such snapshot."
    POSITION_OUT_OF_RANGE = 99, "The position lies beyond the snapshot."
    UNKNOWN_TOPIC_ID = 100, "There is no topic of this id here.", REFRESH
    DUPLICATE_BROKER_REGISTRATION = 101, "Another broker is registered under this id, and alive."
    BROKER_ID_NOT_REGISTERED = 102, "No broker is registered under this id."
    INCONSISTENT_TOPIC_ID = 103, "The topic of this name has another id in the log.", REFRESH
    INCONSISTENT_CLUSTER_ID = 104, "The request is meant for another cluster."
    TRANSACTIONAL_ID_NOT_FOUND = 105, "There is no such transactional id."
    FETCH_SESSION_TOPIC_ID_ERROR = 106, "The fetch session mixes requests with and without topic ids.", RETRY
    INELIGIBLE_REPLICA = 107, "A replica that is fenced or shutting down cannot be in sync."
    NEW_LEADER_ELECTED = 108, "The change was made, and with it a new leader."
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, "The offset has moved to tiered storage."
    FENCED_MEMBER_EPOCH = 110, "The coordinator has fenced the epoch of the member: abandon everything and join again."
    UNRELEASED_INSTANCE_ID = 111, "Another member still holds this instance id."
    UNSUPPORTED_ASSIGNOR = 112, "No assignor of this name runs in the coordinator."
    STALE_MEMBER_EPOCH = 113, "The epoch of the member is old: repeat with the one of its latest heartbeat."
    MISMATCHED_ENDPOINT_TYPE = 114, "The request was sent to an endpoint of another type."
    UNSUPPORTED_ENDPOINT_TYPE = 115, "This type of endpoint is not supported."
    UNKNOWN_CONTROLLER_ID = 116, "There is no controller of this id."
    UNKNOWN_SUBSCRIPTION_ID = 117, "The telemetry subscription of the client is out of date."
    TELEMETRY_TOO_LARGE = 118, "The telemetry sent is larger than accepted."
    INVALID_REGISTRATION = 119, "The controller thinks the registration of the broker not valid."
    TRANSACTION_ABORTABLE = 120, "The transaction must be aborted; the producer may go on after that."
    INVALID_RECORD_STATE = 121, "The state of the record does not allow this acknowledgement."
    SHARE_SESSION_NOT_FOUND = 122, "There is no such share session.", RETRY
    INVALID_SHARE_SESSION_EPOCH = 123, "The epoch of the share session is another.", RETRY
    FENCED_STATE_EPOCH = 124, "The share coordinator knows a newer state epoch."
    INVALID_VOTER_KEY = 125, "The key of the voter is not the receiver's."
    DUPLICATE_VOTER = 126, "The voter is in the set already."
    VOTER_NOT_FOUND = 127, "The voter is not in the set."
    INVALID_REGULAR_EXPRESSION = 128, "The regular expression is not valid."
    REBOOTSTRAP_REQUIRED = (
        129,
        "What the client knows of the cluster is too old: start again from its bootstrap addresses.",
    )
    STREAMS_INVALID_TOPOLOGY = 130, "The topology is not valid."
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, "The topology epoch is not valid."
    STREAMS_TOPOLOGY_FENCED = 132, "The topology epoch is out of date."
    SHARE_SESSION_LIMIT_REACHED = 133, "There are as many share sessions as there may be.", RETRY


class KafkaError(Exception):
    """A request, or the part of it that is looked at, ends here: the client reads the code and perhaps the text."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(code.message if message is None else message)
        self.code = code


def error_named(code: int) -> ErrorCode:
    """The error of a number that came over the wire; UNKNOWN_SERVER_ERROR for one that we do not know."""
    return _BY_CODE.get(code, ErrorCode.UNKNOWN_SERVER_ERROR)


_BY_CODE: dict[int, ErrorCode] = {int(error): error for error in ErrorCode}
