"""`mini kafka ...`: start a broker or a cluster, and the tools that ask one.

Named and answered as Kafka's own shell scripts, with words instead of dashes: `kafka-topics.sh --create --topic t` is
`mini kafka topics create t`.
"""

import sys
from importlib import import_module

import click

from cli.words import Word, Words

EPILOG = """
\b
Try it:
  mini kafka start                              one broker on port 9092, data in ./data/kafka
  mini kafka cluster --brokers 3                three of them, on 9092, 9094, 9096
  mini kafka topics create greetings --partitions 3
  echo 'hello' | mini kafka produce greetings
  mini kafka consume greetings --from-beginning --group readers
  mini kafka groups describe readers            how far they have got
"""

WORDS = {
    "start": Word("cli.kafka", "start", "a node in the foreground: broker, controller, or both"),
    "cluster": Word("cli.kafka_cluster", "cluster", "several nodes on this machine; Ctrl-C stops them"),
    "topics": Word("cli.kafka_topics", "topics", "list, create, describe, alter, delete topics"),
    "produce": Word("cli.kafka_produce", "produce", "lines from the terminal become records"),
    "consume": Word("cli.kafka_consume", "consume", "records become lines on the terminal"),
    "groups": Word("cli.kafka_groups", "groups", "consumer groups: their lag, members and offsets"),
    "configs": Word("cli.kafka_configs", "configs", "settings of topics, brokers and groups"),
    "dump-log": Word("cli.kafka_files", "dump_log", "read segments, indexes and checkpoints from the disk"),
    "show": Word("cli.kafka_files", "show", "the code generated for a message of the protocol"),
}


@click.command(cls=Words, words=WORDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def kafka() -> None:
    """minikafka, an Apache Kafka 4.1: brokers, controllers, and tools."""


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "allow_interspersed_args": False,
    },
    add_help_option=False,
    options_metavar="[server.properties] [--override key=value ...]",
)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="")
def start(argv: tuple[str, ...]) -> None:
    """Start a node in the foreground: broker, controller, or both.

    Its arguments are handed to minikafka as they stand: kafka-server-start's way of naming properties is not click's, and
    the table of properties, `--help` included, is the server's.
    """
    node = import_module("minikafka.main")
    sys.exit(node.main(list(argv)))
