"""Hiding the machine while a simulation runs: its clocks, its entropy, its global dice.

A server takes time from `loop.time()` or its Clock and randomness from its Random, and a lint test watches over that.
Libraries do as they please, so while a world runs their usual doors lead into the simulation as well:

    time.time, monotonic, perf_counter, process_time (and _ns)   virtual time
    time.sleep                                                   an error: it would stop every host at once
    os.urandom, and what uuid4 and secrets draw from             the seed
    random.random() and the others of the module                 the seed; the former state comes back afterwards

A net, not a wall: `from time import monotonic`, done before, is past it.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from simulation.loop import SimulatedLoop

EPOCH_MS = 1_700_000_000_000  # the wall clock at the beginning of virtual time


class SimulatedClock:
    """The clock of one host (`serving.clock.Clock`).

    offset_ms  how far its wall clock is off; may be changed at any time, as an administrator or NTP would
    """

    def __init__(self, now: Callable[[], float], offset_ms: int = 0) -> None:
        self._now, self.offset_ms = now, offset_ms

    def now_ms(self) -> int:
        return EPOCH_MS + int(self._now() * 1000) + self.offset_ms

    def monotonic_us(self) -> int:
        return int(self._now() * 1_000_000)

    def spent_us(self) -> int:
        """Computing takes no time here."""
        return 0


@contextmanager
def hidden_machine(loop: SimulatedLoop, dice: random.Random) -> Iterator[None]:
    """Within it the modules time, os, random, uuid and secrets know the simulation only."""
    replacements: list[tuple[Any, str, Any]] = [
        *_clocks("time", lambda: EPOCH_MS / 1000 + loop.time()),
        *_clocks("monotonic", loop.time),
        *_clocks("perf_counter", loop.time),
        *_clocks("process_time", lambda: 0.0),
        (time, "sleep", _sleep),
        (os, "urandom", lambda size: dice.randbytes(size)),
        (
            random,
            "_urandom",
            lambda size: dice.randbytes(size),
        ),  # SystemRandom's own name for it
    ]
    originals = [(module, name, getattr(module, name)) for module, name, _ in replacements]
    state = random.getstate()
    random.seed(dice.getrandbits(64))
    for module, name, replacement in replacements:
        setattr(module, name, replacement)
    try:
        yield
    finally:
        for module, name, original in originals:
            setattr(module, name, original)
        random.setstate(state)


def _clocks(name: str, seconds: Callable[[], float]) -> list[tuple[Any, str, Callable[[], float]]]:
    return [(time, name, seconds), (time, f"{name}_ns", lambda: int(seconds() * 1_000_000_000))]


def _sleep(seconds: float) -> NoReturn:
    raise RuntimeError(f"time.sleep({seconds}) would stop the whole simulated world; await asyncio.sleep instead")
