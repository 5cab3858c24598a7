"""A sketch of a Redis with an append-only file, for the scenario to judge: small enough to see that it is right.

Its log is one record for each command or transaction; a reply leaves when fsync has covered all that it may depend on.
Each promise is kept in a method of its own, so that a test can break one by replacing it.
"""

import asyncio
import math
from collections import defaultdict

from lab.benchmarks.redis_floor import Reader
from scenarios.redis_model import Model
from scenarios.resp import ReplyError, encode

LOG = "log"
WRITES = {
    "SET",
    "APPEND",
    "INCRBY",
    "INCR",
    "RPUSH",
    "LPOP",
    "SADD",
    "SREM",
    "HSET",
    "HDEL",
    "ZADD",
    "ZINCRBY",
    "PEXPIREAT",
    "PERSIST",
    "DEL",
    "BLMOVE",
    "BLPOP",
    "SPOP",
    "EVAL",
}


class Sketch:
    """The server on one simulated host."""

    def __init__(self, host):
        self.disk = host.disk
        self.models = defaultdict(Model)
        self.leases = {}  # deadlines in milliseconds
        self.written = self.synced = 0
        self.syncing = asyncio.Lock()

    async def run(self, port=6379):
        self.load()
        self.file = self.disk.open(LOG, "a")
        self.make_durable_what_was_read()
        await asyncio.start_server(self.client, None, port)
        await asyncio.Event().wait()

    def load(self):
        data = self.disk.read(LOG) if self.disk.exists(LOG) else b""
        whole = 0
        for record in records(data):
            whole += len(encode(record))
            self.execute(int(record[0]), unpacked(record))
        self.cut_torn_tail(whole)

    def cut_torn_tail(self, whole):
        if self.disk.exists(LOG):
            self.disk.open(LOG, "a").truncate(whole)

    def make_durable_what_was_read(self):
        """What a killed process left in the page cache was loaded and will be shown: it must not vanish later."""
        self.file.fsync_now()
        self.disk.fsync_dir("")

    async def client(self, reader, writer):
        requests, database, queue = Reader(), 0, None
        try:
            while data := await reader.read(65536):
                replies = []
                for request in requests.receive(data):
                    name = request[0].decode()
                    if name == "SELECT":
                        database = int(request[1])
                        reply = b"OK"
                    elif name == "MULTI":
                        queue, reply = [], b"OK"
                    elif name == "EXEC":
                        reply, queue = self.unit(database, queue), None
                    elif queue is not None:
                        queue.append(tuple(request))
                        reply = b"QUEUED"
                    else:
                        (reply,) = self.unit(database, [tuple(request)])
                    replies.append(wire(reply))
                await self.when_durable(self.written)
                writer.write(b"".join(replies))
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    def unit(self, database, commands):
        now_ms = round(asyncio.get_running_loop().time() * 1000)
        commands = [  # deadlines are kept, not the time until them
            (*command[:3], b"PXAT", b"%d" % (now_ms + int(command[4]))) if command[3:4] == (b"PX",) else command
            for command in commands
        ]
        if any(command[0].decode() in WRITES for command in commands):
            record = [b"%d" % database]
            for command in commands:
                record += (b"%d" % len(command), *command)
            self.written += self.file.append(encode(record))
        return self.execute(database, commands)

    async def when_durable(self, position):
        async with self.syncing:
            if self.synced < position:
                covered = self.written
                await self.file.fsync()
                self.synced = covered

    def execute(self, database, commands):
        return [self.one(self.models[database], command) for command in commands]

    def one(self, model, command):
        name, *arguments = command
        keys = model.keys
        match name:
            case b"PING":
                return b"PONG"
            case b"BGREWRITEAOF" | b"BGSAVE":
                return ReplyError("ERR not in this sketch")
            case b"INCR":
                return model.apply((b"INCRBY", arguments[0], b"1"))
            case b"BLMOVE":
                job = model.apply((b"LPOP", arguments[0]))
                if job is not None:
                    model.apply((b"RPUSH", arguments[1], job))
                return job
            case b"BLPOP":
                value = model.apply((b"LPOP", arguments[0]))
                return None if value is None else [arguments[0], value]
            case b"SPOP":
                value = min(keys.get(arguments[0], ()), default=None)
                if value is not None:
                    model.apply((b"SREM", arguments[0], value))
                return value
            case b"SET" if len(arguments) == 4:
                keys[arguments[0]], self.leases[arguments[0]] = arguments[1], int(arguments[3])
                return b"OK"
            case b"GET" if self.leases.get(arguments[0], math.inf) <= asyncio.get_running_loop().time() * 1000:
                return None
            case b"KEYS":
                return sorted(key for key in keys if key.startswith(arguments[0][:-1]))
            case b"GET":
                return keys.get(arguments[0])
            case b"LRANGE":
                return list(keys.get(arguments[0], []))
            case b"SMEMBERS":
                return list(keys.get(arguments[0], set()))
            case b"HGETALL":
                return [part for item in keys.get(arguments[0], {}).items() for part in item]
            case b"ZRANGE":
                ranked = sorted(keys.get(arguments[0], {}).items(), key=lambda item: (item[1], item[0]))
                return [part for member, score in ranked for part in (member, b"%d" % score)]
            case b"PEXPIRETIME":
                return model.deadlines.get(arguments[0], -1) if arguments[0] in keys else -2
        return model.apply(command)


def records(data):
    """The whole records at the start of `data`."""
    reader = Reader()
    return [record for piece in [data] if piece for record in reader.receive(piece)]


def unpacked(record):
    commands, place = [], 1
    while place < len(record):
        count = int(record[place])
        commands.append(tuple(record[place + 1 : place + 1 + count]))
        place += 1 + count
    return commands


def wire(reply):
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(wire, reply))
    if isinstance(reply, ReplyError):
        return b"-%b\r\n" % str(reply).encode()
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    return b"$-1\r\n" if reply is None else b"$%d\r\n%b\r\n" % (len(reply), reply)
