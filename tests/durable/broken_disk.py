"""A file that fails when told to: what no healthy machine shows."""

import asyncio
import errno

from durable.disk import DiskError


class BrokenFile:
    """Keeps its bytes; `room` bounds them, `fsync_fails` and `truncate_fails` say what they say.

    Each fsync ends when `release` is called, so a test decides what happens in between.
    """

    def __init__(self, room=None):
        self.path = "broken"
        self.content = bytearray()
        self.room = room
        self.fsync_fails = self.truncate_fails = False
        self.running = []

    def append(self, data):
        room = len(data) if self.room is None else self.room - len(self.content)
        if room <= 0 < len(data):
            raise DiskError(errno.ENOSPC, "No space left on device", self.path)
        self.content += data[:room]
        return min(room, len(data))

    def pread(self, size, position):
        return bytes(self.content[position : position + size])

    def size(self):
        return len(self.content)

    def truncate(self, size):
        if self.truncate_fails:
            raise DiskError(errno.EIO, "Input/output error", self.path)
        del self.content[size:]

    def fsync(self):
        done = asyncio.get_running_loop().create_future()
        self.running.append(done)
        return done

    async def release(self):
        done = self.running.pop(0)
        if self.fsync_fails:
            done.set_exception(DiskError(errno.EIO, "Input/output error", self.path))
        else:
            done.set_result(None)
        await asyncio.sleep(0)

    def fsync_now(self):
        if self.fsync_fails:
            raise DiskError(errno.EIO, "Input/output error", self.path)

    def close(self):
        pass
