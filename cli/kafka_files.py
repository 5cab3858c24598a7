"""`mini kafka dump-log FILE...` and `mini kafka show Produce 9`: what stands on the disk, and how messages are read."""

from pathlib import Path

import click

from durable.real_disk import RealDisk
from minikafka.log.dump import DumpOptions, dump_file
from minikafka.wire.show import show as show_message
from minikafka.wire.types import WireError

DUMP_EPILOG = """
\b
Examples:
  mini kafka dump-log data/kafka/greetings-0/00000000000000000000.log --print-data-log
  mini kafka dump-log data/kafka/greetings-0/*.log data/kafka/greetings-0/*index
  mini kafka dump-log data/kafka/__consumer_offsets-3/*.log --offsets-decoder
"""


@click.command("dump-log", epilog=DUMP_EPILOG)
@click.argument("names", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--files", metavar="FILE,...", default="", help="The same, with commas between, as Kafka's tool has it.")
@click.option("--deep-iteration", "deep", is_flag=True, help="Also every record of each batch.")
@click.option("--print-data-log", "print_data", is_flag=True, help="Also keys, values and headers.")
@click.option("--offsets-decoder", "offsets", is_flag=True, help="The records are those of __consumer_offsets.")
@click.option("--verify-index-only", "quiet", is_flag=True, help="Only what is wrong.")
def dump_log(names: tuple[Path, ...], files: str, deep: bool, print_data: bool, offsets: bool, quiet: bool) -> None:
    """Print segments, indexes and snapshots, ours or Kafka's, and what is wrong with them.

    Exit code 1 when something is.
    """
    paths = [*names, *(Path(each) for each in files.split(",") if each)]
    if not paths:
        raise click.UsageError("name the files to read")
    options = DumpOptions(deep=deep, print_data=print_data, offsets=offsets, quiet=quiet)
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise click.ClickException(f"there is no file {', '.join(missing)}")
    faults = 0
    for path in paths:
        try:
            faults += dump_file(RealDisk(), str(path), click.echo, options)
        except OSError as error:
            raise click.ClickException(f"{path}: {error.strerror or error}") from None
        except ValueError as error:
            raise click.ClickException(f"{path}: {error}") from None
    if faults:
        raise click.ClickException(f"{faults} fault{'s' * (faults > 1)} found")


@click.command()
@click.argument("message")
@click.argument("version", type=int)
def show(message: str, version: int) -> None:
    """Print the functions that are generated to read and write a MESSAGE of the protocol in a VERSION.

    MESSAGE is the name of an API or its number (Produce, 0), or one of its two messages (ProduceRequest).
    """
    try:
        click.echo(show_message(message, version))
    except WireError as error:
        raise click.ClickException(str(error)) from None
