"""The directives of redis.conf, all of Redis 7.2's: name, kind, default, bounds, meaning.

A row says what may be said; `serving.config` reads files and arguments by it, answers CONFIG GET and SET, and prints
`--help`.  What Redis has and we do not need is accepted and answered all the same (`effect=False`), so that anyone's
redis.conf starts this server; it says once in the log which lines changed nothing.

Older names stand as aliases: `slave-read-only` is `replica-read-only` is one value.

Source: Redis 7.2 `redis.conf`, `config.c`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from miniredis.notifications import parse_classes
from serving.config import Option, Table
from serving.kinds import MEMORY as MEMORY_SIZE
from serving.kinds import (
    UNITS,
    Choice,
    Choices,
    Flag,
    Integer,
    Kind,
    Memory,
    MemoryOrPercent,
    Milliseconds,
    Octal,
    Seconds,
    Text,
    Words,
)
from serving.our_options import OUR_OPTIONS

INT_MAX, LONG_MAX, UINT_MAX = 2**31 - 1, 2**63 - 1, 2**32 - 1


class SavePoints(Words):
    """`3600 1 300 100`: save after 3600 seconds if 1 key changed, after 300 if 100 did.  The value is pairs."""

    def parse(self, words: Sequence[str], option: Option) -> tuple[tuple[int, int], ...]:
        numbers = super().parse(words, option)
        if len(numbers) % 2 or not all(number.isdecimal() for number in numbers):
            raise ValueError("Invalid save parameters")
        points = tuple(zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True))
        if any(seconds < 1 for seconds, _ in points):
            raise ValueError("Invalid save parameters")
        return points

    def text(self, value: tuple[tuple[int, int], ...]) -> str:
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)

    def lines(self, value: tuple[tuple[int, int], ...]) -> list[str]:
        return [f"{seconds} {changes}" for seconds, changes in value] or ['""']

    def repeat(self, before: Any, given: Any) -> Any:
        return before + given if given else ()


CLIENT_CLASSES = {"normal": "normal", "slave": "slave", "replica": "slave", "pubsub": "pubsub"}


class BufferLimits(Kind):
    """`normal 0 0 0 slave 256mb 64mb 60`: per class of clients, a hard limit, a soft one, and for how many seconds the
    soft one may be passed.  Classes that are not named keep theirs.  The value is class -> three numbers."""

    several = True

    def parse(self, words: Sequence[str], option: Option) -> dict[str, tuple[int, int, int]]:
        words = [word for word in words if word]
        if len(words) % 4:
            raise ValueError("Wrong number of arguments in buffer limit configuration.")
        limits = {}
        for name, hard, soft, seconds in zip(*[iter(words)] * 4, strict=True):
            known = CLIENT_CLASSES.get(name.lower())
            if known is None:
                raise ValueError("Invalid client class specified in buffer limit configuration.")
            try:
                limits[known] = (Memory().read(hard, option), Memory().read(soft, option), int(seconds))
            except ValueError:
                raise ValueError(f"Error in {known} buffer limit configuration.") from None
            if limits[known][2] < 0:
                raise ValueError(f"Error in {known} buffer limit configuration.")
        return limits

    def amend(self, before: Any, given: Any) -> Any:
        return {**before, **given}

    def repeat(self, before: Any, given: Any) -> Any:
        return {**before, **given}

    def text(self, value: dict[str, tuple[int, int, int]]) -> str:
        return " ".join(f"{name} {hard} {soft} {seconds}" for name, (hard, soft, seconds) in value.items())

    def lines(self, value: dict[str, tuple[int, int, int]]) -> list[str]:
        return [f"{name} {hard} {soft} {seconds}" for name, (hard, soft, seconds) in value.items()]


class EventClasses(Kind):
    """The letters of `notify-keyspace-events`, in the order Redis prints them."""

    def read(self, text: str, option: Option) -> str:
        classes = parse_classes(text)
        if classes is None:
            raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        return classes


class Hertz(Integer):
    """Times a second, quietly kept between 1 and 500."""

    def read(self, text: str, option: Option) -> int:
        return min(max(super().read(text, option), 1), 500)


class ScoreAdjustments(Words):
    """Three integers for the kernel's choice of whom to kill: the server, its replicas, its children."""

    def parse(self, words: Sequence[str], option: Option) -> tuple[int, ...]:
        if len(words) != 3:
            raise ValueError("wrong number of arguments")
        values = []
        for word in words:
            if not word.lstrip("-").isdecimal() or not -2000 <= int(word) <= 2000:
                raise ValueError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
            values.append(int(word))
        return tuple(values)


