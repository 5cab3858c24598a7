"""`mini kafka ...` as it is typed, against a broker of ours."""

import re
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli.kafka import WORDS
from cli.main import main
from lab.child import ROOT, free_port, free_ports
from lab.kafka_peers import mini_kafka_cluster

NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module")
def kafka():
    with mini_kafka_cluster(1, "group.initial.rebalance.delay.ms=0", "auto.create.topics.enable=false") as running:
        yield running


@pytest.fixture
def mini(kafka):
    """Types a line; returns exit code, what was printed, what was complained of."""

    def typed(line, given=None, bootstrap=kafka.bootstrap):
        words = ["kafka", *line.split(" "), "--bootstrap-server", bootstrap]
        result = CliRunner().invoke(main, words, input=given)
        return result.exit_code, result.stdout, result.stderr

    return typed


@pytest.mark.parametrize("word", [word for word in WORDS if word != "start"])
def test_every_word_explains_itself(word):
    result = CliRunner().invoke(main, ["kafka", word, "--help"])
    assert (result.exit_code, result.output.startswith(f"Usage: main kafka {word}")) == (0, True)


def test_help_imports_neither_client_nor_server():
    program = (
        "import sys; from click.testing import CliRunner; from cli.main import main;"
        "CliRunner().invoke(main, ['kafka', '--help']);"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'asyncio', 'lab', 'minikafka', 'serving'}))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True, cwd=ROOT) == "[]\n"


def test_topics_are_made_listed_widened_and_deleted(mini):
    assert mini("topics create a-topic --partitions 2 --config retention.ms=5000") == (
        0,
        "Created topic a-topic.\n",
        "",
    )
    assert mini("topics create b-topic --if-not-exists") == (0, "Created topic b-topic.\n", "")
    assert mini("topics create b-topic --if-not-exists") == (0, "", "")
    code, out, error = mini("topics create b-topic")
    assert (code, out, error.startswith("Error: TOPIC_ALREADY_EXISTS: ")) == (1, "", True)
    assert mini("topics list")[1] == "a-topic\nb-topic\n"
    assert mini("topics alter a-topic --partitions 3") == (0, "Topic a-topic has 3 partitions.\n", "")
    code, out, _ = mini("topics describe a-topic")
    head, *partitions = out.splitlines()
    assert re.fullmatch(
        r"Topic: a-topic\tTopicId: [\w-]{22}\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: .*retention\.ms=5000.*",
        head,
    )
    assert partitions == [
        f"\tTopic: a-topic\tPartition: {index}\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: N/A\tLastKnownElr: N/A"
        for index in range(3)
    ]
    assert mini("topics describe --under-replicated-partitions") == (0, "", "")
    assert mini("topics describe --at-min-isr-partitions")[1].count("Partition:") == 4
    assert mini("topics delete a-topic b-topic") == (0, "Deleted topic a-topic.\nDeleted topic b-topic.\n", "")
    assert mini("topics list") == (0, "", "")


@pytest.mark.parametrize(
    "line", ["topics describe nope", "topics delete nope", "topics alter nope --partitions 3", "consume nope"]
)
def test_a_topic_that_is_not_there_is_named(mini, line):
    code, _, error = mini(line)
    assert code == 1
    assert "Error: UNKNOWN_TOPIC_OR_PARTITION: topic 'nope': " in error


def test_with_if_exists_it_is_no_error(mini):
    assert mini("topics delete nope --if-exists") == (0, "", "")
    assert mini("topics describe nope --if-exists") == (0, "", "")


def test_nobody_at_the_address_is_one_clear_line(mini):
    code, out, error = mini("topics list", bootstrap=NOBODY)
    assert (code, out) == (1, "")
    assert error == "Error: BROKER_NOT_AVAILABLE: no broker answers (127.0.0.1:1: Connection refused)\n"
    assert mini("topics list", bootstrap="here:there")[0] == 2


def test_lines_become_records_and_records_lines(mini):
    mini("topics create lines --partitions 1")
    given = "a:one\nb:two\nNIL:NIL\nc:last without an end"
    assert mini("produce lines --key-separator : --null-marker NIL --header h=1 --codec zstd", given) == (0, "", "")
    shown = "--print-partition --print-offset --print-headers --print-key --key-separator |"
    code, out, error = mini(f"consume lines --from-beginning --max-messages 4 {shown}")
    assert (code, error) == (0, "Processed a total of 4 messages\n")
    assert out.splitlines() == [
        "Partition:0|Offset:0|h:1|a|one",
        "Partition:0|Offset:1|h:1|b|two",
        "Partition:0|Offset:2|h:1|null|null",
        "Partition:0|Offset:3|h:1|c|last without an end",
    ]
    assert mini("consume lines --partition 0 --offset 3 --max-messages 1")[1] == "last without an end\n"
    assert mini("consume lines --timeout-ms 200")[1] == ""
    code, out, _ = mini("consume lines --from-beginning --max-messages 1 --print-timestamp")
    assert re.fullmatch(r"CreateTime:\d{13}\tone\n", out)


