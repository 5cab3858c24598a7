"""`mini chaos run DRILL`: a scenario against real processes."""

import sys

import click

from lab import chaos as lab_chaos
from lab.child import ChildError
from lab.peers import PeerMissing


@click.group()
def chaos() -> None:
    """Break real processes and check what they promised."""


@chaos.command("list")
def list_drills() -> None:
    """What can be run."""
    for drill in lab_chaos.DRILLS.values():
        click.echo(f"{drill.name:22} {drill.doc}")


@chaos.command()
@click.argument("drill", type=click.Choice(sorted(lab_chaos.DRILLS)), metavar="DRILL")
@click.option("--rounds", type=click.IntRange(min=1), help="How many faults; the drill's own number when not given.")
@click.option("--seed", default=1, show_default=True, help="Fixes what is written and when we strike.")
@click.option("--real", is_flag=True, help="Against Debian's redis-server: shows that the checker is fair.")
def run(drill: str, rounds: int | None, seed: int, real: bool) -> None:
    """Run one drill, and report what was acknowledged, lost, and out of reach."""
    try:
        report = lab_chaos.run(lab_chaos.DRILLS[drill], rounds=rounds, seed=seed, real=real, note=click.echo)
    except (ChildError, PeerMissing) as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join(["", *lab_chaos.report_lines(report)]))
    click.echo("kept every promise" if not report.violations else "BROKEN: see the violations above")
    sys.exit(1 if report.violations else 0)
