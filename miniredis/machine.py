"""The process and the machine, as INFO tells of them and SHUTDOWN ends them.

The one file of miniredis that asks the operating system about itself; simulation and tests use `host.NoHost`.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from miniredis.host import ProcessFacts, ProcessUse, ShutdownWish
from serving.config import Settings

PAGE = os.sysconf("SC_PAGE_SIZE")


class Machine:
    """The Host of a real process."""

    def __init__(self, settings: Settings, config_file: str, shut_down: Callable[[ShutdownWish], bool]) -> None:
        self.settings = settings
        self._shut_down = shut_down
        self.facts = ProcessFacts(
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            process_id=os.getpid(),
            executable=sys.executable,
            config_file=config_file,
            system_memory=os.sysconf("SC_PHYS_PAGES") * PAGE,
        )

    def use(self) -> ProcessUse:
        """What the process takes now."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        thread = resource.getrusage(resource.RUSAGE_THREAD)
        return ProcessUse(
            resident_bytes=int(Path("/proc/self/statm").read_text().split()[1]) * PAGE,
            system_seconds=own.ru_stime,
            user_seconds=own.ru_utime,
            children_system_seconds=children.ru_stime,
            children_user_seconds=children.ru_utime,
            thread_system_seconds=thread.ru_stime,
            thread_user_seconds=thread.ru_utime,
        )

    def shut_down(self, wish: ShutdownWish) -> bool:
        return self._shut_down(wish)

    def stop_shutdown(self) -> bool:
        """There is nothing to take back: without replicas a shutdown waits for nobody."""
        return False

    def rewrite_config(self) -> None:
        """Bring the configuration file up to what is true now.  Raises OSError."""
        path = Path(self.facts.config_file)
        text = self.settings.rewrite(path.read_text(encoding="utf-8", errors="surrogateescape"))
        aside = path.with_name(f"{path.name}.{self.facts.process_id}")
        aside.write_text(text, encoding="utf-8", errors="surrogateescape")
        aside.replace(path)
