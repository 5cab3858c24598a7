"""`mini kafka cluster --brokers 3`: several nodes on this machine, as child processes.

One stops in the order in which it would be done in earnest: one node after the other, each handing over what it leads.
"""

import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType

import click

from cli.kafka_client import setting
from lab.child import Child, ChildError, free_ports
from lab.kafka_nodes import PORTS_EACH, command_of, port_of, properties_of
from lab.kafka_peers import brokers_alive

READY_S = 60.0
STOP_S = 15.0
LOOK_S = 0.2

EPILOG = """
\b
Examples:
  mini kafka cluster                                    three brokers, on ports 9092, 9094 and 9096
  mini kafka cluster --brokers 1 --base-port 19092
  mini kafka cluster --override num.partitions=6 --override log.retention.hours=1
"""


@click.command(epilog=EPILOG)
@click.option("--brokers", type=click.IntRange(1, 9), default=3, show_default=True, help="How many nodes.")
@click.option(
    "--base-port", type=click.IntRange(1, 65500), default=9092, show_default=True, help="Of the first; each takes two."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data/kafka-cluster"),
    show_default=True,
    help="The folder of their data and logs.",
)
@click.option(
    "--override", "overrides", type=setting, metavar="KEY=VALUE", multiple=True, help="A property for all of them."
)
def cluster(brokers: int, base_port: int, data: Path, overrides: tuple[tuple[str, str], ...]) -> None:
    """Start several nodes, say where they listen, and stop them on Ctrl-C."""
    try:
        found = free_ports(base_port, PORTS_EACH * brokers)
    except ChildError:
        found = 0
    if found != base_port:
        last = base_port + PORTS_EACH * brokers - 1
        raise click.ClickException(f"a port from {base_port} to {last} is taken; choose another --base-port")
    ending = threading.Event()

    def end(_: int, frame: FrameType | None) -> None:
        if ending.is_set():
            raise KeyboardInterrupt  # the second time: do not wait
        ending.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
    children = []
    for number in range(1, brokers + 1):
        folder = (data / str(number)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        properties = properties_of(base_port, number, brokers, folder) | dict(overrides)
        children.append(Child(f"broker {number}", command_of(properties), data / f"{number}.log"))
    try:
        exit_code = run(children, base_port, data, ending)
    except KeyboardInterrupt:
        exit_code = 130
    finally:
        stop(children)
    sys.exit(exit_code)


def run(children: list[Child], base_port: int, data: Path, ending: threading.Event) -> int:
    """Start, wait, watch; returns the exit code."""
    ports = [port_of(base_port, number) for number in range(1, len(children) + 1)]
    for child in children:
        child.start()
    try:
        for child, port in zip(children, ports, strict=True):
            child.wait_ready(lambda port=port: ending.is_set() or brokers_alive(port) == len(children), READY_S)  # type: ignore[misc]
    except ChildError as error:
        click.echo(f"Error: {error}\nThe logs: {data}/*.log", err=True)
        return 1
    if ending.is_set():
        return 0
    for child, port in zip(children, ports, strict=True):
        click.echo(f"{child.name}: 127.0.0.1:{port}, pid {child.pid}")
    bootstrap = ",".join(f"127.0.0.1:{port}" for port in ports)
    click.echo(f"\nReady: --bootstrap-server {bootstrap}\nData and logs: {data}.  Ctrl-C stops all.")
    sys.stdout.flush()
    gone: set[str] = set()
    while not ending.wait(LOOK_S):
        for child in children:
            if not child.running and child.name not in gone:
                gone.add(child.name)
                click.echo(f"{child.name} ended, exit code {child.exit_code}; its log: {child.log}", err=True)
        if len(gone) == len(children):
            return 1
    return 0


def stop(children: list[Child]) -> None:
    """One after the other; a second Ctrl-C ends the rest at once."""
    try:
        for child in reversed(children):
            if child.running:
                click.echo(f"{child.name}: stopping ...")
                child.stop(STOP_S)
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            for child in children:
                child.kill()
    if children:
        click.echo("all stopped")
