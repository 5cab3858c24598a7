"""What a server counts: the figures behind INFO, and the ones CONFIG RESETSTAT sets back."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class CommandStats:
    """INFO commandstats: one line per command that was ever called.  Microseconds."""

    calls: int = 0
    microseconds: int = 0
    rejected: int = 0  # refused before it ran: arity, permission, memory
    failed: int = 0  # answered with an error


class CommandCounters(dict[str, CommandStats]):
    """By the command's name, made when first asked for."""

    def __missing__(self, name: str) -> CommandStats:
        counters = self[name] = CommandStats()
        return counters


@dataclass(slots=True)
class Stats:
    """Counters since the start, or since CONFIG RESETSTAT."""

    commands: CommandCounters = field(default_factory=CommandCounters)
    errors: dict[str, int] = field(default_factory=dict)  # by code: ERR, WRONGTYPE, ...
    error_replies: int = 0
    connections_received: int = 0
    connections_rejected: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    evicted_keys: int = 0
    evicted_clients: int = 0
    expired_stale_percent: float = 0.0
    expired_time_cap_reached: int = 0
    query_buffer_limit_disconnections: int = 0
    output_buffer_limit_disconnections: int = 0
    total_reads: int = 0
    total_writes: int = 0
    unexpected_errors: int = 0

    def count_error(self, code: str) -> None:
        self.error_replies += 1
        self.errors[code] = self.errors.get(code, 0) + 1
