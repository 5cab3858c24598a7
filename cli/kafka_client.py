"""What the tools of `mini kafka` share: the option that says where the cluster is, and how failures are told.

Exit codes: 0 done, 1 the cluster refused or cannot be reached, 2 the command line makes no sense, 130 Ctrl-C.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from random import Random, SystemRandom
from typing import Any, TypeVar

import click

from minikafka.client.cluster import Address, Cluster, Timeouts, parse_bootstrap
from minikafka.wire.errors import KafkaError

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

INTERRUPTED = 130
PATIENCE_S = 3.0
"""How long a topic may take to appear: it may have been created a moment ago, or by the asking."""


def addresses(text: str) -> list[Address]:
    """host:port, several with commas between, for an option's `type`."""
    try:
        return parse_bootstrap(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def setting(text: str) -> tuple[str, str]:
    """key=value, for an option's `type`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is not key=value")
    return key, value


def bootstrap_option(command: Command) -> Command:
    """`--bootstrap-server`, the same for all."""
    option = click.option(
        "--bootstrap-server",
        "bootstrap",
        type=addresses,
        metavar="HOST:PORT,...",
        default="127.0.0.1:9092",
        show_default=True,
        help="Brokers to ask first; one that answers is enough.",
    )
    return option(command)


def with_cluster(bootstrap: list[Address], work: Callable[[Cluster], Awaitable[T]], *, auto_create: bool = False) -> T:
    """What `work` returns, given a cluster.  Failures end the program with a line on stderr."""

    async def run() -> T:
        cluster = Cluster(
            bootstrap,
            Random(SystemRandom().getrandbits(64)),
            client_id="mini-kafka",
            timeouts=Timeouts(dial=5.0, request=30.0, total=30.0),
            auto_create=auto_create,
        )
        async with cluster:
            return await work(cluster)

    try:
        return asyncio.run(run())
    except KafkaError as error:
        raise click.ClickException(text_of(error)) from None
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def text_of(error: KafkaError) -> str:
    """The error's name, so that it can be looked up, and what the broker says about it."""
    return f"{error.code.name}: {error}"
