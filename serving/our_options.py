"""Options that every server of ours has and no original does: they stand in each table, marked `ours`."""

from serving.config import Option
from serving.kinds import Choice, Integer, Seconds, Text

OUR_OPTIONS = [
    Option(
        "log-format",
        Choice,
        "human",
        "How a log line looks: for people, or an object of JSON on each.",
        choices=("human", "json"),
        mutable=False,
        ours=True,
    ),
    Option(
        "admin-port",
        Integer,
        0,
        "Port of /metrics and /health; 0 means none.",
        minimum=0,
        maximum=65535,
        mutable=False,
        ours=True,
    ),
    Option("admin-bind", Text, "127.0.0.1", "Address of the admin port.", mutable=False, ours=True),
    Option(
        "ready-file",
        Text,
        "",
        "A file that appears when clients can connect, says where, and goes away in the end.",
        mutable=False,
        ours=True,
    ),
    Option(
        "drain-seconds",
        Seconds,
        5,
        "How long a shutdown waits for clients to take what was written for them.",
        minimum=0,
        maximum=3600,
        ours=True,
    ),
]
