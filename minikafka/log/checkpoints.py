"""The small text files of a data folder: what a broker knows of its logs before it opens one.

    recovery-point-offset-checkpoint     up to where each log is durable                version 0
    replication-offset-checkpoint        high watermarks                                how many entries
    log-start-offset-checkpoint          where logs begin that do not with a segment    topic partition offset
    cleaner-offset-checkpoint            how far each is compacted                      ...

    meta.properties         node.id, cluster.id, directory.id: whose folder this is
    .kafka_cleanshutdown    {"version":0,"brokerEpoch":1684}: stopped in good order; removed at the start
    <topic>-<n>/partition.metadata       version: 0, topic_id: <base64>

All but partition.metadata are replaced whole and durably (durable/replace_file.py): a crash leaves the old one or the new.
A partition's own is written with a thousand others when topics are made, and can be written again.

Source: Kafka's `CheckpointFile.java`, `OffsetCheckpointFile.java`, `MetaProperties.java`, `CleanShutdownFileHandler.java`.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from posixpath import dirname, join

from durable.disk import Disk
from durable.replace_file import replace_file

RECOVERY_POINT = "recovery-point-offset-checkpoint"
HIGH_WATERMARK = "replication-offset-checkpoint"
LOG_START = "log-start-offset-checkpoint"
CLEANER = "cleaner-offset-checkpoint"
META_PROPERTIES = "meta.properties"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"

PARTITION_METADATA = re.compile(rb"version: 0\ntopic_id: ([\w-]{21}[AQgw])\n?")

Offsets = dict[tuple[str, int], int]


class BadCheckpoint(ValueError):
    """A file of another version, or damaged."""


def write_offsets(disk: Disk, path: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Replace a checkpoint of offsets by (topic, partition).  Raises OSError."""
    replace_file(disk, path, offsets_text(offsets))


def offsets_text(offsets: Mapping[tuple[str, int], int]) -> bytes:
    """What a checkpoint of these offsets says."""
    lines = [f"{topic} {partition} {offset}\n" for (topic, partition), offset in offsets.items()]
    return f"0\n{len(lines)}\n{''.join(lines)}".encode()


def read_offsets(disk: Disk, path: str) -> Offsets:
    """The offsets in a checkpoint; none when there is no file.  Raises OSError, BadCheckpoint."""
    try:
        content = disk.read(path).decode()
    except FileNotFoundError:
        return {}
    if not content:
        return {}  # as Kafka leaves the one of its cleaner
    offsets: Offsets = {}
    try:
        version, count, *lines = content.splitlines()
        for line in lines:
            topic, partition, offset = line.split(" ")
            offsets[topic, int(partition)] = int(offset)
        if version != "0" or len(lines) != int(count):
            raise ValueError(f"version {version}, {len(lines)} of {count} entries")
    except ValueError as error:
        raise BadCheckpoint(f"{path}: {error}") from None
    return offsets


# -- whose folder this is ---------------------------------------------------------------------------------------------


def write_meta_properties(disk: Disk, folder: str, properties: Mapping[str, str]) -> None:
    """Kafka writes `version` (1), `cluster.id`, `node.id` and `directory.id`; ids as url-safe base64."""
    lines = [f"{key}={value}\n" for key, value in properties.items()]
    replace_file(disk, join(folder, META_PROPERTIES), f"#\n{''.join(lines)}".encode())


def read_meta_properties(disk: Disk, folder: str) -> dict[str, str] | None:
    """None for a folder that has not been formatted."""
    try:
        content = disk.read(join(folder, META_PROPERTIES)).decode()
    except FileNotFoundError:
        return None
    lines = [line.strip() for line in content.splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith(("#", "!"))]
    return {key.strip(): value.strip() for key, _, value in pairs}


# -- how it was left --------------------------------------------------------------------------------------------------


def mark_clean_shutdown(disk: Disk, folder: str, broker_epoch: int) -> None:
    """The last thing a broker writes."""
    content = json.dumps({"version": 0, "brokerEpoch": broker_epoch}, separators=(",", ":"))
    replace_file(disk, join(folder, CLEAN_SHUTDOWN), content.encode())


def take_clean_shutdown(disk: Disk, folder: str) -> int | None:
    """The broker epoch at a clean stop, and the mark is gone, durably; None after any other end.  -1: not recorded."""
    path = join(folder, CLEAN_SHUTDOWN)
    try:
        content = disk.read(path)
    except FileNotFoundError:
        return None
    disk.unlink(path)
    disk.fsync_dir(folder)
    with suppress(ValueError, KeyError, TypeError):
        return int(json.loads(content)["brokerEpoch"])
    return -1


# -- a partition's folder ---------------------------------------------------------------------------------------------


def write_partition_metadata(disk: Disk, path: str, topic_id: bytes) -> None:
    """`topic_id` are the 16 bytes of the uuid.  Not durable by itself: a torn one is written again."""
    text = urlsafe_b64encode(topic_id).rstrip(b"=").decode()
    aside = path + ".new"
    file = disk.open(aside, "w")
    try:
        file.append(f"version: 0\ntopic_id: {text}\n".encode())
    finally:
        file.close()
    disk.rename(aside, path)


def read_partition_metadata(disk: Disk, path: str) -> bytes:
    """The topic id.  Raises FileNotFoundError, and ValueError for a damaged file.

    The newline at the end, which Kafka leaves out, tells a torn file from a whole one.
    """
    content = disk.read(path)
    found = PARTITION_METADATA.fullmatch(content)
    if not found:
        raise ValueError(f"{path}: {content!r}")
    return urlsafe_b64decode(found[1] + b"==")


def deleted_folder(folder: str, uuid: bytes) -> str:
    """What the folder of a deleted partition is called until it is removed: `<topic>-<n>.<uuid>-delete`.

    Kafka cuts long topic names off, as a file name has at most 255 bytes.
    """
    suffix = f".{uuid.hex()}-delete"
    name = folder.rpartition("/")[2]
    return join(dirname(folder), name[: 255 - len(suffix)] + suffix)
