"""Open files, no more than a limit: a thousand partitions need not be a thousand descriptors.

A segment asks for its file at each use and keeps no hold on it; the file used longest ago is closed when the limit is
reached, and opened again when somebody asks.  One of these serves all logs of a broker.
"""

from collections import OrderedDict

from durable.disk import Disk, File

LIMIT = 512  # beside sockets, this stays below the 1024 descriptors that a process has by default


class OpenFiles:
    """Files open for appending and reading, by path."""

    def __init__(self, disk: Disk, limit: int = LIMIT) -> None:
        self.disk = disk
        self.limit = limit
        self._open: OrderedDict[str, File] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def get(self, path: str) -> File:
        """The file at `path`, made when there is none.  Valid until the next call.  Raises OSError."""
        file = self._open.get(path)
        if file is None:
            file = self._open[path] = self.disk.open(path, "a")
            if len(self._open) > self.limit:
                self._open.popitem(last=False)[1].close()
        else:
            self._open.move_to_end(path)
        return file

    def close(self, path: str) -> None:
        """Let go of the file at `path`, which is to be renamed, replaced or left."""
        file = self._open.pop(path, None)
        if file is not None:
            file.close()

    def close_all(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
