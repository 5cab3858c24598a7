"""`mini up`, and from a second terminal `mini ps|start|stop|kill|pause|resume`."""

import asyncio
import sys
from pathlib import Path

import click

from lab import control
from lab.servers import SERVERS
from lab.supervisor import Supervisor, table

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data"),
    show_default=True,
    help="The folder that holds the servers' files, logs and the control socket.",
)


@click.command()
@data_option
@click.option(
    "--port",
    "ports",
    multiple=True,
    metavar="NAME=PORT",
    help="Start NAME on PORT, or the next free one; 0 lets the kernel choose.  May be repeated.",
)
def up(data: Path, ports: tuple[str, ...]) -> None:
    """Start every server there is, say where to connect, and stop them on Ctrl-C."""

    async def run() -> int:
        return await Supervisor(data, ports=parsed(ports), say=say).run()

    try:
        sys.exit(asyncio.run(run()))
    except control.AlreadyRunning as error:
        raise click.ClickException(str(error)) from None


def say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()  # also when the output is a file or a pipe


def parsed(ports: tuple[str, ...]) -> dict[str, int]:
    """NAME=PORT words as a dict.  Raises click.BadParameter."""
    names = [server.name for server in SERVERS]
    wanted = {}
    for word in ports:
        name, _, number = word.partition("=")
        if name not in names or not number.isdecimal() or int(number) > 65535:
            raise click.BadParameter(
                f"{word!r} is not NAME=PORT with NAME one of {', '.join(names)}", param_hint="--port"
            )
        wanted[name] = int(number)
    return wanted


@click.command()
@data_option
def ps(data: Path) -> None:
    """Show the servers of a running `mini up`."""
    click.echo("\n".join(table(asked(data, "ps")["servers"])))


def action(name: str, doc: str) -> click.Command:
    @click.command(name, help=doc)
    @click.argument("server", metavar="NAME")
    @data_option
    def command(server: str, data: Path) -> None:
        answer = asked(data, name, server)
        if not answer["ok"]:
            raise click.ClickException(answer["text"])
        click.echo(answer["text"])

    return command


def asked(data: Path, what: str, server: str = "") -> control.Answer:
    try:
        return control.ask(data, what, server)
    except control.NotRunning as error:
        raise click.ClickException(str(error)) from None


start = action("start", "Start a server that was stopped, was killed or died.")
stop = action("stop", "Stop a server in order: SIGTERM, and SIGKILL when it does not comply.")
kill = action("kill", "Kill a server with SIGKILL: no goodbye, no flush.")
pause = action("pause", "Freeze a server with SIGSTOP: connections stay, answers do not come.")
resume = action("resume", "Let a frozen server go on (SIGCONT).")
