"""The settings of group coordinators, under Kafka's names with underscores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Kafka's defaults.

    initial_rebalance_delay_ms   how long an empty group waits for more members than the first
    session_timeout_ms_min, _max what a member may ask for
    group_size_max               members of one group
    offset_metadata_bytes_max    text beside an offset, in UTF-16 units, as Java counts
    commit_timeout_ms            how long a change may wait for its commit
    offsets_retention_ms         of a group that nobody uses
    retention_check_ms           how often that is looked at
    batch_bytes_max              one batch of __consumer_offsets
    """

    initial_rebalance_delay_ms: int = 3000
    session_timeout_ms_min: int = 6000
    session_timeout_ms_max: int = 1_800_000
    group_size_max: int = 2**31 - 1
    offset_metadata_bytes_max: int = 4096
    commit_timeout_ms: int = 5000
    offsets_retention_ms: int = 10_080 * 60_000
    retention_check_ms: int = 600_000
    batch_bytes_max: int = 1_048_588
