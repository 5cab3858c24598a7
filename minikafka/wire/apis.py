"""Every API we know: its number, its messages, who is offered which versions, and what right it takes.

    key   name          offered   served   listener
    0     Produce       0-11      3-13     broker         "offered" is what ApiVersions lists

Offered and served differ on purpose.  Kafka 4 lists Produce 0-2 and refuses them, since librdkafka before 2.11.1 takes
a missing Produce 0 for a broker that cannot compress (KAFKA-18659); we do the same.  Fetch 17 is our own
followers'.  An API without "offered" is spoken between our own nodes alone, or its handler is yet to come.

`forwarded`: a broker passes the request on to the active controller and its answer back.  `operation` and `resource`
say what a principal must be allowed to do; None where the handler decides by what the request asks (one request
may name many topics, each checked by itself).

Source: Kafka's message definitions ("listeners"), ApiKeys (forwardable), "Authorization and ACLs" in Kafka's manual.
"""

from dataclasses import dataclass
from types import ModuleType

from minikafka.wire.messages import (
    cluster,
    configs,
    controller,
    fetch,
    groups,
    metadata,
    metadata_log,
    offsets,
    produce,
    security,
    topics,
    transactions,
)
from minikafka.wire.types import NEVER, Struct, Versions


@dataclass(frozen=True, slots=True)
class Api:
    """One row."""

    key: int
    name: str
    request: type[Struct]
    response: type[Struct]
    offered: Versions
    """What ApiVersions lists to clients; NEVER for our nodes' own business."""
    served: Versions
    """What is decoded and answered; another version closes the connection."""
    listeners: frozenset[str]
    forwarded: bool
    operation: str | None
    resource: str | None
    first_flexible: int
    """From this version on, headers and body are in the compact layout.  Beyond every version: none is."""

    @property
    def newest(self) -> int:
        """The version in which our own nodes ask each other."""
        assert self.served.last is not None
        return self.served.last

    def header_version(self, version: int) -> int:
        """Of the request: 2 ends in tagged fields, 1 does not."""
        return 2 if version >= self.first_flexible else 1

    def response_header_version(self, version: int) -> int:
        """1 ends in tagged fields, 0 does not.  ApiVersions stays at 0: who asks cannot know yet what we speak."""
        return 1 if version >= self.first_flexible and self.key != API_VERSIONS else 0


API_VERSIONS = 18
NO_FLEXIBLE = 2**15

BROKER = "broker"
CONTROLLER = "controller"
BOTH = "both"


def _api(
    family: ModuleType,
    name: str,
    offered: str,
    listener: str,
    operation: str | None = None,
    resource: str | None = None,
    *,
    served: str | None = None,
    forwarded: bool = False,
) -> Api:
    request: type[Struct] = getattr(family, f"{name}Request")
    response: type[Struct] = getattr(family, f"{name}Response")
    listed, flexible = Versions.parse(offered), request.__flexible__
    return Api(
        key=request.__api_key__,
        name=name,
        request=request,
        response=response,
        offered=listed,
        served=Versions.parse(served) if served else listed,
        listeners=frozenset([BROKER, CONTROLLER] if listener == BOTH else [listener]),
        forwarded=forwarded,
        operation=operation,
        resource=resource,
        first_flexible=NO_FLEXIBLE if flexible == NEVER else flexible.first,
    )


