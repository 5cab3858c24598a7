"""The active expiry cycle: keys whose time has come go even when nobody asks for them.

Lazy expiry (`Database._has_expired`) makes an expired key invisible; but a key that is never looked at again would stay
in memory for ever.  So, ten times a second, a cursor walks on through the keys that have a time to live and removes the
dead among them.  How far it walks adapts: as long as more than a tenth of what it looked at was dead it goes on, until a
quarter of a core is spent, or so many keys are seen (in simulation computing takes no time, so a count must bound it
too).

Source: Redis 7.2 `expire.c`, activeExpireCycle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.engine import Engine

KEYS_PER_LOOP = 20
DATABASES_PER_CYCLE = 16
ACCEPTABLE_STALE = 10  # per cent: below this the memory that could be won is not worth the time
CPU_PERCENT = 25
KEYS_MAX = 20_000  # looked at in one cycle


class ExpiryCycle:
    """Goes on where the last cycle stopped, database by database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.enabled = True  # DEBUG SET-ACTIVE-EXPIRE
        self.next_database = 0

    def run(self, period_ms: int) -> None:
        """One cycle, of those that come every `period_ms`."""
        engine = self.engine
        if not self.enabled or engine.loading or engine.expiring_paused:
            return
        effort = engine.settings.active_expire_effort - 1
        per_loop = KEYS_PER_LOOP + KEYS_PER_LOOP // 4 * effort
        acceptable = ACCEPTABLE_STALE - effort
        deadline = engine.clock.spent_us() + (CPU_PERCENT + 2 * effort) * period_ms * 10
        budget = KEYS_MAX
        engine.refresh_time()
        for _ in range(min(DATABASES_PER_CYCLE, len(engine.databases))):
            database = engine.databases[self.next_database % len(engine.databases)]
            self.next_database += 1
            while database.expires:
                seen, dead = self._look(database, per_loop)
                budget -= seen
                engine.stats.expired_stale_percent = engine.stats.expired_stale_percent * 0.95 + (
                    dead * 100 / seen * 0.05 if seen else 0
                )
                if budget <= 0 or engine.clock.spent_us() > deadline:
                    engine.stats.expired_time_cap_reached += 1
                    return
                if not seen or dead * 100 <= seen * acceptable:
                    break

    def _look(self, database: Database, wanted: int) -> tuple[int, int]:
        """Walk on over about `wanted` keys; returns how many were seen, and how many of them were dead."""
        seen = dead = 0
        for _ in range(wanted * 20):  # buckets: most may be empty
            database.expiry_cursor, keys = database.expiring.scan(database.expiry_cursor)
            for key in keys:
                if database.peek_expired(key):
                    database.expire(key)
                    self.engine.end_unit()
                    dead += 1
            seen += len(keys)
            if seen >= wanted or not database.expiry_cursor:
                break
        return seen, dead
