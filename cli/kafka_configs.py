"""`mini kafka configs describe|alter`: settings of topics, brokers and groups, as kafka-configs.sh shows and changes them.

A value may be set in several places; the one that counts is followed by the others, its synonyms, down to the default.
"""

from collections.abc import Callable
from typing import TypeVar

import click

from cli.kafka_client import bootstrap_option, with_cluster
from minikafka.client import admin
from minikafka.client.cluster import Address, Cluster
from minikafka.wire.messages.configs import DescribeConfigsResponse

Command = TypeVar("Command", bound=Callable[..., None])

KINDS = {"topics": admin.TOPIC, "brokers": admin.BROKER, "groups": admin.GROUP}
ONE = {"topics": "topic", "brokers": "broker", "groups": "group"}
SOURCES = {
    0: "UNKNOWN",
    1: "DYNAMIC_TOPIC_CONFIG",
    2: "DYNAMIC_BROKER_CONFIG",
    3: "DYNAMIC_DEFAULT_BROKER_CONFIG",
    4: "STATIC_BROKER_CONFIG",
    5: "DEFAULT_CONFIG",
    6: "DYNAMIC_BROKER_LOGGER_CONFIG",
    7: "DYNAMIC_CLIENT_METRICS_CONFIG",
    8: "DYNAMIC_GROUP_CONFIG",
}
CHANGED = {"topics": 1, "brokers": 2, "groups": 8}
CHANGED_FOR_ALL = 3
"""The sources of settings that were changed at run time, for the very resource that is shown."""

EPILOG = """
\b
Examples:
  mini kafka configs describe --topic orders
  mini kafka configs describe --broker 1 --all
  mini kafka configs alter --topic orders --add-config retention.ms=3600000
  mini kafka configs alter --topic orders --add-config 'cleanup.policy=[compact,delete]'
  mini kafka configs alter --broker-defaults --delete-config log.cleaner.threads
"""


def entity_options(command: Command) -> Command:
    """Whose settings, in the long way and in the short."""
    for option in reversed(
        [
            click.option(
                "--entity-type", type=click.Choice(list(KINDS)), help="With --entity-name or --entity-default."
            ),
            click.option("--entity-name", metavar="NAME"),
            click.option("--entity-default", is_flag=True, help="All brokers."),
            click.option("--topic", metavar="NAME", help="Short for --entity-type topics --entity-name NAME."),
            click.option("--broker", metavar="ID", help="Short for --entity-type brokers --entity-name ID."),
            click.option("--broker-defaults", is_flag=True, help="Short for --entity-type brokers --entity-default."),
            click.option("--group", metavar="NAME", help="Short for --entity-type groups --entity-name NAME."),
        ]
    ):
        command = option(command)
    return command


def entity(
    entity_type: str | None,
    entity_name: str | None,
    entity_default: bool,
    topic: str | None,
    broker: str | None,
    broker_defaults: bool,
    group: str | None,
) -> tuple[str, str | None]:
    """The type, and the name: "" for all brokers, None for every one there is.  Raises click.UsageError."""
    said: list[tuple[str, str | None]] = [
        (kind, name) for kind, name in (("topics", topic), ("brokers", broker), ("groups", group)) if name is not None
    ]
    if broker_defaults:
        said.append(("brokers", ""))
    if entity_type is not None:
        said.append((entity_type, "" if entity_default else entity_name))
    elif entity_name is not None or entity_default:
        raise click.UsageError("--entity-name and --entity-default need --entity-type")
    if len(said) != 1:
        raise click.UsageError(
            "say whose settings: one of --topic, --broker, --broker-defaults, --group, --entity-type"
        )
    return said[0]


@click.group(epilog=EPILOG)
def configs() -> None:
    """Settings of topics, brokers and groups."""