class Percentiles(Words):
    """Numbers from 0 to 100; the value is floats."""

    def parse(self, words: Sequence[str], option: Option) -> tuple[float, ...]:
        try:
            values = tuple(float(word) for word in super().parse(words, option))
        except ValueError:
            raise ValueError("Invalid latency-tracking-info-percentiles parameters") from None
        if any(not 0 <= value <= 100 for value in values):
            raise ValueError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
        return values

    def text(self, value: tuple[float, ...]) -> str:
        return " ".join(f"{percentile:g}" for percentile in value)


class Address(Words):
    """`host port`, or `no one`."""

    def parse(self, words: Sequence[str], option: Option) -> tuple[Any, ...]:
        words = super().parse(words, option)
        if words and len(words) != 2:
            raise ValueError("wrong number of arguments")
        return () if [word.lower() for word in words] == ["no", "one"] else tuple(words)


def memory_size(text: str) -> int | None:
    """The bytes that `text` means, as `maxmemory` reads it: 100, 1k, 1kb, 2gb; None when it means none."""
    found = MEMORY_SIZE.fullmatch(text)
    unit = found and UNITS.get(found[2].lower())
    return int(found[1] or 0) * unit if found and unit else None


def plain_name(value: str) -> None:
    """A file in `dir`, not a path."""
    if "/" in value:
        raise ValueError("dbfilename can't be a path, just a filename")


def plain_folder(value: str) -> None:
    if not value:
        raise ValueError("appenddirname can't be empty")
    if "/" in value:
        raise ValueError("appenddirname can't be a path, just a dirname")


def plain_append_name(value: str) -> None:
    if "/" in value:
        raise ValueError("appendfilename can't be a path, just a filename")


def something(value: tuple[str, ...]) -> None:
    if not value:
        raise ValueError("argument(s) must be one of the following: " + ", ".join(SHUTDOWN_MODES))


def known_variables(value: str) -> None:
    """A title such as `{title} {port}`."""
    known = r"\{(title|listen-addr|server-mode|port|tls-port|unixsocket|config-file)\}"
    if not value or re.search(r"[{}]", re.sub(known, "", value)):
        raise ValueError("template format is invalid or contains unknown variables")


def no_defragmentation(value: bool) -> None:
    if value:
        raise ValueError(
            "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc "
            "like the one shipped by default with the Redis source distribution"
        )


def host_name(value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9.-]*", value):
        raise ValueError("Hostnames may only contain alphanumeric characters, hyphens or dots")


# Rows that only say something twice would hide what they say: these are the usual cases.
Fixed = partial(Option, mutable=False)  # may not change while the server runs
Unused = partial(Option, effect=False)  # accepted, answered, without effect here
FixedUnused = partial(Option, mutable=False, effect=False)

EVICTION_POLICIES = (
    "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
    "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction",
)  # fmt: skip
LOG_LEVELS = ("debug", "verbose", "notice", "warning", "nothing")
SHUTDOWN_MODES = ("default", "save", "nosave", "now", "force")
SYSLOG_FACILITIES = ("user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7")

