"""`mini kafka topics list|create|describe|alter|delete`: what kafka-topics.sh does, and prints."""

from collections.abc import Sequence

import click

from cli.kafka_client import bootstrap_option, setting, with_cluster
from minikafka.client import admin
from minikafka.client.cluster import Address, Cluster, Partition, Topic
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.types import uuid_text

DEFAULT_CONFIG = 5

EPILOG = """
\b
Examples:
  mini kafka topics create orders --partitions 6 --replication-factor 3 --config min.insync.replicas=2
  mini kafka topics describe orders
  mini kafka topics describe --under-replicated-partitions
  mini kafka topics alter orders --partitions 12
  mini kafka topics delete orders --if-exists
"""


def assignment(text: str) -> list[list[int]]:
    """Brokers of each partition: `1:2,2:3` places two partitions with two replicas each."""
    try:
        return [[int(broker) for broker in partition.split(":")] for partition in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of brokers like 1:2,2:3") from None


@click.group(epilog=EPILOG)
def topics() -> None:
    """Topics: the names that records are written to and read from."""


@topics.command("list")
@bootstrap_option
@click.option("--exclude-internal", is_flag=True, help="Leave out topics that Kafka made for itself.")
def list_topics(bootstrap: list[Address], exclude_internal: bool) -> None:
    """Print the names of all topics, one a line."""

    async def work(cluster: Cluster) -> list[Topic]:
        await cluster.refresh()
        return sorted(cluster.topics.values(), key=lambda topic: topic.name)

    for topic in with_cluster(bootstrap, work):
        if not (exclude_internal and topic.internal):
            click.echo(topic.name)


@topics.command()
@click.argument("name")
@bootstrap_option
@click.option("--partitions", type=click.IntRange(min=1), help="How many.  [default: num.partitions of the brokers]")
@click.option(
    "--replication-factor",
    type=click.IntRange(1, 32767),
    help="Replicas of each.  [default: default.replication.factor of the brokers]",
)
@click.option(
    "--replica-assignment",
    type=assignment,
    metavar="1:2,2:3",
    help="Place the replicas by hand, preferred leaders first.",
)
@click.option(
    "--config",
    "configs",
    multiple=True,
    type=setting,
    metavar="KEY=VALUE",
    help="A setting of the topic.  May be repeated.",
)
@click.option("--if-not-exists", is_flag=True, help="Be content when it is there already.")
def create(
    name: str,
    bootstrap: list[Address],
    partitions: int | None,
    replication_factor: int | None,
    replica_assignment: list[list[int]] | None,
    configs: tuple[tuple[str, str], ...],
    if_not_exists: bool,
) -> None:
    """Make a topic."""
    if replica_assignment and (partitions or replication_factor):
        raise click.UsageError("--replica-assignment says how many partitions and replicas there are")

    async def work(cluster: Cluster) -> bool:
        try:
            await admin.create_topic(
                cluster,
                name,
                partitions=partitions or -1,
                replication_factor=replication_factor or -1,
                assignments=replica_assignment or (),
                configs=dict(configs),
            )
        except KafkaError as error:
            if error.code == ErrorCode.TOPIC_ALREADY_EXISTS and if_not_exists:
                return False
            raise
        return True

    if with_cluster(bootstrap, work):
        click.echo(f"Created topic {name}.")


@topics.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@bootstrap_option
@click.option("--if-exists", is_flag=True, help="Say nothing of topics that are not there.")
@click.option("--exclude-internal", is_flag=True, help="Leave out topics that Kafka made for itself.")
@click.option(
    "--under-replicated-partitions",
    "filters",
    multiple=True,
    flag_value="under-replicated",
    help="Only those with a replica that is not in sync.",
)
@click.option(
    "--unavailable-partitions", "filters", multiple=True, flag_value="unavailable", help="Only those without a leader."
)
@click.option(
    "--under-min-isr-partitions",
    "filters",
    multiple=True,
    flag_value="under-min-isr",
    help="Only those that refuse acks=all.",
)
@click.option(
    "--at-min-isr-partitions",
    "filters",
    multiple=True,
    flag_value="at-min-isr",
    help="Only those that would refuse it after one more loss.",
)
@click.option(
    "--topics-with-overrides", is_flag=True, help="Only topics with settings of their own, without partitions."
)
def describe(
    names: tuple[str, ...],
    bootstrap: list[Address],
    if_exists: bool,
    exclude_internal: bool,
    filters: tuple[str, ...],
    topics_with_overrides: bool,
) -> None:
    """Show topics with their settings, leaders and replicas; all by default."""

    async def work(cluster: Cluster) -> None:
        found = await known_topics(cluster, names, if_exists)
        found = [topic for topic in found if not (exclude_internal and topic.internal)]
        settings = await admin.describe_configs(cluster, admin.TOPIC, [topic.name for topic in found])
        eligible = await admin.eligible_leaders(cluster, [topic.name for topic in found])
        for topic in found:
            configs = settings[topic.name]
            if not filters and (not topics_with_overrides or any(each.config_source == 1 for each in configs)):
                click.echo(headline(topic, configs))
            if not topics_with_overrides:
                least = next((int(each.value or 1) for each in configs if each.name == "min.insync.replicas"), 1)
                for partition in topic.partitions:
                    if not filters or any(matches(each, partition, cluster, least) for each in filters):
                        click.echo(line_of(topic.name, partition, cluster, eligible.get((topic.name, partition.index))))

    with_cluster(bootstrap, work)


@topics.command()
@click.argument("name")
@bootstrap_option
@click.option("--partitions", type=click.IntRange(min=1), required=True, help="How many there shall be, all told.")
@click.option("--replica-assignment", type=assignment, metavar="1:2,2:3", help="Brokers of the added partitions.")
@click.option("--if-exists", is_flag=True, help="Be content when there is no such topic.")
def alter(
    name: str,
    bootstrap: list[Address],
    partitions: int,
    replica_assignment: list[list[int]] | None,
    if_exists: bool,
) -> None:
    """Add partitions.  Keys move to other partitions from then on."""

    async def work(cluster: Cluster) -> bool:
        if await known_topics(cluster, [name], if_exists):
            await admin.add_partitions(cluster, name, partitions, replica_assignment)
            return True
        return False

    if with_cluster(bootstrap, work):
        click.echo(f"Topic {name} has {partitions} partitions.")


@topics.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@bootstrap_option
@click.option("--if-exists", is_flag=True, help="Be content when there is no such topic.")
def delete(names: tuple[str, ...], bootstrap: list[Address], if_exists: bool) -> None:
    """Delete topics and all their records."""

    async def work(cluster: Cluster) -> None:
        for topic in await known_topics(cluster, names, if_exists):
            await admin.delete_topic(cluster, topic.name)
            click.echo(f"Deleted topic {topic.name}.")

    with_cluster(bootstrap, work)


async def known_topics(cluster: Cluster, names: Sequence[str], if_exists: bool) -> list[Topic]:
    """The named topics, or all; those that are not there are errors unless `if_exists`.  Raises KafkaError."""
    errors = await cluster.refresh(names or None)
    for error in errors.values():
        if not (if_exists and error.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION):
            raise error
    return [cluster.topics[name] for name in names or sorted(cluster.topics) if name in cluster.topics]


def headline(topic: Topic, configs: list[admin.Config]) -> str:
    """The line of a topic, as kafka-topics prints it."""
    own = ",".join(f"{each.name}={each.value}" for each in configs if each.config_source != DEFAULT_CONFIG)
    replicas = len(topic.partitions[0].replicas) if topic.partitions else 0
    return "\t".join(
        [
            f"Topic: {topic.name}",
            f"TopicId: {uuid_text(topic.topic_id)}",
            f"PartitionCount: {len(topic.partitions)}",
            f"ReplicationFactor: {replicas}",
            f"Configs: {own}",
        ]
    )


def line_of(topic: str, partition: Partition, cluster: Cluster, eligible: tuple[list[int], list[int]] | None) -> str:
    """The line of a partition.  eligible: its eligible leader replicas, None where the brokers do not tell."""
    elr, last_known_elr = ("N/A", "N/A") if eligible is None else map(numbers, eligible)
    return "\t".join(
        [
            "",
            f"Topic: {topic}",
            f"Partition: {partition.index}",
            f"Leader: {partition.leader if partition.leader in cluster.brokers else 'none'}",
            f"Replicas: {numbers(partition.replicas)}",
            f"Isr: {numbers(partition.isr)}",
            f"Elr: {elr}",
            f"LastKnownElr: {last_known_elr}",
        ]
    )


def numbers(brokers: list[int]) -> str:
    return ",".join(map(str, brokers))


def matches(wanted: str, partition: Partition, cluster: Cluster, min_insync: int) -> bool:
    """Whether a filter lets the partition through."""
    least = min(min_insync, len(partition.replicas))
    return {
        "under-replicated": len(partition.isr) < len(partition.replicas),
        "unavailable": partition.leader not in cluster.brokers,
        "under-min-isr": len(partition.isr) < least,
        "at-min-isr": len(partition.isr) == least,
    }[wanted]
