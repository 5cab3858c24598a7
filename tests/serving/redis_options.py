"""An excerpt of Redis's own table: enough kinds and oddities to try the table with."""

from serving.config import Option, Table
from serving.kinds import Choice, Choices, Flag, Integer, Memory, MemoryOrPercent, Octal, Seconds, Text, Words

CLASSES = ("normal", "slave", "pubsub")


class SavePoints(Words):
    """`save 60 1000`: after 60 seconds, if 1000 keys changed.  The value is pairs."""

    def parse(self, words, option):
        numbers = super().parse(words, option)
        if len(numbers) % 2 or not all(number.isdecimal() for number in numbers):
            raise ValueError("Invalid save parameters")
        return tuple(zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True))

    def text(self, value):
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)

    def lines(self, value):
        return [f"{seconds} {changes}" for seconds, changes in value] or ['""']

    def repeat(self, before, given):
        return before + given if given else ()


class BufferLimits(Words):
    """`client-output-buffer-limit normal 0 0 0`: classes that are not named keep theirs."""

    def parse(self, words, option):
        words = super().parse(words, option)
        if len(words) % 4:
            raise ValueError("Wrong number of arguments in buffer limit configuration.")
        limits = {}
        for name, hard, soft, seconds in zip(*[iter(words)] * 4, strict=True):
            if name.lower() not in CLASSES:
                raise ValueError("Invalid client class specified in buffer limit configuration.")
            limits[name.lower()] = (Memory().read(hard, option), Memory().read(soft, option), int(seconds))
        return limits

    def amend(self, before, given):
        return {**before, **given}

    def text(self, value):
        return " ".join(f"{name} {hard} {soft} {seconds}" for name, (hard, soft, seconds) in value.items())

    def lines(self, value):
        return [f"{name} {hard} {soft} {seconds}" for name, (hard, soft, seconds) in value.items()]


POLICIES = ("volatile-lru", "allkeys-lru", "noeviction")
OUTPUT_LIMITS = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"

REDIS = Table(
    [
        Option("port", Integer, 6379, "TCP port.", minimum=0, maximum=65535),
        Option("bind", Words, "* -::*", "Addresses to listen on."),
        Option("tcp-backlog", Integer, 511, mutable=False, minimum=0),
        Option("databases", Integer, 16, mutable=False, minimum=1, maximum=2**31 - 1),
        Option("timeout", Seconds, 0, "Close a client that is silent for so long.", minimum=0),
        Option("unixsocketperm", Octal, 0, mutable=False, maximum=0o777),
        Option("maxmemory", Memory, 0, "Bytes of data at most."),
        Option("maxmemory-clients", MemoryOrPercent, 0),
        Option("maxmemory-policy", Choice, "noeviction", choices=POLICIES),
        Option("maxmemory-samples", Integer, 5, minimum=1, maximum=2**31 - 1),
        Option("appendonly", Flag, False),
        Option("appendfsync", Choice, "everysec", choices=("everysec", "always", "no")),
        Option("dir", Text, ".", protected=True),
        Option("requirepass", Text, "", secret=True),
        Option("save", SavePoints, "3600 1 300 100 60 10000", multiple=True),
        Option("client-output-buffer-limit", BufferLimits, OUTPUT_LIMITS),
        Option("shutdown-on-sigterm", Choices, "default", choices=("default", "save", "nosave", "now", "force")),
        Option("replica-read-only", Flag, True, aliases=("slave-read-only",)),
        Option("jemalloc-bg-thread", Flag, True, "Not our allocator.", effect=False),
        Option("rename-command", Words, "", hidden=True, multiple=True),
        Option("admin-port", Integer, 0, "Metrics over HTTP.", ours=True, mutable=False),
    ]
)
