"""Topics that the brokers keep for themselves: groups' offsets, and transactions."""

GROUP_OFFSETS = "__consumer_offsets"
TRANSACTIONS = "__transaction_state"
INTERNAL = frozenset({GROUP_OFFSETS, TRANSACTIONS})


def is_internal(topic: str) -> bool:
    """Whether clients may not write to it."""
    return topic in INTERNAL
