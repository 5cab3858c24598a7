"""A whole program on the line protocol of peers.py: `python -m tests.serving.line_server --port 0`."""

import asyncio
import sys

from serving.config import Option, Table
from serving.kinds import Choice, Flag, Integer, Text, Words
from serving.listener import Listener, Tcp
from serving.logs import LEVELS
from serving.open_connections import OpenConnections
from serving.our_options import OUR_OPTIONS
from serving.program import Program, StartError, StopRefused, main
from serving.readers import read_redis_conf
from tests.serving.peers import Lines

OPTIONS = Table(
    [
        Option("bind", Words, "127.0.0.1"),
        Option("port", Integer, 0, "Port.", minimum=0, maximum=65535),
        Option("loglevel", Choice, "notice", choices=("debug", "verbose", "notice", "warning")),
        Option("logfile", Text, ""),
        Option("io-threads", Integer, 1, effect=False),
        Option("refuse-stop", Flag, False, "Refuse the first stop."),
        Option("hang", Choice, "no", "Never end this step.", choices=("no", "start", "stop")),
        Option("fail", Choice, "no", choices=("no", "start", "bug", "vital", "stop")),
        *OUR_OPTIONS,
    ]
)


class LineServer:
    def __init__(self, process):
        self.process, self.settings = process, process.settings
        self.connections = OpenConnections()
        self.listener = Listener(lambda: Lines(self.connections))
        self.refusals = int(self.settings.refuse_stop)

    def addresses(self):
        return self.listener.addresses

    async def start(self):
        match self.settings.fail:
            case "start":
                raise StartError("data.file, byte 17: damaged")
            case "bug":
                raise RuntimeError("a bug")
            case "vital":
                self.process.background.start(self.fail(), "heart", vital=True)
        await self.listener.start([Tcp(host, self.settings.port) for host in self.settings.bind])
        if self.settings.hang == "start":
            print("hanging", flush=True)
            await asyncio.Event().wait()

    async def fail(self):
        raise RuntimeError("the heart stopped")

    async def stop(self):
        if self.refusals:
            self.refusals -= 1
            raise StopRefused("the save failed")
        self.listener.stop_accepting()
        await self.connections.stop(self.settings.drain_seconds)
        if self.settings.hang == "stop":
            await asyncio.Event().wait()
        if self.settings.fail == "stop":
            raise RuntimeError("a late bug")

    def reload(self):
        print("reloaded", flush=True)


LINE_SERVER = Program(
    name="lines",
    version="lines 1.0",
    usage="lines [lines.conf] [--option value ...]",
    table=OPTIONS,
    read_file=read_redis_conf,
    environment="MINI_LINES_",
    build=LineServer,
    log_level=lambda settings: LEVELS[settings.loglevel],
    log_file=lambda settings: settings.logfile,
)

if __name__ == "__main__":
    sys.exit(main(LINE_SERVER, sys.argv[1:]))
