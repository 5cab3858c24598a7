"""Consumer groups: who reads which partition, and how far.

A topic's partitions are shared out among the consumers of a group, each to one.  The broker has no part in how: in the
older ("classic") protocol, which this is, it *coordinates*.  It keeps the list of members, notices who is gone, has
everybody stop and come together, names one member the leader, hands it what each has said about itself, and carries back
what the leader has decided, byte for byte.  So a new way to share is a new library in the clients, no upgrade of brokers,
and Kafka Connect shares out connectors by the same four requests that consumers use for partitions.

    consumer        FindCoordinator -> JoinGroup -> SyncGroup -> Heartbeat, Heartbeat, ... OffsetCommit ... -> LeaveGroup
    coordinator                        waits for     waits for
                                       the members   the leader

What holds it together is the *generation*, a number that each round of joining raises.  It stands in every heartbeat and
commit.  A consumer that slept through a round still believes that it owns its partitions; its next commit says an old
generation, is refused, and so cannot move the offsets of whoever reads them now.  It may well have processed records
twice, that is not prevented: at least once is what a group promises.

The price is that everybody stops for each change ("stop the world"); clients soften it by joining twice and giving up only
what moves (cooperative rebalancing, KIP-429), by names that survive a restart (static members, KIP-345).  The newer
protocol (KIP-848) turns it around: the broker works out the shares, and moves members there one by one by their
heartbeats, without a barrier.  It is not served here yet; group.py's `type` and the separate offsets are where it fits.

What the coordinator has promised is in a log: __consumer_offsets, a compacted topic.  A group's partition of it is found
by a hash of its id, that partition's leader coordinates the group, and its replicas are who goes on when it dies.

Reading order:

    placement.py      which partition keeps a group
    group.py          one group: members, states, votes; what a state allows
    membership.py     a rebalance step by step;  joining.py, the rules of JoinGroup
    offsets.py        commits, what is seen of them, when they expire
    group_records.py  both as records;  loading.py reads them back;  describe.py shows them to tools
    writes.py         what waits for the high watermark;  timers.py, what waits for a time
    coordinator.py    all of it behind one door: requests in, records and answers out

tests/traces/kafka/groups tells stories: two consumers, a rebalance, a static member's restart, a failover.

Where this differs from Kafka: a JoinGroup or SyncGroup that its own client repeats on the same connection is answered
(REBALANCE_IN_PROGRESS) rather than left hanging; a leader's second SyncGroup does not replace shares that are being stored;
a static member that comes back before it has asked for its share is not counted as missing.
"""
