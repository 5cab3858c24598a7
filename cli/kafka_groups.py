"""`mini kafka groups list|describe|delete|reset-offsets|delete-offsets`: as kafka-consumer-groups.sh.

The lag of a partition is what has been written and not yet committed as read: the first thing to look at when a consumer
seems slow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import click

from cli.kafka_client import bootstrap_option, text_of, with_cluster
from minikafka.client import admin
from minikafka.client.cluster import Address, Cluster
from minikafka.client.group_member import decode_share
from minikafka.client.offsets import EARLIEST, LATEST, Place, find_offsets
from minikafka.wire.errors import ErrorCode, KafkaError
from serving.clock import SystemClock

EPILOG = """
\b
Examples:
  mini kafka groups list --state
  mini kafka groups describe readers
  mini kafka groups describe readers --members
  mini kafka groups reset-offsets readers --topic orders --to-earliest --dry-run
  mini kafka groups reset-offsets readers --all-topics --shift-by -10 --execute
  mini kafka groups delete readers
"""

INACTIVE = ("Empty", "Dead")


@click.group(epilog=EPILOG)
def groups() -> None:
    """Consumer groups: who reads what, and how far they have got."""


@groups.command("list")
@bootstrap_option
@click.option("--state", "with_state", is_flag=True, help="Show the state of each.")
def list_groups(bootstrap: list[Address], with_state: bool) -> None:
    """Print the names of all groups."""
    found = with_cluster(bootstrap, admin.list_groups)
    if with_state:
        rows = [[group.group_id, group.group_state] for group in found]
        print_table(["GROUP", "STATE"], rows)
    else:
        for group in found:
            click.echo(group.group_id)


@groups.command()
@click.argument("names", metavar="[GROUP]...", nargs=-1)
@bootstrap_option
@click.option("--all-groups", is_flag=True)
@click.option(
    "--offsets", "what", flag_value="offsets", default=True, help="Offsets and lag of each partition.  [default]"
)
@click.option("--members", "what", flag_value="members", help="The members and what they read.")
@click.option("--state", "what", flag_value="state", help="State, coordinator, number of members.")
def describe(names: tuple[str, ...], bootstrap: list[Address], all_groups: bool, what: str) -> None:
    """Show what groups have read, by partition, or their members or state."""
    if bool(names) == all_groups:
        raise click.UsageError("name the groups, or say --all-groups")

    async def work(cluster: Cluster) -> None:
        for name in names or [group.group_id for group in await admin.list_groups(cluster)]:
            group = await known_group(cluster, name)
            if group.group_state == "Empty":
                click.echo(f"\nConsumer group '{name}' has no active members.", err=True)
            elif group.group_state in ("PreparingRebalance", "CompletingRebalance"):
                click.echo(f"\nWarning: Consumer group '{name}' is rebalancing.", err=True)
            click.echo()
            if what == "offsets":
                print_table(OFFSET_COLUMNS, await offset_rows(cluster, group))
            elif what == "members":
                print_table(MEMBER_COLUMNS, member_rows(group))
            else:
                broker = cluster.brokers[await cluster.coordinator(name)]
                where = f"{broker.host}:{broker.port} ({broker.node_id})"
                row = [name, where, group.protocol_data or "-", group.group_state, len(group.members)]
                print_table(["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"], [row])

    with_cluster(bootstrap, work)


@groups.command()
@click.argument("names", metavar="GROUP...", nargs=-1, required=True)
@bootstrap_option
def delete(names: tuple[str, ...], bootstrap: list[Address]) -> None:
    """Forget groups without members, and their offsets."""

    async def work(cluster: Cluster) -> bool:
        failed = False
        for name in names:
            try:
                await admin.delete_group(cluster, name)
                click.echo(f"Deleted group {name}.")
            except KafkaError as error:
                click.echo(f"Error: group '{name}' could not be deleted: {text_of(error)}", err=True)
                failed = True
        return failed

    if with_cluster(bootstrap, work):
        raise SystemExit(1)


@dataclass(frozen=True)
class Topics:
    """Which partitions a command is about: `--topic orders`, `--topic orders:0,1`, `--all-topics`."""

    named: tuple[str, ...]
    everything: bool

    def __post_init__(self) -> None:
        if bool(self.named) == self.everything:
            raise click.UsageError("either --topic, which may be repeated, or --all-topics")

    async def places(self, cluster: Cluster, committed: Iterable[Place]) -> list[Place]:
        """Raises KafkaError for topics that are not there."""
        if self.everything:
            return sorted(committed)
        found: list[Place] = []
        for word in self.named:
            topic, colon, partitions = word.partition(":")
            errors = await cluster.refresh([topic])
            if topic in errors:
                raise errors[topic]
            count = len(cluster.topics[topic].partitions)
            found += [(topic, index) for index in (numbers_of(partitions) if colon else range(count))]
        return sorted(set(found))


@groups.command("reset-offsets")
@click.argument("group")
@bootstrap_option
@click.option("--topic", "topics", metavar="TOPIC[:P,P...]", multiple=True, help="A topic, or some of its partitions.")
@click.option("--all-topics", is_flag=True, help="Every partition that the group has committed.")
@click.option("--to-earliest", is_flag=True)
@click.option("--to-latest", is_flag=True)
@click.option("--to-current", is_flag=True, help="Where they are.")
@click.option("--to-offset", type=click.IntRange(min=0))
@click.option("--shift-by", type=int, help="Forward, or back if negative.")
@click.option(
    "--to-datetime", metavar="YYYY-MM-DDThh:mm:ss[.sss]", help="The first record not older; UTC unless it says."
)
@click.option("--by-duration", metavar="PnDTnHnMnS", help="The first record younger than that.")
@click.option("--execute", is_flag=True, help="Do it.")
@click.option("--dry-run", is_flag=True, help="Show what would be done.  [default]")
def reset_offsets(
    group: str,
    bootstrap: list[Address],
    topics: tuple[str, ...],
    all_topics: bool,
    to_earliest: bool,
    to_latest: bool,
    to_current: bool,
    to_offset: int | None,
    shift_by: int | None,
    to_datetime: str | None,
    by_duration: str | None,
    execute: bool,
    dry_run: bool,
) -> None:
    """Move a group without members to other offsets: to read again, or to skip."""
    which = Topics(topics, all_topics)
    ways = [to_earliest, to_latest, to_current, to_offset is not None, shift_by is not None, to_datetime, by_duration]
    if sum(map(bool, ways)) != 1:
        raise click.UsageError("say where to: exactly one of the --to-..., --shift-by and --by-duration")
    if execute and dry_run:
        raise click.UsageError("either --execute or --dry-run")
    since_ms = moment_of(to_datetime) if to_datetime else ago(by_duration) if by_duration else None

    async def work(cluster: Cluster) -> None:
        described = await admin.describe_group(cluster, group)
        if described.group_state not in INACTIVE:
            raise KafkaError(
                ErrorCode.NON_EMPTY_GROUP,
                f"offsets can only be reset while the group '{group}' is inactive; it is {described.group_state}",
            )
        committed = await admin.committed_offsets(cluster, group)
        places = await which.places(cluster, committed)
        await cluster.refresh(sorted({topic for topic, _ in places}))
        first = await offsets_at(cluster, places, EARLIEST)
        last = await offsets_at(cluster, places, LATEST)
        if to_earliest:
            wanted = first
        elif to_latest:
            wanted = last
        elif to_offset is not None:
            wanted = dict.fromkeys(places, to_offset)
        elif since_ms is not None:
            found = await offsets_at(cluster, places, since_ms)
            wanted = {place: offset if offset >= 0 else last[place] for place, offset in found.items()}
        else:
            shift = shift_by or 0
            wanted = {place: committed[place].offset + shift if place in committed else last[place] for place in places}
        wanted = {place: min(max(offset, first[place]), last[place]) for place, offset in wanted.items()}
        if execute and wanted:
            await admin.commit_offsets(cluster, group, wanted)
        rows = [[group, topic, partition, offset] for (topic, partition), offset in sorted(wanted.items())]
        print_table(["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"], rows)
        if not execute:
            click.echo("\nNothing was changed: --execute does it.", err=True)

    with_cluster(bootstrap, work)


@groups.command("delete-offsets")
@click.argument("group")
@bootstrap_option
@click.option(
    "--topic",
    "topics",
    metavar="TOPIC[:P,P...]",
    multiple=True,
    required=True,
    help="A topic, or some of its partitions.",
)
def delete_offsets(group: str, bootstrap: list[Address], topics: tuple[str, ...]) -> None:
    """Forget the offsets of topics that the group no longer reads."""

    async def work(cluster: Cluster) -> dict[Place, KafkaError]:
        places = await Topics(topics, False).places(cluster, ())
        refused = await admin.delete_offsets(cluster, group, places)
        rows = [
            [topic, partition, f"Error: {refused[topic, partition]}" if (topic, partition) in refused else "Successful"]
            for topic, partition in places
        ]
        print_table(["TOPIC", "PARTITION", "STATUS"], rows)
        return refused

    if with_cluster(bootstrap, work):
        raise SystemExit(1)


# -- what is shown ----------------------------------------------------------------------------------------------------

OFFSET_COLUMNS = [
    "GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID",
]  # fmt: skip
MEMBER_COLUMNS = ["GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS", "ASSIGNMENT"]


async def known_group(cluster: Cluster, name: str) -> admin.Group:
    """Raises KafkaError(GROUP_ID_NOT_FOUND)."""
    group = await admin.describe_group(cluster, name)
    if group.error_code or group.group_state == "Dead":
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Consumer group '{name}' does not exist.")
    return group


async def offset_rows(cluster: Cluster, group: admin.Group) -> list[list[object]]:
    """A row per partition that is committed or assigned."""
    committed = await admin.committed_offsets(cluster, group.group_id)
    readers = {place: member for member in group.members for place in decode_share(member.member_assignment)}
    places = sorted({*committed, *readers})
    await cluster.refresh(sorted({topic for topic, _ in places}))
    ends = await offsets_at(cluster, [place for place in places if place[0] in cluster.topics], LATEST)
    rows: list[list[object]] = []
    for place in places:
        current = committed[place].offset if place in committed else None
        end, member = ends.get(place), readers.get(place)
        lag = end - current if end is not None and current is not None else None
        reader = [member.member_id, member.client_host, member.client_id] if member else [None, None, None]
        rows.append([group.group_id, *place, current, end, lag, *reader])
    return rows


def member_rows(group: admin.Group) -> list[list[object]]:
    rows: list[list[object]] = []
    for member in sorted(group.members, key=lambda member: member.member_id):
        share = decode_share(member.member_assignment)
        rows.append(
            [
                group.group_id,
                member.member_id,
                member.group_instance_id,
                member.client_host,
                member.client_id,
                len(share),
                share_text(share),
            ]
        )
    return rows


def share_text(share: Sequence[Place]) -> str:
    """orders:0,1, payments:2"""
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(share):
        topics.setdefault(topic, []).append(partition)
    return ", ".join(f"{topic}:{','.join(map(str, indexes))}" for topic, indexes in topics.items()) or "-"


async def offsets_at(cluster: Cluster, places: Iterable[Place], when: int) -> dict[Place, int]:
    found = await find_offsets(cluster, dict.fromkeys(places, when))
    return {place: each.offset for place, each in found.items()}


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as what stands in them; "-" for nothing."""
    lines = [list(head), *(["-" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


# -- what is said -----------------------------------------------------------------------------------------------------


def numbers_of(text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of partitions like 0,1", param_hint="--topic") from None


def moment_of(text: str) -> int:
    """An ISO 8601 moment in ms.  Raises click.BadParameter."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to-datetime") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)  # noqa: UP017
    return int(moment.timestamp() * 1000)


def ago(text: str) -> int:
    """The moment that lies an ISO 8601 duration in the past, in ms.  Raises click.BadParameter."""
    days, _, clock = text.upper().removeprefix("P").partition("T")
    amounts: Mapping[str, timedelta] = {"D": timedelta(days=1)}
    of_clock = {"H": timedelta(hours=1), "M": timedelta(minutes=1), "S": timedelta(seconds=1)}
    total, said = timedelta(), False
    for part, units in ((days, amounts), (clock, of_clock)):
        number = ""
        for letter in part:
            if letter in units and number:
                total, number, said = total + float(number) * units[letter], "", True
            elif letter.isdigit() or letter == ".":
                number += letter
            else:
                number = "?"
                break
        if number:
            said = False
            break
    if not said or not text.upper().startswith("P"):
        raise click.BadParameter(f"{text!r} is not a duration like P1DT2H30M", param_hint="--by-duration")
    return SystemClock().now_ms() - int(total.total_seconds() * 1000)
