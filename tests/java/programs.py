"""The programs of Kafka's `bin` folder by the names of their scripts: `kafka-topics.sh` is `topics`.

Each runs to its end and returns the lines it printed.  Raises ChildError when a program fails.
"""

from lab.kafka_peers import Kafka, tool

PATIENCE_S = 120.0
TOOLS = "org.apache.kafka.tools"


def topics(kafka: Kafka, *arguments: str) -> list[str]:
    return _lines(kafka, f"{TOOLS}.TopicCommand", *arguments)


def configs(kafka: Kafka, *arguments: str) -> list[str]:
    return _lines(kafka, "kafka.admin.ConfigCommand", *arguments)


def consumer_groups(kafka: Kafka, *arguments: str) -> list[str]:
    return _lines(kafka, f"{TOOLS}.consumer.group.ConsumerGroupCommand", *arguments)


def get_offsets(kafka: Kafka, *arguments: str) -> list[str]:
    return _lines(kafka, f"{TOOLS}.GetOffsetShell", *arguments)


def leader_election(kafka: Kafka, *arguments: str) -> list[str]:
    return _lines(kafka, f"{TOOLS}.LeaderElectionCommand", *arguments)


def console_producer(kafka: Kafka, topic: str, lines: list[str], *arguments: str) -> None:
    """Produce each line as a record."""
    text = "".join(f"{line}\n" for line in lines)
    _lines(kafka, f"{TOOLS}.ConsoleProducer", "--topic", topic, *arguments, stdin=text)


def console_consumer(kafka: Kafka, topic: str, expected: int, *arguments: str) -> list[str]:
    """Read `expected` records from the beginning."""
    return _lines(
        kafka,
        f"{TOOLS}.consumer.ConsoleConsumer",
        *("--topic", topic, "--from-beginning", "--max-messages", str(expected), "--timeout-ms", "60000"),
        *arguments,
    )


def verifiable_producer(kafka: Kafka, topic: str, records: int, *arguments: str) -> list[str]:
    main = f"{TOOLS}.VerifiableProducer"
    return _lines(kafka, main, "--topic", topic, "--max-messages", str(records), *arguments)


def verifiable_consumer(kafka: Kafka, topic: str, group: str, records: int, *arguments: str) -> list[str]:
    main = f"{TOOLS}.VerifiableConsumer"
    wanted = ("--topic", topic, "--group-id", group, "--max-messages", str(records), "--reset-policy", "earliest")
    return _lines(kafka, main, *wanted, *arguments)


def producer_performance(kafka: Kafka, topic: str, records: int, *properties: str) -> list[str]:
    return _run(
        f"{TOOLS}.ProducerPerformance",
        *("--topic", topic, "--num-records", str(records), "--record-size", "1000", "--throughput", "-1"),
        *("--producer-props", f"bootstrap.servers={kafka.bootstrap}", *properties),
    )


def consumer_performance(kafka: Kafka, topic: str, records: int, *arguments: str) -> list[str]:
    main = f"{TOOLS}.ConsumerPerformance"
    return _lines(kafka, main, "--topic", topic, "--messages", str(records), "--timeout", "60000", *arguments)


def dump_log(*arguments: str) -> list[str]:
    return _run("kafka.tools.DumpLogSegments", *arguments)


def java_source(path: str, *arguments: str) -> list[str]:
    """A single source file of ours, compiled as it is started."""
    return _run(path, *arguments)


def _lines(kafka: Kafka, main: str, *arguments: str, stdin: str = "") -> list[str]:
    return _run(main, "--bootstrap-server", kafka.bootstrap, *arguments, stdin=stdin)


def _run(main: str, *arguments: str, stdin: str = "") -> list[str]:
    return tool(main, *arguments, stdin=stdin, timeout_s=PATIENCE_S).stdout.strip().splitlines()
