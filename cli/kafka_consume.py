"""`mini kafka consume TOPIC`: records become lines, as with kafka-console-consumer.

Alone it reads every partition and keeps nothing; with `--group` it shares them with the group's other members, and what
it has read is committed, so that the next one goes on from there.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

import click

from cli.kafka_client import PATIENCE_S, bootstrap_option, with_cluster
from minikafka.client.cluster import Address, Cluster
from minikafka.client.consumer import Consumed, Consumer, ConsumerSettings
from minikafka.client.group_consumer import GroupConsumer
from minikafka.client.group_member import MemberSettings
from minikafka.client.offsets import EARLIEST, LATEST

POLL_S = 60.0
"""How long to wait for records when nothing else ends it; news end it at once."""

EPILOG = """
\b
Examples:
  mini kafka consume greetings                                  what is written from now on
  mini kafka consume greetings --from-beginning --max-messages 10
  mini kafka consume greetings --partition 0 --offset 42 --print-offset --print-key
  mini kafka consume greetings --group readers --from-beginning
"""


@click.command(epilog=EPILOG)
@click.argument("topic")
@bootstrap_option
@click.option(
    "--from-beginning", is_flag=True, help="Begin at the oldest record; with --group, where it has no offset."
)
@click.option("--partition", type=click.IntRange(min=0), help="Read this one only.")
@click.option("--offset", metavar="OFFSET", help="With --partition: earliest, latest, or a number.")
@click.option("--group", metavar="NAME", help="Read as a member of this group.")
@click.option("--instance-id", metavar="NAME", help="With --group: be a static member of this name.")
@click.option(
    "--assignor",
    type=click.Choice(["range", "roundrobin"]),
    default="range",
    show_default=True,
    help="With --group: how the members share.",
)
@click.option("--max-messages", type=click.IntRange(min=1), help="End after so many.")
@click.option("--timeout-ms", type=click.IntRange(min=1), help="End when nothing came for so long.")
@click.option(
    "--isolation-level",
    type=click.Choice(["read_committed", "read_uncommitted"]),
    default="read_uncommitted",
    show_default=True,
    help="Whether to wait for the end of transactions.",
)
@click.option("--print-timestamp", is_flag=True)
@click.option("--print-partition", is_flag=True)
@click.option("--print-offset", is_flag=True)
@click.option("--print-headers", is_flag=True)
@click.option("--print-key", is_flag=True)
@click.option(
    "--key-separator", metavar="TEXT", default="\t", help="Between what is printed of a record.  [default: a tab]"
)
def consume(
    topic: str,
    bootstrap: list[Address],
    from_beginning: bool,
    partition: int | None,
    offset: str | None,
    group: str | None,
    instance_id: str | None,
    assignor: str,
    max_messages: int | None,
    timeout_ms: int | None,
    isolation_level: str,
    print_timestamp: bool,
    print_partition: bool,
    print_offset: bool,
    print_headers: bool,
    print_key: bool,
    key_separator: str,
) -> None:
    """Print the records of TOPIC as they come; Ctrl-C ends."""
    if offset is not None and partition is None:
        raise click.UsageError("--offset is one partition's: name it with --partition")
    if group is not None and partition is not None:
        raise click.UsageError("a member of a group is given its partitions: either --group or --partition")
    if offset is not None and from_beginning:
        raise click.UsageError("either --offset or --from-beginning")
    start = begin(offset, from_beginning)
    settings = ConsumerSettings(
        reset=EARLIEST if from_beginning else LATEST, read_committed=isolation_level == "read_committed"
    )
    line = formatter(
        [
            (print_timestamp, lambda record: f"{record.timestamp_type}:{record.timestamp_ms}".encode()),
            (print_partition, lambda record: b"Partition:%d" % record.partition),
            (print_offset, lambda record: b"Offset:%d" % record.offset),
            (print_headers, headers_of),
            (print_key, lambda record: text(record.key)),
            (True, lambda record: text(record.value)),
        ],
        key_separator.encode(),
    )
    count = 0

    async def work(cluster: Cluster) -> None:
        nonlocal count
        known = await cluster.topic(topic, PATIENCE_S)
        async with AsyncExitStack() as stack:
            consumer: Consumer
            if group is not None:
                member = MemberSettings(assignors=(assignor,), instance_id=instance_id)
                consumer = await stack.enter_async_context(GroupConsumer(cluster, group, [topic], settings, member))
            else:
                consumer = await stack.enter_async_context(Consumer(cluster, settings))
                partitions = range(len(known.partitions)) if partition is None else [partition]
                await consumer.assign({(topic, index): start for index in partitions})
            loop = asyncio.get_running_loop()
            while max_messages is None or count < max_messages:
                most = 500 if max_messages is None else min(500, max_messages - count)
                asked = loop.time()
                records = await consumer.poll(POLL_S if timeout_ms is None else timeout_ms / 1000, most)
                sys.stdout.buffer.write(b"".join([line(record) for record in records]))
                sys.stdout.buffer.flush()
                count += len(records)
                if not records and timeout_ms is not None and loop.time() - asked >= timeout_ms / 1000:
                    return

    try:
        with_cluster(bootstrap, work)
    finally:
        click.echo(f"Processed a total of {count} messages", err=True)


def begin(offset: str | None, from_beginning: bool) -> int:
    """Where to start.  Raises click.BadParameter."""
    if offset is None:
        return EARLIEST if from_beginning else LATEST
    if offset in ("earliest", "latest"):
        return EARLIEST if offset == "earliest" else LATEST
    if not offset.isdecimal():
        raise click.BadParameter(f"{offset!r} is none of earliest, latest, or a number", param_hint="--offset")
    return int(offset)


def formatter(columns: list[tuple[bool, Callable[[Consumed], bytes]]], separator: bytes) -> Callable[[Consumed], bytes]:
    """A record as a line of the wanted columns, in the order in which kafka-console-consumer prints them."""
    wanted = [column for is_wanted, column in columns if is_wanted]
    return lambda record: separator.join([column(record) for column in wanted]) + b"\n"


def headers_of(record: Consumed) -> bytes:
    """name:value,name:value"""
    return b",".join(name.encode() + b":" + text(value) for name, value in record.headers) or b"NO_HEADERS"


def text(data: bytes | None) -> bytes:
    return b"null" if data is None else data
