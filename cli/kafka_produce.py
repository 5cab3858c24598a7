"""`mini kafka produce TOPIC`: each line of the input becomes a record, as with kafka-console-producer.

Lines are read by a thread of their own, which waits when the producer's buffer is full; it may be left behind in the
middle of a read when Ctrl-C ends the program.
"""

import asyncio
import os
import queue
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import click

from cli.kafka_client import PATIENCE_S, bootstrap_option, setting, text_of, with_cluster
from minikafka.client.cluster import Address, Cluster
from minikafka.client.producer import Producer, ProducerSettings, Promise
from minikafka.records.compression import Codec
from minikafka.wire.errors import KafkaError
from serving.clock import SystemClock

READ_BYTES = 64 * 1024
PIECES_AHEAD = 16
ACKS = {"all": -1, "-1": -1, "1": 1, "0": 0}

EPILOG = """
\b
Examples:
  mini kafka produce greetings                                  then type; Ctrl-D ends
  mini kafka produce greetings < file
  echo 'alice:hello' | mini kafka produce greetings --key-separator :
  seq 1000000 | mini kafka produce numbers --codec lz4 --acks 1
"""


@click.command(epilog=EPILOG)
@click.argument("topic")
@bootstrap_option
@click.option("--key-separator", metavar="TEXT", help="What stands before it is the record's key.")
@click.option("--null-marker", metavar="TEXT", help="A key or value of just this text is null.")
@click.option("--header", "headers", type=setting, metavar="KEY=VALUE", multiple=True, help="A header of every record.")
@click.option("--partition", type=click.IntRange(min=0), help="Write there, whatever the key.")
@click.option(
    "--acks",
    type=click.Choice(list(ACKS)),
    default="all",
    show_default=True,
    help="Who must have a record before it counts as written.",
)
@click.option(
    "--codec",
    type=click.Choice([codec.name.lower() for codec in Codec]),
    default="none",
    show_default=True,
    help="How batches are compressed.",
)
@click.option(
    "--idempotent/--not-idempotent",
    default=None,
    help="Number batches, so that none is written twice.  [default: with --acks all]",
)
@click.option(
    "--linger-ms", type=click.IntRange(min=0), default=5, show_default=True, help="How long a record waits for company."
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16384,
    show_default=True,
    help="Bytes at which a batch leaves at once.",
)
@click.option(
    "--request-timeout-ms",
    type=click.IntRange(min=1),
    default=30_000,
    show_default=True,
    help="How long an answer may take.",
)
@click.option(
    "--delivery-timeout-ms",
    type=click.IntRange(min=1),
    default=120_000,
    show_default=True,
    help="How long all attempts may take.",
)
def produce(
    topic: str,
    bootstrap: list[Address],
    key_separator: str | None,
    null_marker: str | None,
    headers: tuple[tuple[str, str], ...],
    partition: int | None,
    acks: str,
    codec: str,
    idempotent: bool | None,
    linger_ms: int,
    batch_size: int,
    request_timeout_ms: int,
    delivery_timeout_ms: int,
) -> None:
    """Write lines from the input to TOPIC, a record each."""
    everyone = ACKS[acks] == -1
    if idempotent and not everyone:
        raise click.UsageError("--idempotent needs --acks all: the log that counts the batches must not be lost")
    settings = ProducerSettings(
        acks=ACKS[acks],
        codec=Codec[codec.upper()],
        idempotent=everyone if idempotent is None else idempotent,
        linger_ms=linger_ms,
        batch_bytes=batch_size,
        request_timeout_ms=request_timeout_ms,
        delivery_timeout_ms=delivery_timeout_ms,
    )
    encoded = [(name, value.encode()) for name, value in headers]
    separator = key_separator.encode() if key_separator is not None else None
    null = null_marker.encode() if null_marker is not None else None
    failures: dict[str, int] = {}

    def settled(promise: Promise) -> None:
        error = promise.exception()
        if isinstance(error, KafkaError):
            failures[text_of(error)] = failures.get(text_of(error), 0) + 1

    async def work(cluster: Cluster) -> None:
        await cluster.topic(topic, PATIENCE_S)
        async with Producer(cluster, SystemClock(), settings) as producer:
            number = 0
            async for lines in pieces():
                for line in lines:
                    number += 1
                    try:
                        key, value = parted(line, separator, number)
                    except click.ClickException:
                        await producer.flush()  # what came before it
                        raise
                    promise = await producer.send(
                        topic,
                        None if value == null else value,
                        key=None if key == null else key,
                        partition=partition,
                        headers=encoded,
                    )
                    promise.add_done_callback(settled)

    with_cluster(bootstrap, work, auto_create=True)
    for text, count in failures.items():
        click.echo(f"{count} record{'s' * (count > 1)} not written: {text}", err=True)
    if failures:
        sys.exit(1)


def parted(line: bytes, separator: bytes | None, number: int) -> tuple[bytes | None, bytes]:
    """Key and value of a line.  Raises click.ClickException for one without the separator, as Kafka does."""
    if separator is None:
        return None, line
    key, found, value = line.partition(separator)
    if not found:
        raise click.ClickException(f"No key separator found on line number {number}: {line.decode(errors='replace')}")
    return key, value


async def pieces() -> AsyncIterator[list[bytes]]:
    """The lines of the input as they come, some at a time, without their ends."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    read_ahead: queue.Queue[list[bytes] | None] = queue.Queue(PIECES_AHEAD)

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it the program
            for lines in lines_of_input():
                read_ahead.put(lines)
                loop.call_soon_threadsafe(news.set)
            read_ahead.put(None)
            loop.call_soon_threadsafe(news.set)

    threading.Thread(target=read, daemon=True, name="input").start()
    while True:
        await news.wait()
        news.clear()
        while not read_ahead.empty():
            lines = read_ahead.get_nowait()
            if lines is None:
                return
            yield lines


def lines_of_input() -> Iterator[list[bytes]]:
    """Blocks until there is more."""
    read = reader()
    prompt = sys.stdin.isatty()
    rest = b""
    while True:
        if prompt:
            sys.stdout.write(">")
            sys.stdout.flush()
        data = read()
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        yield [line.removesuffix(b"\r") for line in lines]
    if rest:
        yield [rest]


def reader() -> Callable[[], bytes]:
    """Returns what has come, b"" at the end.

    From the descriptor where there is one: Python cannot end while a thread holds the lock of `sys.stdin`.
    """
    try:
        descriptor = sys.stdin.fileno()
    except OSError:
        return lambda: sys.stdin.buffer.read(READ_BYTES)
    return lambda: os.read(descriptor, READ_BYTES)