def test_what_cannot_be_written_is_counted_and_ends_in_an_error(mini):
    mini("topics create tiny --partitions 1 --config max.message.bytes=200")
    code, _, error = mini("produce tiny --batch-size 1", f"fits\n{'x' * 500}\n")
    assert code == 1
    assert error.startswith("1 record not written: MESSAGE_TOO_LARGE: ")
    assert mini("consume tiny --from-beginning --timeout-ms 300")[1] == "fits\n"
    code, _, error = mini("produce tiny --key-separator :", "no separator\n")
    assert (code, error) == (1, "Error: No key separator found on line number 1: no separator\n")


@pytest.mark.parametrize(
    "line",
    [
        "produce t --idempotent --acks 1",
        "consume t --offset 3",
        "consume t --group g --partition 0",
        "consume t --partition 0 --offset soon",
        "groups describe",
        "groups reset-offsets g --all-topics",
        "groups reset-offsets g --to-latest",
        "groups reset-offsets g --all-topics --by-duration soon",
        "configs describe",
        "configs alter --topic t",
        "configs alter --topic t --add-config x",
        "topics create t --replica-assignment one",
    ],
)
def test_a_line_that_makes_no_sense_ends_in_2(mini, line):
    code, out, error = mini(line)
    assert (code, out) == (2, "")
    assert "Error: " in error


def test_a_group_is_described_reset_and_deleted(mini):
    mini("topics create read --partitions 2")
    mini("produce read --partition 0", "".join(f"{number}\n" for number in range(10)))
    assert mini("consume read --group readers --from-beginning --max-messages 10")[0] == 0
    mini("produce read --partition 0", "more\n")
    assert mini("groups list")[1] == "readers\n"
    assert mini("groups list --state")[1] == "GROUP    STATE\nreaders  Empty\n"
    code, out, error = mini("groups describe readers")
    assert (code, error) == (0, "\nConsumer group 'readers' has no active members.\n")
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["readers", "read", "0", "10", "11", "1", "-", "-", "-"],
        ["readers", "read", "1", "0", "0", "0", "-", "-", "-"],
    ]
    dry = mini("groups reset-offsets readers --topic read:0 --shift-by -4")
    assert dry[1].splitlines()[1].split() == ["readers", "read", "0", "6"]
    assert dry[2] == "\nNothing was changed: --execute does it.\n"
    assert mini("groups reset-offsets readers --topic read:0 --shift-by -4 --execute")[1] == dry[1]
    assert mini("consume read --group readers --max-messages 5")[1] == "6\n7\n8\n9\nmore\n"
    assert mini("groups delete-offsets readers --topic read:1")[1].split()[-3:] == ["read", "1", "Successful"]
    assert mini("groups delete readers") == (0, "Deleted group readers.\n", "")
    assert mini("groups describe readers")[::2] == (
        1,
        "Error: GROUP_ID_NOT_FOUND: Consumer group 'readers' does not exist.\n",
    )


def test_settings_are_changed_and_shown_with_their_origin(mini):
    mini("topics create settled --partitions 1")
    added = mini("configs alter --topic settled --add-config retention.ms=7000,cleanup.policy=[compact,delete]")
    assert added == (0, "Completed updating config for topic settled.\n", "")
    head, *lines = mini("configs describe --topic settled")[1].splitlines()
    assert head == "Dynamic configs for topic settled are:"
    assert [line.split(" synonyms=")[0] for line in lines] == [
        "  cleanup.policy=compact,delete sensitive=false",
        "  retention.ms=7000 sensitive=false",
    ]
    assert "{DYNAMIC_TOPIC_CONFIG:retention.ms=7000" in lines[1]
    mini("configs alter --entity-type topics --entity-name settled --delete-config retention.ms,cleanup.policy")
    assert mini("configs describe --topic settled")[1].splitlines() == [head]
    assert "  segment.bytes=" in mini("configs describe --topic settled --all")[1]
    code, _, error = mini("configs alter --topic settled --add-config nonsense=1")
    assert (code, error) == (1, "Error: INVALID_CONFIG: Unknown topic config name: nonsense\n")