NETWORK = [
    Option("port", Integer, 6379, "TCP port; 0 listens on none.", minimum=0, maximum=65535),
    Option("bind", Words, "127.0.0.1 -::1", "Addresses to listen on; one with a dash in front may be missing.  Without a "
           "configuration redis-server listens on all; here, as in Debian's redis.conf, on this machine's own."),
    Unused("bind-source-addr", Text, "", "Address that outgoing connections come from."),
    Option("protected-mode", Flag, True, "Refuse clients from other machines while there is no password."),
    Fixed("unixsocket", Text, "", "Path of a Unix socket to listen on as well."),
    Fixed("unixsocketperm", Octal, 0, "Its permissions, octal; 0 leaves them to the umask.", maximum=0o777),
    Fixed("tcp-backlog", Integer, 511, "Connections the kernel holds until they are accepted.", minimum=0,
          maximum=INT_MAX),
    Option("tcp-keepalive", Seconds, 300, "Silence after which TCP asks whether the peer still lives.", minimum=0,
           maximum=INT_MAX),
    FixedUnused("socket-mark-id", Integer, 0, "Mark on packets, for packet filters.", minimum=0, maximum=UINT_MAX),
    Option("timeout", Seconds, 0, "Close a client that says nothing for so long; 0 never.", minimum=0,
           maximum=INT_MAX),
    Option("maxclients", Integer, 10000, "Connections at most.", minimum=1, maximum=UINT_MAX),
    Option("proto-max-bulk-len", Memory, "512mb", "The longest string a client may send.", minimum=1024 * 1024,
           maximum=LONG_MAX),
    Option("client-query-buffer-limit", Memory, "1gb", "Bytes of an unfinished request at most.",
           minimum=1024 * 1024, maximum=LONG_MAX),
    Option("client-output-buffer-limit", BufferLimits,
           "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
           "Bytes of unread replies after which a client is cut off: class, hard, soft, seconds above soft.",
           multiple=True),
    Option("maxmemory-clients", MemoryOrPercent, 0, "Bytes of all client buffers together; 0 does not ask.",
           effect=False),
    FixedUnused("io-threads", Integer, 1, "Threads that read and write; here one loop does.", minimum=1, maximum=128),
    FixedUnused("io-threads-do-reads", Flag, False, "Whether they read too."),
]  # fmt: skip

TLS = [
    Option("tls-port", Integer, 0, "Port that speaks TLS; 0 is none.", minimum=0, maximum=65535),
    Option("tls-cert-file", Text, "", "The server's certificate, PEM."),
    Option("tls-key-file", Text, "", "Its private key, PEM."),
    Option("tls-key-file-pass", Text, "", "Password of the key.", secret=True),
    Option("tls-ca-cert-file", Text, "", "Whom to trust, PEM."),
    Option("tls-ca-cert-dir", Text, "", "The same as a folder."),
    Option("tls-auth-clients", Choice, "yes", "Whether clients must show a certificate.",
           choices=("no", "yes", "optional")),
    Option("tls-protocols", Text, "", "TLS versions allowed, e.g. `TLSv1.2 TLSv1.3`."),
    Option("tls-ciphers", Text, "", "Ciphers up to TLS 1.2, as OpenSSL lists them."),
    Option("tls-ciphersuites", Text, "", "Ciphers of TLS 1.3."),
    Option("tls-prefer-server-ciphers", Flag, False, "The server's order of ciphers counts."),
    Unused("tls-client-cert-file", Text, "", "Certificate for outgoing connections."),
    Unused("tls-client-key-file", Text, "", "Its key."),
    Unused("tls-client-key-file-pass", Text, "", "Its password.", secret=True),
    Unused("tls-dh-params-file", Text, "", "Diffie-Hellman parameters; OpenSSL 3 chooses its own."),
    Unused("tls-session-caching", Flag, True, "Let clients resume sessions."),
    Unused("tls-session-cache-size", Integer, 20480, "How many are kept.", minimum=0, maximum=INT_MAX),
    Unused("tls-session-cache-timeout", Seconds, 300, "For how long.", minimum=0, maximum=INT_MAX),
    Unused("tls-replication", Flag, False, "TLS between master and replica."),
    Unused("tls-cluster", Flag, False, "TLS on the cluster bus."),
]  # fmt: skip

