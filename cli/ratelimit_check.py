"""`mini ratelimit check`: is a file of rules good, and what becomes of a request?

mini ratelimit check rules.toml                                every mistake, or what the rules are
mini ratelimit check rules.toml --path /login --times 7        what they would do, in a memory of its own
mini ratelimit check --path /login                             what the running service does; it counts
"""

import sys
from pathlib import Path
from typing import Any

import click

from cli.ratelimit_service import asked, url_option


@click.command()
@click.argument("rules", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@url_option
@click.option("--ip", help="The client's address.")
@click.option("--user", help="Who has signed in.")
@click.option("--path", help="What is asked for.")
@click.option("--method", help="GET, POST, ...")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="May be repeated.")
@click.option("--cost", type=click.IntRange(min=1), help="How much the request weighs.")
@click.option("--times", type=click.IntRange(1, 10_000), default=1, help="How often it is made.")
def check(
    rules: Path | None,
    url: str,
    ip: str | None,
    user: str | None,
    path: str | None,
    method: str | None,
    headers: tuple[str, ...],
    cost: int | None,
    times: int,
) -> None:
    """Ask a service, or the file RULES, about a request.  Ends with 1 when the last one was denied."""
    described = {"ip": ip, "user": user, "path": path, "method": method, "cost": cost, "headers": parsed(headers)}
    question = {name: value for name, value in described.items() if value}
    if rules is None:
        answers = (asked(url, "/check", question) for _ in range(times))
    elif question:
        answers = decided_here(rules, question, times)
    else:
        click.echo("\n".join(rows_of(rules)))
        return
    status = 200
    for status, answer in answers:
        click.echo(line(status, answer))
        if status in (400, 404):
            sys.exit(2)
    sys.exit(status != 200)


def parsed(headers: tuple[str, ...]) -> dict[str, str]:
    """NAME:VALUE words as a dict.  Raises click.BadParameter."""
    found = {}
    for word in headers:
        name, colon, value = word.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{word!r} is not NAME:VALUE", param_hint="--header")
        found[name.strip()] = value.strip()
    return found


def read(rules: Path) -> Any:
    """The file as a RuleSet.  Raises click.ClickException with every mistake in it."""
    from ratelimit.rules_file import RulesError, read_rules

    try:
        return read_rules(rules.read_text(encoding="utf-8", errors="replace"), str(rules))
    except RulesError as error:
        raise click.ClickException(str(error)) from None


def decided_here(file: Path, question: dict[str, Any], times: int) -> Any:
    """Status and answer, as the service would give them, from a fresh memory."""
    from ratelimit.answers import described
    from ratelimit.decision import CostTooHigh
    from ratelimit.memory_store import MemoryStore
    from ratelimit.questions import BadQuestion, asked_by

    rules, store = read(file), MemoryStore()
    for _ in range(times):
        try:
            verdict = rules.decide(asked_by(rules, question), store)
        except (BadQuestion, CostTooHigh) as error:
            raise click.ClickException(str(error)) from None
        yield (200 if verdict.allowed else 429), described(verdict)


def line(status: int, answer: dict[str, Any]) -> str:
    """One answer for people."""
    if "allowed" not in answer:
        return f"{status}  {answer.get('detail', '')}"
    if "rule" not in answer:
        words = "no rule speaks about it"
    elif answer["allowed"]:
        words = f"{answer['rule']}: {answer['remaining']} left"
    else:
        words = f"{answer['rule']}: again in {answer['retry_after_ms'] / 1000:g} s"
    if answer.get("delay_ms"):
        words += f", after a wait of {answer['delay_ms']} ms"
    would = [one["rule"] for one in answer.get("shadow", ()) if not one["allowed"]]
    return f"{status}  {words}" + (f"; {', '.join(would)} would deny it" if would else "")


def rows_of(file: Path) -> list[str]:
    """What a good file says, a line each."""
    rules = read(file)
    policies = [(rule, policy) for rule in rules.rules for policy in rule.policies]
    policies += [(rule, policy) for rule in rules.rules for route in rule.routes for policy in route.policies]
    head = ("policy", "who", "limit", "algorithm", "notes")
    rows = [head]
    for rule, policy in policies:
        notes = ["shadow"] * rule.shadow + [f"fails {rule.on_failure}"] * (rule.on_failure != "open")
        who = "+".join(rule.who.names) or "everyone"
        rows.append((policy.name, who, str(policy.limit), policy.limit.algorithm, ", ".join(notes)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [f"{file}: good", *lines]
