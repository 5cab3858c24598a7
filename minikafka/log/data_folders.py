"""The data folders of a broker (log.dirs): which logs lie where, how they are found again, how they go.

    <folder>/meta.properties                    node.id, directory.id, cluster.id
    <folder>/.lock                              one process at a time
    <folder>/<topic>-<partition>/               a log: see partition_log.py
    <folder>/<topic>-<partition>.<id>-delete/   on its way out
    <folder>/replication-offset-checkpoint      high watermarks, every 5 s
    <folder>/recovery-point-offset-checkpoint   what is on the platter for sure, every minute
    <folder>/log-start-offset-checkpoint
    <folder>/.kafka_cleanshutdown               the last stop was clean; holds the broker's epoch

A new partition goes to the folder with the fewest.  An I/O error takes a folder offline: its logs refuse, the controller
hears of it with the next heartbeat, and moves what is led there; a broker without any folder left cannot go on.

The marker is removed before anything is appended, and written last of all: a start without it looks through the segments
above the recovery point, and registers as one that may have lost what it had (KIP-966).

Source: Kafka `LogManager`, `MetaPropertiesEnsemble`, `CleanShutdownFileHandler`; KIP-858.
"""