GENERAL = [
    Fixed("databases", Integer, 16, "Numbered databases, for SELECT.", minimum=1, maximum=INT_MAX),
    Option("requirepass", Text, "", "Password that AUTH asks for; none when empty.", secret=True),
    Option("loglevel", Choice, "notice", "How much is logged.", choices=LOG_LEVELS),
    Fixed("logfile", Text, "", "Where; standard output when empty."),
    FixedUnused("syslog-enabled", Flag, False, "Log to syslog as well."),
    FixedUnused("syslog-ident", Text, "redis", "Under which name."),
    FixedUnused("syslog-facility", Choice, "local0", "Under which facility.", choices=SYSLOG_FACILITIES),
    Option("hz", Hertz, 10, "How often a second the background work comes up, 1 to 500.", minimum=0,
           maximum=INT_MAX),
    Unused("dynamic-hz", Flag, True, "More often while there are many clients."),
    FixedUnused("daemonize", Flag, False, "Go to the background; here whoever starts the server does that."),
    FixedUnused("supervised", Choice, "no", "Tell a service manager when ready.",
                choices=("upstart", "systemd", "auto", "no")),
    Fixed("pidfile", Text, "", "File for the process id."),
    Fixed("enable-protected-configs", Choice, "no", "Who may CONFIG SET paths.", choices=("no", "yes", "local")),
    Fixed("enable-debug-command", Choice, "no", "Who may use DEBUG.", choices=("no", "yes", "local")),
    FixedUnused("enable-module-command", Choice, "no", "Who may use MODULE.", choices=("no", "yes", "local")),
    Option("busy-reply-threshold", Milliseconds, 5000, "A script that runs longer gets others a BUSY error.",
           minimum=0, maximum=LONG_MAX, aliases=("lua-time-limit",)),
    Option("shutdown-on-sigint", Choices, "default", "What SIGINT means.", choices=SHUTDOWN_MODES, check=something),
    Option("shutdown-on-sigterm", Choices, "default", "What SIGTERM means.", choices=SHUTDOWN_MODES, check=something),
    Unused("shutdown-timeout", Seconds, 10, "How long a shutdown waits for replicas.", minimum=0, maximum=INT_MAX),
    FixedUnused("always-show-logo", Flag, False, "A picture at the start."),
    FixedUnused("set-proc-title", Flag, True, "Show the address in the process list."),
    Unused("proc-title-template", Text, "{title} {listen-addr} {server-mode}", "In this form.",
           check=known_variables),
    Unused("crash-log-enabled", Flag, True, "A report on a crash."),
    Unused("crash-memcheck-enabled", Flag, True, "A memory test on a crash."),
    FixedUnused("disable-thp", Flag, True, "Ask the kernel for small pages: they make forks cheaper."),
    Unused("oom-score-adj", Choice, "no", "Tell the kernel whom to kill first.",
           choices=("no", "yes", "relative", "absolute")),
    Unused("oom-score-adj-values", ScoreAdjustments, "0 200 800", "With these scores: master, replica, child."),
    FixedUnused("server_cpulist", Text, "", "Cores for the main thread."),
    FixedUnused("bio_cpulist", Text, "", "Cores for background threads."),
    FixedUnused("aof_rewrite_cpulist", Text, "", "Cores for rewriting the append-only file."),
    FixedUnused("bgsave_cpulist", Text, "", "Cores for snapshots."),
    Unused("ignore-warnings", Text, "", "Warnings of the kernel check to pass over."),
    Unused("jemalloc-bg-thread", Flag, True, "A thread of an allocator that we do not use."),
    Unused("locale-collate", Text, "", "Locale for SORT ALPHA; here bytes are compared."),
    FixedUnused("aclfile", Text, "", "File of users; here there is one, `default`."),
    Unused("acl-pubsub-default", Choice, "resetchannels", "Channels a new user may use.",
           choices=("allchannels", "resetchannels")),
    Unused("acllog-max-len", Integer, 128, "Denied commands remembered.", minimum=0, maximum=LONG_MAX),
    Unused("rename-command", Words, "", "Another name for a command.", hidden=True, multiple=True),
    Unused("loadmodule", Words, "", "A module to load; there are none here.", hidden=True, multiple=True),
    Unused("user", Words, "", "A user of the access control lists.", hidden=True, multiple=True),
]  # fmt: skip