# fmt: off
_ROWS = (
    #    family, name                                 offered  listener, right
    _api(produce, "Produce",                          "0-11",  BROKER, "WRITE", "TOPIC", served="3-13"),
    _api(fetch, "Fetch",                              "4-16",  BOTH, "READ", "TOPIC", served="4-17"),
    _api(fetch, "ListOffsets",                        "1-10",  BROKER, "DESCRIBE", "TOPIC"),
    _api(metadata, "Metadata",                        "0-12",  BROKER, "DESCRIBE", "TOPIC", served="0-13"),
    _api(offsets, "OffsetCommit",                     "2-9",   BROKER, "READ", "GROUP"),
    _api(offsets, "OffsetFetch",                      "1-9",   BROKER, "DESCRIBE", "GROUP"),
    _api(groups, "FindCoordinator",                   "0-5",   BROKER, "DESCRIBE", None),
    _api(groups, "JoinGroup",                         "0-9",   BROKER, "READ", "GROUP"),
    _api(groups, "Heartbeat",                         "0-4",   BROKER, "READ", "GROUP"),
    _api(groups, "LeaveGroup",                        "0-5",   BROKER, "READ", "GROUP"),
    _api(groups, "SyncGroup",                         "0-5",   BROKER, "READ", "GROUP"),
    _api(groups, "DescribeGroups",                    "0-6",   BROKER, "DESCRIBE", "GROUP"),
    _api(groups, "ListGroups",                        "0-5",   BROKER, "DESCRIBE", "CLUSTER"),
    _api(security, "SaslHandshake",                   "none",  BOTH),
    _api(cluster, "ApiVersions",                      "0-4",   BOTH),
    _api(topics, "CreateTopics",                      "2-7",   BOTH, "CREATE", "TOPIC", forwarded=True),
    _api(topics, "DeleteTopics",                      "1-6",   BOTH, "DELETE", "TOPIC", forwarded=True),
    _api(topics, "DeleteRecords",                     "none",  BROKER, "DELETE", "TOPIC"),
    _api(transactions, "InitProducerId",              "0-4",   BROKER, "IDEMPOTENT_WRITE", "CLUSTER"),
    _api(fetch, "OffsetForLeaderEpoch",               "2-4",   BROKER, "DESCRIBE", "TOPIC"),
    _api(transactions, "AddPartitionsToTxn",          "none",  BROKER, "WRITE", "TRANSACTIONAL_ID"),
    _api(transactions, "AddOffsetsToTxn",             "none",  BROKER, "WRITE", "TRANSACTIONAL_ID"),
    _api(transactions, "EndTxn",                      "none",  BROKER, "WRITE", "TRANSACTIONAL_ID"),
    _api(transactions, "WriteTxnMarkers",             "none",  BROKER, "CLUSTER_ACTION", "CLUSTER"),
    _api(transactions, "TxnOffsetCommit",             "none",  BROKER, "WRITE", "TRANSACTIONAL_ID"),
    _api(security, "DescribeAcls",                    "none",  BOTH, "DESCRIBE", "CLUSTER"),
    _api(security, "CreateAcls",                      "none",  BOTH, "ALTER", "CLUSTER", forwarded=True),
    _api(security, "DeleteAcls",                      "none",  BOTH, "ALTER", "CLUSTER", forwarded=True),
    _api(configs, "DescribeConfigs",                  "1-4",   BOTH, "DESCRIBE_CONFIGS", None),
    _api(configs, "AlterConfigs",                     "0-2",   BOTH, "ALTER_CONFIGS", None, forwarded=True),
    _api(cluster, "DescribeLogDirs",                  "none",  BROKER, "DESCRIBE", "CLUSTER"),
    _api(security, "SaslAuthenticate",                "none",  BOTH),
    _api(topics, "CreatePartitions",                  "0-3",   BOTH, "ALTER", "TOPIC", forwarded=True),
    _api(groups, "DeleteGroups",                      "0-2",   BROKER, "DELETE", "GROUP"),
    _api(topics, "ElectLeaders",                      "0-2",   BOTH, "ALTER", "CLUSTER", forwarded=True),
    _api(configs, "IncrementalAlterConfigs",          "0-1",   BOTH, "ALTER_CONFIGS", None, forwarded=True),
    _api(topics, "AlterPartitionReassignments",       "none",  BOTH, "ALTER", "CLUSTER", forwarded=True),
    _api(topics, "ListPartitionReassignments",        "none",  BOTH, "DESCRIBE", "CLUSTER", forwarded=True),
    _api(offsets, "OffsetDelete",                     "0",     BROKER, "DELETE", "GROUP"),
    _api(security, "DescribeUserScramCredentials",    "none",  BOTH, "DESCRIBE", "CLUSTER"),
    _api(security, "AlterUserScramCredentials",       "none",  BOTH, "ALTER", "CLUSTER", forwarded=True),
    _api(cluster, "DescribeQuorum",                   "none",  BOTH, "DESCRIBE", "CLUSTER", forwarded=True),
    _api(controller, "AlterPartition",                "none",  CONTROLLER, "CLUSTER_ACTION", "CLUSTER", served="2-3"),
    _api(cluster, "UpdateFeatures",                   "none",  BOTH, "ALTER", "CLUSTER", forwarded=True),
    _api(metadata_log, "MetadataFetch",               "none",  CONTROLLER, "CLUSTER_ACTION", "CLUSTER", served="0"),
    _api(controller, "Envelope",                      "none",  CONTROLLER, "CLUSTER_ACTION", "CLUSTER", served="0"),
    _api(metadata, "DescribeCluster",                 "none",  BOTH),
    _api(transactions, "DescribeProducers",           "none",  BROKER, "READ", "TOPIC"),
    _api(controller, "BrokerRegistration",            "none",  CONTROLLER, "CLUSTER_ACTION", "CLUSTER", served="0-4"),
    _api(controller, "BrokerHeartbeat",               "none",  CONTROLLER, "CLUSTER_ACTION", "CLUSTER", served="0-1"),
    _api(cluster, "UnregisterBroker",                 "none",  BOTH, "ALTER", "CLUSTER", forwarded=True),
    _api(transactions, "DescribeTransactions",        "none",  BROKER, "DESCRIBE", "TRANSACTIONAL_ID"),
    _api(transactions, "ListTransactions",            "none",  BROKER, "DESCRIBE", "TRANSACTIONAL_ID"),
    _api(controller, "AllocateProducerIds",           "none",  CONTROLLER, "CLUSTER_ACTION", "CLUSTER", served="0"),
    _api(groups, "ConsumerGroupHeartbeat",            "none",  BROKER, "READ", "GROUP"),
    _api(groups, "ConsumerGroupDescribe",             "none",  BROKER, "DESCRIBE", "GROUP"),
    _api(controller, "ControllerRegistration",        "none",  CONTROLLER, "CLUSTER_ACTION", "CLUSTER"),
    _api(controller, "AssignReplicasToDirs",          "none",  CONTROLLER, "CLUSTER_ACTION", "CLUSTER", served="0"),
    _api(configs, "ListConfigResources",              "none",  BROKER, "DESCRIBE_CONFIGS", "CLUSTER"),
    _api(metadata, "DescribeTopicPartitions",         "none",  BROKER, "DESCRIBE", "TOPIC"),
)
# fmt: on

APIS: dict[int, Api] = {row.key: row for row in _ROWS}
"""By key, in the order of the keys."""

BY_NAME: dict[str, Api] = {row.name: row for row in _ROWS}
