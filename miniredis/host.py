"""The process around the engine, as far as commands may touch it: INFO, SHUTDOWN, CONFIG REWRITE.

As with persistence, the shell puts the real one in place; here stands one without a process, for tests and simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class ProcessFacts:
    """What does not change while the process lives."""

    system: str = "simulated"
    process_id: int = 0
    port: int = 0
    executable: str = ""
    config_file: str = ""
    listeners: tuple[str, ...] = ()  # as INFO shows them: `name=tcp,bind=127.0.0.1,port=6379`
    system_memory: int = 0


@dataclass(slots=True)
class ProcessUse:
    """What it takes now.  Bytes; CPU seconds of this process, of its ended children, of the main thread."""

    resident_bytes: int = 0
    system_seconds: float = 0.0
    user_seconds: float = 0.0
    children_system_seconds: float = 0.0
    children_user_seconds: float = 0.0
    thread_system_seconds: float = 0.0
    thread_user_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ShutdownWish:
    """How SHUTDOWN asked the server to end.  `save` None: as the save points say."""

    save: bool | None = None
    now: bool = False
    force: bool = False


class Host(Protocol):
    """A process."""

    facts: ProcessFacts

    def use(self) -> ProcessUse: ...

    def shut_down(self, wish: ShutdownWish) -> bool:
        """End, after saving what is to be saved; False when that failed and the server goes on."""

    def stop_shutdown(self) -> bool:
        """SHUTDOWN ABORT: take back a shutdown that still waits; False when there is none."""

    def rewrite_config(self) -> None:
        """Bring the configuration file up to what is true now.  Raises OSError."""


class NoHost:
    """No process, no configuration file."""

    def __init__(self) -> None:
        self.facts = ProcessFacts()

    def use(self) -> ProcessUse:
        return ProcessUse()

    def shut_down(self, wish: ShutdownWish) -> bool:
        return False

    def stop_shutdown(self) -> bool:
        return False

    def rewrite_config(self) -> None:
        raise FileNotFoundError(2, "No such file or directory", "")