def test_files_of_the_log_are_dumped_and_faults_found(mini, kafka, tmp_path):
    mini("topics create dumped --partitions 1")
    mini("produce dumped --key-separator :", "key:value\n")
    segment = kafka.nodes[0].data / "dumped-0" / "00000000000000000000.log"
    result = CliRunner().invoke(main, ["kafka", "dump-log", str(segment), "--print-data-log"])
    assert (result.exit_code, result.output.splitlines()[:2]) == (0, [f"Dumping {segment}", "Log starting offset: 0"])
    assert "key: key payload: value" in result.output
    damaged = tmp_path / segment.name
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    result = CliRunner().invoke(main, ["kafka", "dump-log", str(damaged)])
    assert (result.exit_code, result.stderr) == (1, "Error: 1 fault found\n")
    result = CliRunner().invoke(main, ["kafka", "dump-log", str(tmp_path / "absent.log")])
    assert result.exit_code == 1 and "absent.log" in result.stderr


def test_the_generated_code_is_shown():
    result = CliRunner().invoke(main, ["kafka", "show", "HeartbeatRequest", "4"])
    assert result.exit_code == 0
    assert result.output.startswith("# HeartbeatRequest, version 4\n\ndef decode")
    result = CliRunner().invoke(main, ["kafka", "show", "Hearbeat", "4"])
    assert (result.exit_code, result.stderr.startswith("Error: no API is called 'Hearbeat'")) == (1, True)


# -- real processes ---------------------------------------------------------------------------------------------------


def started(*words, **options):
    command = [sys.executable, "-m", "cli.main", "kafka", *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_ctrl_c_ends_a_consumer_without_a_word_of_python(mini, kafka):
    mini("topics create endless --partitions 1")
    mini("produce endless", "first\n")
    words = ["consume", "endless", "--from-beginning", "--group", "endless", "--bootstrap-server", kafka.bootstrap]
    consumer = started(*words, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    assert consumer.stdout is not None and consumer.stdout.readline() == "first\n"
    consumer.send_signal(signal.SIGINT)
    _, error = consumer.communicate(timeout=20)
    assert (consumer.returncode, error) == (130, "Processed a total of 1 messages\n")
    assert mini("groups list --state")[1].split()[-2:] == ["endless", "Empty"]


def test_a_producer_waits_at_the_terminal_and_hears_ctrl_c(mini, kafka):
    mini("topics create typed --partitions 1")
    words = ["produce", "typed", "--bootstrap-server", kafka.bootstrap]
    producer = started(
        *words, stdin=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    )
    assert producer.stdin is not None
    producer.stdin.write("while it waits\n")
    producer.stdin.flush()
    assert mini("consume typed --from-beginning --max-messages 1 --timeout-ms 10000")[1] == "while it waits\n"
    producer.send_signal(signal.SIGINT)
    assert producer.wait(20) == 130


def test_a_cluster_starts_serves_and_stops_in_order(tmp_path):
    port = free_ports(free_port(), 6)
    cluster = started("cluster", "--base-port", str(port), "--data", str(tmp_path), "--override", "num.partitions=2")
    assert cluster.stdout is not None
    lines = [cluster.stdout.readline() for _ in range(6)]
    bootstrap = ",".join(f"127.0.0.1:{port + 2 * each}" for each in range(3))
    assert lines[4] == f"Ready: --bootstrap-server {bootstrap}\n"
    again = started("cluster", "--base-port", str(port), "--data", str(tmp_path / "again"))
    assert again.communicate(timeout=20) == (
        "",
        f"Error: a port from {port} to {port + 5} is taken; choose another --base-port\n",
    )
    made = CliRunner().invoke(main, ["kafka", "topics", "create", "three", "--bootstrap-server", bootstrap])
    assert made.exit_code == 0
    described = CliRunner().invoke(main, ["kafka", "topics", "describe", "three", "--bootstrap-server", bootstrap])
    assert "PartitionCount: 2\tReplicationFactor: 3\tConfigs: min.insync.replicas=2" in described.output
    cluster.send_signal(signal.SIGINT)
    out, error = cluster.communicate(timeout=60)
    assert out == "broker 3: stopping ...\nbroker 2: stopping ...\nbroker 1: stopping ...\nall stopped\n"
    assert (cluster.returncode, error) == (0, "")
