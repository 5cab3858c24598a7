"""The small text files of a data folder: offsets by partition, whose data it is, and that the last stop was clean.

    replication-offset-checkpoint        0                       the format's version
    recovery-point-offset-checkpoint     2                       how many lines follow
    log-start-offset-checkpoint          orders 0 1204           topic, partition, offset
                                         orders 1 997

    meta.properties                      version=1, node.id, directory.id, cluster.id
    .kafka_cleanshutdown                 {"version":0,"brokerEpoch":1684}

All are replaced whole and at once.  A checkpoint that cannot be read is as good as none: it only spares work.

Source: Kafka `CheckpointFile`, `OffsetCheckpointFile`, `MetaProperties`, `CleanShutdownFileHandler`.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from posixpath import join
from typing import NamedTuple

from durable.disk import Disk
from durable.replace_file import replace_file
from minikafka.wire.types import ZERO_UUID, uuid_bytes

logger = logging.getLogger("minikafka.log")

HIGH_WATERMARKS = "replication-offset-checkpoint"
RECOVERY_POINTS = "recovery-point-offset-checkpoint"
LOG_STARTS = "log-start-offset-checkpoint"
META_PROPERTIES = "meta.properties"
CLEAN_MARKER = ".kafka_cleanshutdown"

Offsets = dict[tuple[str, int], int]


class MetaProperties(NamedTuple):
    """Whose data a folder holds.  directory_id: of the folder itself, in Kafka's text form."""

    node_id: int = -1
    directory_id: str = ""
    cluster_id: str = ""

    @property
    def directory_uuid(self) -> bytes:
        return uuid_bytes(self.directory_id) if self.directory_id else ZERO_UUID


def write_offsets(disk: Disk, path: str, offsets: Offsets) -> None:
    """Replace a checkpoint file; without an fsync, as losing it loses no record.  Raises OSError."""
    lines = [f"{topic} {index} {offset}" for (topic, index), offset in offsets.items()]
    content = "\n".join(["0", str(len(lines)), *lines, ""]).encode()
    aside = path + ".tmp"
    file = disk.open(aside, "w")
    try:
        if file.append(content) < len(content):
            raise OSError(28, "No space left on device", path)
    finally:
        file.close()
    disk.rename(aside, path)


def read_offsets(disk: Disk, path: str) -> Offsets:
    """What `write_offsets` wrote; nothing when the file is not there or says something else.  Raises OSError."""
    if not disk.exists(path):
        return {}
    lines = disk.read(path).decode("utf-8", "replace").splitlines()
    offsets: Offsets = {}
    try:
        if lines[0] != "0" or len(lines) != int(lines[1]) + 2:
            raise ValueError("another version, or cut short")
        for line in lines[2:]:
            topic, index, offset = line.split(" ")
            offsets[topic, int(index)] = int(offset)
    except (ValueError, IndexError) as error:
        logger.warning("%s is no checkpoint (%s): going on without it", path, error)
        return {}
    return offsets


def read_meta_properties(disk: Disk, folder: str) -> MetaProperties | None:
    """None for a folder that nobody has used.  Raises OSError, ValueError."""
    path = join(folder, META_PROPERTIES)
    if not disk.exists(path):
        return None
    said = {}
    for line in disk.read(path).decode().splitlines():
        if not line.startswith("#") and "=" in line:
            name, _, value = line.partition("=")
            said[name.strip()] = value.strip()
    return MetaProperties(int(said["node.id"]), said.get("directory.id", ""), said.get("cluster.id", ""))


def write_meta_properties(disk: Disk, folder: str, meta: MetaProperties) -> None:
    """Raises OSError."""
    lines = ["#", "version=1", f"node.id={meta.node_id}", f"directory.id={meta.directory_id}"]
    lines += [f"cluster.id={meta.cluster_id}"] if meta.cluster_id else []
    replace_file(disk, join(folder, META_PROPERTIES), ("\n".join(lines) + "\n").encode())


def read_clean_marker(disk: Disk, folder: str) -> tuple[bool, int]:
    """Whether the folder was left in good order, and by which epoch of its broker, -1 where that is not known."""
    path = join(folder, CLEAN_MARKER)
    if not disk.exists(path):
        return False, -1
    with suppress(ValueError, KeyError, TypeError):
        return True, int(json.loads(disk.read(path))["brokerEpoch"])
    return True, -1


def write_clean_marker(disk: Disk, folder: str, broker_epoch: int) -> None:
    """The last write of a clean stop.  Raises OSError."""
    replace_file(disk, join(folder, CLEAN_MARKER), json.dumps({"version": 0, "brokerEpoch": broker_epoch}).encode())


def remove_clean_marker(disk: Disk, folder: str) -> None:
    """Before the first append.  Raises OSError."""
    path = join(folder, CLEAN_MARKER)
    if disk.exists(path):
        disk.unlink(path)
        disk.fsync_dir(folder)
