"""`mini kafka ...`: start a broker or a cluster, and the tools that ask one.

`start` hands its arguments to minikafka as they stand, since kafka-server-start's way of naming properties is not click's
and the table of properties, `--help` included, is the server's.
"""

import sys
from importlib import import_module

import click


@click.group()
def kafka() -> None:
    """minikafka, an Apache Kafka 4.1: brokers, controllers, and tools."""


@kafka.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "allow_interspersed_args": False,
    },
    add_help_option=False,
    options_metavar="[server.properties] [--override key=value ...]",
)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="")
def start(argv: tuple[str, ...]) -> None:
    """Start a node in the foreground: broker, controller, or both."""
    node = import_module("minikafka.main")  # only now: `mini --help` need not wait for it
    sys.exit(node.main(list(argv)))