@configs.command()
@bootstrap_option
@entity_options
@click.option("--all", "show_all", is_flag=True, help="Also what was never changed.")
def describe(bootstrap: list[Address], show_all: bool, **who: str | bool | None) -> None:
    """Show settings with where each comes from."""
    kind, name = entity(**who)  # type: ignore[arg-type]

    async def work(cluster: Cluster) -> None:
        for each in [name] if name is not None else await names_of(cluster, kind):
            found = (await admin.describe_configs(cluster, KINDS[kind], [each]))[each]
            click.echo(heading(kind, each, show_all))
            for config in sorted(found, key=lambda config: config.name):
                if show_all or config.config_source == (CHANGED[kind] if each else CHANGED_FOR_ALL):
                    click.echo(line_of(config))

    with_cluster(bootstrap, work)


@configs.command()
@bootstrap_option
@entity_options
@click.option("--add-config", metavar="K=V,K=[V,V],...", default="", help="Settings to set.")
@click.option("--delete-config", metavar="K,K,...", default="", help="Settings to go back to what they are without.")
def alter(bootstrap: list[Address], add_config: str, delete_config: str, **who: str | bool | None) -> None:
    """Change settings while everything runs."""
    kind, name = entity(**who)  # type: ignore[arg-type]
    if name is None:
        raise click.UsageError("--entity-name or --entity-default must say whose settings")
    changes: list[tuple[str, int, str | None]] = [(key, admin.SET, value) for key, value in pairs(add_config)]
    changes += [(key.strip(), admin.DELETE, None) for key in delete_config.split(",") if key.strip()]
    if not changes:
        raise click.UsageError("nothing to do: --add-config, --delete-config or both")
    whose = name

    async def work(cluster: Cluster) -> None:
        await admin.alter_configs(cluster, KINDS[kind], whose, changes)

    with_cluster(bootstrap, work)
    if name:
        click.echo(f"Completed updating config for {ONE[kind]} {name}.")
    else:
        click.echo(f"Completed updating default config for {kind} in the cluster.")


def pairs(text: str) -> list[tuple[str, str]]:
    """`a=1,b=[2,3]` as [("a", "1"), ("b", "2,3")].  Raises click.BadParameter."""
    found: list[tuple[str, str]] = []
    rest = text.strip()
    while rest:
        key, equals, rest = rest.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{text!r} is not key=value,key=[value,value]", param_hint="--add-config")
        if rest.startswith("["):
            value, bracket, rest = rest[1:].partition("]")
            if not bracket or (rest and not rest.startswith(",")):
                raise click.BadParameter(f"{text!r} has a [ without its ]", param_hint="--add-config")
            rest = rest[1:]
        else:
            value, _, rest = rest.partition(",")
        found.append((key.strip(), value))
        rest = rest.strip()
    return found


async def names_of(cluster: Cluster, kind: str) -> list[str]:
    """Every resource of a type that there is.  Raises KafkaError."""
    if kind == "topics":
        await cluster.refresh()
        return sorted(cluster.topics)
    if kind == "brokers":
        return [str(node) for node in sorted(cluster.brokers)] + [""]
    return [group.group_id for group in await admin.list_groups(cluster)]


def heading(kind: str, name: str, show_all: bool) -> str:
    what = "All" if show_all else "Dynamic"
    if not name:
        return f"Default configs for {kind} in the cluster are:"
    return f"{what} configs for {ONE[kind]} {name} are:"


def line_of(config: DescribeConfigsResponse.Resource.Config) -> str:
    """name=value sensitive=... synonyms={SOURCE:name=value, ...}"""
    value = "null" if config.is_sensitive or config.value is None else config.value
    synonyms = ", ".join(
        f"{SOURCES.get(each.source, 'UNKNOWN')}:{each.name}={'null' if config.is_sensitive else each.value}"
        for each in config.synonyms
    )
    return f"  {config.name}={value} sensitive={str(config.is_sensitive).lower()} synonyms={{{synonyms}}}"
