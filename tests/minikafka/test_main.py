"""The program as a shell sees it: what is wrong is one line and an exit code; what it kept is there again."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from lab.child import free_port
from minikafka.main import main
from minikafka.records.batch import build_batch
from minikafka.records.record import Record
from minikafka.wire.compile import decode
from minikafka.wire.frame import request_frame
from minikafka.wire.messages.metadata import MetadataRequest
from minikafka.wire.messages.produce import ProduceRequest, ProduceResponse
from tests.lab.waiting import until

ROOT = Path(__file__).parents[2]
FREE = "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", "kafka", "start", *arguments]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lissteners", "x"], "--lissteners: 'lissteners x': Bad directive or wrong number of arguments"),
        (["--node.id", "x"], "--node.id: 'node.id x': Not a number of type INT"),
        (["--override", "node.id"], "arguments: '--override node.id': expected key=value"),
        (["--override"], "arguments: '--override': expected key=value"),
        (["--override", "mini.dial.2=nowhere"], "'mini.dial.2 nowhere': expected host:port"),
        (["no-such.properties"], "'no-such.properties': No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments, said, capfd):
    assert main(arguments) == 1
    out, err = capfd.readouterr()
    assert out == "" and said in err and err.count("\n") == 1


def test_help_lists_every_property_with_its_default(capfd):
    assert main(["--help"]) == 0
    out, _ = capfd.readouterr()
    assert out.startswith("Usage: mini kafka start [server.properties] [--override key=value ...]")
    assert "--log.segment.bytes" in out and "1073741824" in out
    assert max(map(len, out.splitlines())) <= 120


def failed(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a start that fails."""
    given = ["--log.dirs", str(tmp_path / "data"), "--listeners", FREE, *arguments]
    done = subprocess.run(command(*given), cwd=ROOT, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def test_a_listener_that_cannot_be_read_is_one_line(tmp_path):
    code, output = failed(tmp_path, "--listeners", "nonsense")
    assert (code, output.count("\n")) == (1, 1)
    assert "'listeners nonsense': expected NAME://host:port" in output


def test_a_taken_port_is_one_line_and_exit_code_2(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = failed(tmp_path, "--listeners", f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:0")
    assert code == 2
    # its controller may have got to work meanwhile
    errors = [line for line in output.splitlines() if " error " in line]
    assert [f"127.0.0.1:{port}" in line for line in errors] == [True] and "Traceback" not in output


# -- a broker that starts -------------------------------------------------------------------------------------------------


class Running:
    """A broker's process, and how to speak with it."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        until(lambda: (folder / "ready").exists() or process.poll() is not None, 30)
        _controllers, clients = json.loads((folder / "ready").read_text())["addresses"]  # in the order they were opened
        self.port = clients[1]

    def ask(self, request, version: int) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client, client.makefile("rb") as file:
            client.sendall(request_frame(request, version, 1))
            return file.read(int.from_bytes(file.read(4), "big"))

    def produce(self, value: bytes) -> int:
        """The offset."""
        records = build_batch([Record(None, value)], timestamp_ms=1)
        partition = ProduceRequest.Topic.Partition(index=0, records=records)
        topics = [ProduceRequest.Topic(name="orders", partition_data=[partition])]
        answer = self.ask(ProduceRequest(acks=-1, timeout_ms=5000, topic_data=topics), 8)
        part = decode(ProduceResponse, 8, answer, 4)[0].responses[0].partition_responses[0]
        return part.base_offset

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    given = [*arguments, "--log.dirs", str(folder / "data"), "--listeners", FREE, "--ready-file", str(folder / "ready")]
    (folder / "ready").unlink(missing_ok=True)
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(command(*given), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, text=True)
        try:
            yield Running(process, folder)
        finally:
            process.kill()
            process.wait()


def test_what_was_acknowledged_outlives_kill_9_and_sigterm(tmp_path):
    with running(tmp_path) as broker:
        broker.ask(MetadataRequest(topics=[MetadataRequest.Topic(name="orders")]), 4)  # makes it
        until(lambda: broker.produce(b"first") >= 0)
        last = broker.produce(b"second")
        assert broker.end(signal.SIGKILL) == -signal.SIGKILL
    with running(tmp_path) as broker:
        assert broker.produce(b"third") == last + 1
        assert broker.end(signal.SIGTERM) == 0
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()
    assert not (tmp_path / "ready").exists()
    with running(tmp_path) as broker:
        assert broker.produce(b"fourth") == last + 2


def test_a_folder_in_use_by_another_process_is_one_line(tmp_path):
    with running(tmp_path):
        code, output = failed(tmp_path)
    assert (code, output.count("\n")) == (1, 1)
    assert f"{tmp_path}/data is in use by another process" in output


def test_an_unknown_property_of_a_file_is_a_warning_with_its_line(tmp_path):
    (tmp_path / "server.properties").write_text("# ours\nno.such.property=1\n")
    with running(tmp_path, str(tmp_path / "server.properties")) as broker:
        assert broker.end(signal.SIGTERM) == 0
    assert "server.properties, line 2: nobody knows the property no.such.property" in (tmp_path / "output").read_text()


def test_the_side_door_tells_metrics_and_health(tmp_path):
    port = free_port()
    with running(tmp_path, "--admin-port", str(port)) as broker:
        broker.ask(MetadataRequest(topics=[MetadataRequest.Topic(name="orders")]), 4)
        until(lambda: broker.produce(b"x") >= 0)
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            assert answer.status == 200
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    shown = {name: float(value) for name, value in figures.items()}
    expected = {"partitions": 1, "leaders": 1, "under_replicated_partitions": 0, "offline_partitions": 0, "fenced": 0,
                "active_controller": 1, "fenced_brokers": 0, "topics": 1, "high_watermark_lag_records": 0}  # fmt: skip
    assert {name: shown[f"minikafka_{name}"] for name in expected} == expected
    assert shown["minikafka_log_size_bytes"] > 0