MEMORY = [
    Option("maxmemory", Memory, 0, "Bytes of data at most; 0 is no limit."),
    Option("maxmemory-policy", Choice, "noeviction", "Which keys go when it is passed.", choices=EVICTION_POLICIES),
    Option("maxmemory-samples", Integer, 5, "Keys looked at to find a victim: more is better and slower.",
           minimum=1, maximum=INT_MAX),
    Unused("maxmemory-eviction-tenacity", Integer, 10, "How long one command may spend evicting, 0 to 100.",
           minimum=0, maximum=100),
    Option("lfu-log-factor", Integer, 10, "How slowly the counter of uses grows.", minimum=0, maximum=INT_MAX),
    Option("lfu-decay-time", Integer, 1, "Minutes after which it loses one.", minimum=0, maximum=INT_MAX),
    Option("active-expire-effort", Integer, 1, "How hard expired keys are looked for, 1 to 10.", minimum=1,
           maximum=10),
    Option("lazyfree-lazy-eviction", Flag, False, "Evicted keys are logged as UNLINK, not DEL."),
    Option("lazyfree-lazy-expire", Flag, False, "Expired ones too."),
    Unused("lazyfree-lazy-server-del", Flag, False, "Free what a command replaces in the background."),
    Unused("lazyfree-lazy-user-del", Flag, False, "DEL frees in the background."),
    Unused("lazyfree-lazy-user-flush", Flag, False, "FLUSHALL frees in the background."),
    Unused("activerehashing", Flag, True, "Grow hash tables in idle moments."),
    Unused("activedefrag", Flag, False, "Move values to free whole pages; not with Python's allocator.",
           check=no_defragmentation),
    Unused("active-defrag-cycle-min", Integer, 1, "At least so much of a core.", minimum=1, maximum=99),
    Unused("active-defrag-cycle-max", Integer, 25, "At most so much.", minimum=1, maximum=99),
    Unused("active-defrag-ignore-bytes", Memory, "100mb", "Waste that is not worth it.", minimum=1,
           maximum=LONG_MAX),
    Unused("active-defrag-threshold-lower", Integer, 10, "Per cent of waste to begin at.", minimum=0, maximum=1000),
    Unused("active-defrag-threshold-upper", Integer, 100, "Per cent of waste for full effort.", minimum=0,
           maximum=1000),
    Unused("active-defrag-max-scan-fields", Integer, 1000, "Elements moved at once.", minimum=1, maximum=LONG_MAX),
    Unused("tracking-table-max-keys", Integer, 1000000, "Keys that clients may track.", minimum=0,
           maximum=LONG_MAX),
]  # fmt: skip

ENCODINGS = [
    Option("hash-max-listpack-entries", Integer, 512, "Fields up to which a hash is a listpack.", minimum=0,
           maximum=LONG_MAX, aliases=("hash-max-ziplist-entries",)),
    Option("hash-max-listpack-value", Memory, 64, "Bytes of its longest field or value.", maximum=LONG_MAX,
           aliases=("hash-max-ziplist-value",)),
    Option("list-max-listpack-size", Integer, -2, "Size of a list's blocks: elements, or -1 to -5 for 4 to 64 kB.",
           minimum=-(2**31), maximum=INT_MAX, aliases=("list-max-ziplist-size",)),
    Unused("list-compress-depth", Integer, 0, "Blocks at each end that are not compressed; 0: none is.", minimum=0,
           maximum=INT_MAX),
    Option("set-max-intset-entries", Integer, 512, "Integers up to which a set is an intset.", minimum=0,
           maximum=LONG_MAX),
    Option("set-max-listpack-entries", Integer, 128, "Members up to which a set is a listpack.", minimum=0,
           maximum=LONG_MAX),
    Option("set-max-listpack-value", Memory, 64, "Bytes of its longest member.", maximum=LONG_MAX),
    Option("zset-max-listpack-entries", Integer, 128, "Members up to which a sorted set is a listpack.", minimum=0,
           maximum=LONG_MAX, aliases=("zset-max-ziplist-entries",)),
    Option("zset-max-listpack-value", Memory, 64, "Bytes of its longest member.", maximum=LONG_MAX,
           aliases=("zset-max-ziplist-value",)),
    Option("hll-sparse-max-bytes", Memory, 3000, "Size at which a HyperLogLog becomes dense.", maximum=LONG_MAX),
    Unused("stream-node-max-bytes", Memory, 4096, "Bytes of a stream's node.", maximum=LONG_MAX),
    Unused("stream-node-max-entries", Integer, 100, "Entries of a stream's node.", minimum=0, maximum=LONG_MAX),
]  # fmt: skip

