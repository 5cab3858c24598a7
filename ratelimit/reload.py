"""A file of rules that may change while it is used.

Somebody saves the file, or sends SIGHUP: the new rules replace the old ones whole, between two requests.  State stays
where rules stay: keys carry the rule's name and its limit, so an untouched rule goes on counting, and a changed one
begins afresh.  A file with a mistake changes nothing: the old rules go on, and the log says what is wrong and where.

Whether the file changed is seen from its time, size and number, looked at once a second at most: no watcher, no thread,
and it works on every file system.  An editor that writes aside and renames is seen as well as one that overwrites; a
half-written file is a bad one, and read again when the rest has come.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ratelimit.memory_store import MemoryStore
from ratelimit.rules import RuleSet
from ratelimit.rules_file import RulesError, read_rules
from serving.clock import steady_ms

logger = logging.getLogger("ratelimit")

LOOK_MS = 1000


def read_text(path: str) -> str:
    """Raises OSError."""
    return Path(path).read_text(encoding="utf-8", errors="replace")


def signature(path: str) -> Any:
    """What changes when the file does; None when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class RulesFile:
    """The rules of a file as they are now.

    rules     replaced as a whole
    loaded    how often rules were read and taken;  refused: how often a changed file was not
    trouble   what is wrong with the file as it is now, or None
    """

    def __init__(
        self,
        path: str,
        *,
        now_ms: Callable[[], int] = steady_ms,
        read: Callable[[str], str] = read_text,
        sign: Callable[[str], Any] = signature,
    ) -> None:
        """Raises RulesError, OSError: the first time there are no older rules to go on with."""
        self.path, self._now_ms, self._read, self._sign = path, now_ms, read, sign
        self._signature = sign(path)
        self.rules: RuleSet = read_rules(read(path), os.path.basename(path))
        self.loaded, self.refused = 1, 0
        self.trouble: str | None = None
        self._look_at_ms = now_ms() + LOOK_MS
        self._listeners: list[Callable[[RuleSet, RuleSet], None]] = []

    def on_change(self, listener: Callable[[RuleSet, RuleSet], None]) -> None:
        """Call `listener(before, now)` whenever new rules are taken."""
        self._listeners.append(listener)

    def keep_small(self, store: MemoryStore) -> None:
        """Let `store` forget limits that no rule has had for two generations: one, so that an edit can be undone."""
        self.on_change(
            lambda before, now: store.keep_only({one.limit for rules in (before, now) for one in rules.policies()})
        )

    def current(self) -> RuleSet:
        """The rules; looks at the file when the last look is a second ago."""
        if self._now_ms() >= self._look_at_ms:
            self.look()
        return self.rules

    def look(self) -> bool:
        """Reload if the file has changed; whether new rules were taken."""
        self._look_at_ms = self._now_ms() + LOOK_MS
        return self._sign(self.path) != self._signature and self.reload()

    def reload(self) -> bool:
        """Read the file now; whether its rules were taken."""
        self._signature = self._sign(self.path)  # before reading: a change in between is then seen by the next look
        try:
            rules = read_rules(self._read(self.path), os.path.basename(self.path))
        except (RulesError, OSError) as error:
            self.trouble = f"{self.path}: {error.strerror}" if isinstance(error, OSError) else str(error)
            self.refused += 1
            logger.error("The old rules stay, the new ones are not good:\n%s", self.trouble)
            return False
        before, self.rules, self.trouble = self.rules, rules, None
        self.loaded += 1
        for listener in self._listeners:
            listener(before, rules)
        logger.info("New rules from %s: %d", self.path, len(rules.rules))
        return True
