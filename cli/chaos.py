"""`mini chaos run DRILL`: a scenario against real processes.

Which drills there are is said by the lab, a module for each server; each has DRILLS, run(), report_lines(), and the names
of those options below that mean something to it.
"""

import sys
from types import ModuleType
from typing import Any

import click

from lab import chaos as redis_chaos
from lab import kafka_chaos
from lab.child import ChildError
from lab.peers import PeerMissing

SERVERS: dict[ModuleType, tuple[str, ...]] = {
    redis_chaos: ("rounds", "real"),
    kafka_chaos: ("seconds", "outage"),
}
DRILLS = {name: (lab, drill) for lab in SERVERS for name, drill in lab.DRILLS.items()}

EPILOG = """
\b
Examples:
  mini chaos run redis-kill9                      twenty times kill -9 under load
  mini chaos run kafka-kill-leader                two minutes, three brokers, leaders and controllers killed and frozen
  mini chaos run kafka-rolling-restart --seconds 30
"""


@click.group(epilog=EPILOG)
def chaos() -> None:
    """Break real processes and check what they promised."""


@chaos.command("list")
def list_drills() -> None:
    """What can be run."""
    for name, (_, drill) in DRILLS.items():
        click.echo(f"{name:26} {drill.doc}")


@chaos.command()
@click.argument("drill", type=click.Choice(sorted(DRILLS)), metavar="DRILL")
@click.option(
    "--rounds", type=click.IntRange(min=1), help="How many faults (redis); the drill's own number without it."
)
@click.option("--seconds", type=click.FloatRange(min=1), help="For how long faults begin (kafka); 120 without it.")
@click.option("--outage", type=float, help="Seconds that a partition may take nothing (kafka); 5 without it.")
@click.option("--seed", default=1, show_default=True, help="Fixes what is written and whom we strike.")
@click.option("--real", is_flag=True, help="Against Debian's redis-server (redis): shows that the checker is fair.")
def run(drill: str, seed: int, **options: Any) -> None:
    """Run one drill, and report what was acknowledged, lost, and out of reach."""
    lab, chosen = DRILLS[drill]
    given = {name: value for name, value in options.items() if value}
    for name in given:
        if name not in SERVERS[lab]:
            raise click.BadOptionUsage(name, f"--{name} means nothing to {drill}")
    try:
        report = lab.run(chosen, seed=seed, note=click.echo, **given)
    except (ChildError, PeerMissing) as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join(["", *lab.report_lines(report)]))
    click.echo("kept every promise" if not report.violations else "BROKEN: see the violations above")
    sys.exit(1 if report.violations else 0)
