"""Which partition of __consumer_offsets keeps a group; its leader is the group's coordinator.

Clients never work this out (they ask FindCoordinator), but other brokers and tools do: it is Java's `String.hashCode`.

Source: Kafka `GroupCoordinatorService.partitionFor`, `Utils.abs`.
"""


def java_hash(text: str) -> int:
    """h = 31 h + unit, over UTF-16 units, in 32 bits with a sign."""
    units = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for at in range(0, len(units), 2):
        value = (31 * value + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return value - 0x1_0000_0000 if value & 0x8000_0000 else value


def partition_for(group_id: str, count: int) -> int:
    """Of `count` partitions.  The one number without a positive counterpart, -2**31, counts as 0."""
    value = java_hash(group_id)
    return 0 if value == -(2**31) else abs(value) % count