PERSISTENCE = [
    Option("dir", Text, ".", "The folder of all files.", protected=True),
    Option("save", SavePoints, "3600 1 300 100 60 10000", "Snapshot after so many seconds if so many changes.",
           multiple=True),
    Option("dbfilename", Text, "dump.rdb", "The snapshot's name.", protected=True, check=plain_name),
    Option("rdbcompression", Flag, True, "Compress strings in it."),
    Fixed("rdbchecksum", Flag, True, "Seal it with a CRC-64."),
    Unused("rdb-save-incremental-fsync", Flag, True, "fsync it in steps."),
    Unused("rdb-del-sync-files", Flag, False, "Delete what replication left behind."),
    Option("stop-writes-on-bgsave-error", Flag, True, "No writes after a snapshot failed."),
    Option("sanitize-dump-payload", Choice, "no", "Check RESTORE payloads deeply; here all are.",
           choices=("no", "yes", "clients"), effect=False),
    Option("appendonly", Flag, False, "Write every change to a log before it is answered."),
    Option("appendfsync", Choice, "everysec", "When the log is forced to disk.",
           choices=("everysec", "always", "no")),
    Fixed("appendfilename", Text, "appendonly.aof", "The beginning of its files' names.", check=plain_append_name),
    Fixed("appenddirname", Text, "appendonlydir", "Their folder within `dir`.", check=plain_folder),
    Option("no-appendfsync-on-rewrite", Flag, False, "No fsync while a child writes."),
    Option("auto-aof-rewrite-percentage", Integer, 100, "Rewrite when the log grew so much; 0 never.", minimum=0,
           maximum=INT_MAX),
    Option("auto-aof-rewrite-min-size", Memory, "64mb", "But not below this size.", maximum=LONG_MAX),
    Unused("aof-rewrite-incremental-fsync", Flag, True, "fsync a rewrite in steps."),
    Option("aof-load-truncated", Flag, True, "Start though the log's end is cut off, losing the last change."),
    Unused("aof-use-rdb-preamble", Flag, True, "A rewrite begins with a snapshot; here always."),
    Option("aof-timestamp-enabled", Flag, False, "Note the time in the log."),
    Unused("aof-disable-auto-gc", Flag, False, "Keep log files that are no longer needed."),
]  # fmt: skip

REPLICATION = [
    FixedUnused("replicaof", Address, "", "The master to copy.", aliases=("slaveof",)),
    Unused("masterauth", Text, "", "Its password.", secret=True),
    Unused("masteruser", Text, "", "The user to log in as."),
    Unused("replica-serve-stale-data", Flag, True, "Answer while the link is down.",
           aliases=("slave-serve-stale-data",)),
    Unused("replica-read-only", Flag, True, "Refuse writes.", aliases=("slave-read-only",)),
    Unused("replica-priority", Integer, 100, "Lower becomes master first.", minimum=0, maximum=INT_MAX,
           aliases=("slave-priority",)),
    Unused("replica-announce-ip", Text, "", "Address to tell others.", aliases=("slave-announce-ip",)),
    Unused("replica-announce-port", Integer, 0, "Port to tell others.", minimum=0, maximum=65535,
           aliases=("slave-announce-port",)),
    Unused("replica-announced", Flag, True, "Be seen by Sentinel."),
    Unused("replica-ignore-maxmemory", Flag, True, "Leave eviction to the master.",
           aliases=("slave-ignore-maxmemory",)),
    Unused("replica-ignore-disk-write-errors", Flag, False, "Go on when the disk fails."),
    Unused("replica-lazy-flush", Flag, False, "Empty in the background before a full copy.",
           aliases=("slave-lazy-flush",)),
    Unused("repl-diskless-sync", Flag, True, "Send snapshots without a file."),
    Unused("repl-diskless-sync-delay", Seconds, 5, "Wait for more replicas first.", minimum=0, maximum=INT_MAX),
    Unused("repl-diskless-sync-max-replicas", Integer, 0, "But not for more than these.", minimum=0,
           maximum=INT_MAX),
    Unused("repl-diskless-load", Choice, "disabled", "Load a snapshot from the socket.",
           choices=("disabled", "on-empty-db", "swapdb")),
    Unused("repl-disable-tcp-nodelay", Flag, False, "Fewer packets, more delay."),
    Unused("repl-backlog-size", Memory, "1mb", "Bytes kept for replicas that come back.", minimum=1,
           maximum=LONG_MAX),
    Unused("repl-backlog-ttl", Seconds, 3600, "For how long without any.", minimum=0, maximum=LONG_MAX),
    Unused("repl-ping-replica-period", Seconds, 10, "How often the master pings.", minimum=1, maximum=INT_MAX,
           aliases=("repl-ping-slave-period",)),
    Unused("repl-timeout", Seconds, 60, "Silence that ends a link.", minimum=1, maximum=INT_MAX),
    Unused("min-replicas-to-write", Integer, 0, "Replicas that writes need.", minimum=0, maximum=INT_MAX,
           aliases=("min-slaves-to-write",)),
    Unused("min-replicas-max-lag", Seconds, 10, "Not further behind than this.", minimum=0, maximum=INT_MAX,
           aliases=("min-slaves-max-lag",)),
    Unused("propagation-error-behavior", Choice, "ignore", "When a replicated command fails.",
           choices=("ignore", "panic", "panic-on-replicas")),
]  # fmt: skip

CLUSTER = [
    FixedUnused("cluster-enabled", Flag, False, "Be a node of a cluster."),
    FixedUnused("cluster-config-file", Text, "nodes.conf", "What the node knows of the others."),
    FixedUnused("cluster-port", Integer, 0, "Port of the bus; 0 is the port plus 10000.", minimum=0, maximum=65535),
    Unused("cluster-node-timeout", Milliseconds, 15000, "Silence that makes a node suspect.", minimum=0,
           maximum=LONG_MAX),
    Unused("cluster-replica-validity-factor", Integer, 10, "How stale a replica may be to take over.", minimum=0,
           maximum=INT_MAX, aliases=("cluster-slave-validity-factor",)),
    Unused("cluster-replica-no-failover", Flag, False, "Never take over.", aliases=("cluster-slave-no-failover",)),
    Unused("cluster-migration-barrier", Integer, 1, "Replicas a master keeps before one may move.", minimum=0,
           maximum=INT_MAX),
    Unused("cluster-allow-replica-migration", Flag, True, "Let replicas move to orphaned masters."),
    Unused("cluster-require-full-coverage", Flag, True, "Serve nothing while a slot is uncovered."),
    Unused("cluster-allow-reads-when-down", Flag, False, "But reads all the same."),
    Unused("cluster-allow-pubsubshard-when-down", Flag, True, "And shard channels."),
    Unused("cluster-link-sendbuf-limit", Memory, 0, "Bytes unsent to a node before its link is closed."),
    Unused("cluster-announce-ip", Text, "", "Address to tell other nodes."),
    Unused("cluster-announce-hostname", Text, "", "Name to tell clients.", check=host_name),
    Unused("cluster-announce-human-nodename", Text, "", "Name to show in logs."),
    Unused("cluster-announce-port", Integer, 0, "Port to tell other nodes.", minimum=0, maximum=65535),
    Unused("cluster-announce-tls-port", Integer, 0, "The same for TLS.", minimum=0, maximum=65535),
    Unused("cluster-announce-bus-port", Integer, 0, "The same for the bus.", minimum=0, maximum=65535),
    Unused("cluster-preferred-endpoint-type", Choice, "ip", "What redirections name.",
           choices=("ip", "hostname", "unknown-endpoint")),
]  # fmt: skip

OBSERVATION = [
    Option("slowlog-log-slower-than", Integer, 10000, "Microseconds from which a command is slow; negative: never.",
           minimum=-1, maximum=LONG_MAX),
    Option("slowlog-max-len", Integer, 128, "Slow commands remembered.", minimum=0, maximum=LONG_MAX),
    Option("latency-monitor-threshold", Milliseconds, 0, "What takes this long is a latency event; 0: nothing.",
           minimum=0, maximum=LONG_MAX),
    Option("latency-tracking", Flag, True, "Answer latencystats and LATENCY HISTOGRAM."),
    Option("latency-tracking-info-percentiles", Percentiles, "50 99 99.9", "The percentiles INFO shows."),
    Option("notify-keyspace-events", EventClasses, "", "Which changes of keys are published."),
]  # fmt: skip

OURS = [
    *OUR_OPTIONS,
    Option("rdb-version", Integer, 10, "Format of the snapshots: 10 is Redis 7.0's, 11 is 7.2's.", ours=True,
           minimum=10, maximum=11),
]  # fmt: skip

OPTIONS = Table(
    [*NETWORK, *TLS, *GENERAL, *MEMORY, *ENCODINGS, *PERSISTENCE, *REPLICATION, *CLUSTER, *OBSERVATION, *OURS]
)
