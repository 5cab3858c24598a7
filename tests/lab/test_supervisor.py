"""`mini up` as the newcomer meets it; the servers of its table are Debian's, so that only the lab is judged."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager

import pytest

from lab import control, peers
from lab.child import Child
from lab.servers import SERVERS, Server
from lab.supervisor import Supervisor, table
from tests.lab.waiting import until

BINARY = peers.redis_server_binary()


def redis(port, directory):
    return [BINARY, "--port", str(port), "--dir", str(directory), "--save", "", "--appendonly", "yes"]


def broken(port, directory):
    return [sys.executable, "-c", "raise SystemExit('the cellar is flooded')"]


def entry(name="redis", command=redis, port=0):
    return Server(name, "", port, command, peers.redis_answers, "redis-cli -p {port}", start_deadline_s=20)


@asynccontextmanager
async def lab(data, *servers, ports=None):
    """A supervisor that has started everything, and what it said."""
    said = []
    supervisor = Supervisor(data, servers or (entry(),), ports, said.append)
    running = asyncio.create_task(supervisor.run())
    try:
        await eventually(lambda: running.done() or any("Ctrl-C" in text for text in said))
        yield supervisor, said
    finally:
        supervisor.end()
        await running


async def eventually(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is awaited is another process
            await asyncio.sleep(0.01)


async def asked(data, action, name=""):
    return await asyncio.to_thread(control.ask, data, action, name)


async def test_it_says_where_to_connect_and_what_to_type_and_cleans_up(tmp_path):
    async with lab(tmp_path) as (supervisor, said):
        member = supervisor.members["redis"]
        assert said[0] == "redis: starting ..."
        assert said[1].startswith(f"redis: ready on port {member.port} after ")
        assert f"127.0.0.1:{member.port}" in said[2] and f"redis-cli -p {member.port}" in said[2]
        assert peers.redis_answers(member.port)
    assert said[-2:] == ["redis: stopping ...", "all stopped"]
    assert member.child.exit_code == 0
    assert not (tmp_path / control.SOCKET).exists()
    assert "Ready to accept connections" in (tmp_path / "logs" / "redis.log").read_text()
    assert (tmp_path / "redis" / "appendonlydir").is_dir()


async def test_a_taken_port_is_said_and_the_next_one_used(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with lab(tmp_path, entry(port=port)) as (supervisor, said):
            used = supervisor.members["redis"].port
            assert used != port
            assert f"redis: port {port} is taken, using {used}" in said


async def test_a_port_lost_between_noting_and_binding_is_tried_again(tmp_path):
    """The child exits 2 the first time."""

    def late_loser(port, directory):
        mark = directory / "lost-once"
        if mark.exists():
            return redis(port, directory)
        mark.touch()
        return [sys.executable, "-c", "raise SystemExit(2)"]

    async with lab(tmp_path, entry(command=late_loser)) as (supervisor, _):
        assert peers.redis_answers(supervisor.members["redis"].port)


async def test_from_a_second_terminal_pause_resume_kill_start_stop(tmp_path):
    async with lab(tmp_path) as (supervisor, _):
        member = supervisor.members["redis"]
        first = member.child.pid
        assert (await asked(tmp_path, "ps"))["servers"] == [member.row()]
        assert (await asked(tmp_path, "pause", "redis"))["text"] == "redis: paused; its clients wait"
        assert not await asyncio.to_thread(peers.redis_answers, member.port, patience_s=0.05)
        assert (await asked(tmp_path, "ps"))["servers"][0]["state"] == "paused"
        assert (await asked(tmp_path, "resume", "redis"))["text"] == "redis: resumed"
        assert await asyncio.to_thread(peers.redis_answers, member.port)
        assert (await asked(tmp_path, "kill", "redis"))["text"] == "redis: gone, by SIGKILL"
        assert (await asked(tmp_path, "ps"))["servers"][0]["pid"] is None
        assert (await asked(tmp_path, "start", "redis"))["text"] == "redis: started"
        assert member.child.pid != first
        assert (await asked(tmp_path, "stop", "redis"))["text"] == "redis: gone, exit code 0"


@pytest.mark.parametrize(
    "action, name, answer",
    [
        ("start", "redis", "redis: runs already"),
        ("kill", "kafka", "no server is called 'kafka'; there is redis"),
        ("explode", "redis", "cannot explode; can ps, start, stop, kill, pause, resume"),
    ],
)
async def test_a_request_that_makes_no_sense_is_answered_with_the_reason(tmp_path, action, name, answer):
    async with lab(tmp_path):
        reply = await asked(tmp_path, action, name)
        assert (reply["ok"], reply["text"]) == (False, answer)


async def test_a_server_that_dies_is_reported_with_its_last_lines(tmp_path):
    async with lab(tmp_path) as (supervisor, said):
        os.kill(supervisor.members["redis"].child.pid, signal.SIGKILL)
        await eventually(lambda: any("ended by itself" in text for text in said))
        report = next(text for text in said if "ended by itself" in text)
        assert report.startswith("redis: ended by itself, by SIGKILL; the end of ")
        assert "Ready to accept connections" in report
        assert report.endswith("`mini start redis` starts it again")


async def test_a_server_that_does_not_start_ends_the_lab_with_its_own_words(tmp_path):
    said = []
    code = await Supervisor(tmp_path, (entry(), entry("cellar", broken)), say=said.append).run()
    assert code == 1
    assert any("cellar ended with exit code 1\nthe cellar is flooded" in text for text in said)
    assert said[-1] == "all stopped"


async def test_a_second_lab_in_the_same_folder_is_refused(tmp_path):
    async with lab(tmp_path):
        with pytest.raises(control.AlreadyRunning, match=rf"runs already in .* \(pid {os.getpid()}\)"):
            await Supervisor(tmp_path, (entry(),), say=lambda _: None).run()
        assert (await asked(tmp_path, "ps"))["ok"]


async def test_a_socket_left_by_a_dead_lab_is_no_obstacle(tmp_path):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / control.SOCKET))
    with pytest.raises(control.NotRunning, match="no `mini up` answers in"):
        control.ask(tmp_path, "ps")
    async with lab(tmp_path):
        assert (await asked(tmp_path, "ps"))["ok"]


async def test_a_folder_deeper_than_a_socket_address_is_long(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    async with lab(deep):
        assert (await asked(deep, "ps"))["ok"]


async def test_a_server_of_several_nodes_starts_together_and_stops_one_by_one(tmp_path):
    kafka = next(server for server in SERVERS if server.name == "kafka")
    async with lab(tmp_path, kafka, ports={"kafka": 0}) as (supervisor, said):
        first = supervisor.members["kafka-1"].port
        assert {name: member.port for name, member in supervisor.members.items()} == {
            "kafka-1": first,
            "kafka-2": first + 2,
            "kafka-3": first + 4,
        }
        assert said[1].startswith(f"kafka: ready on ports {first}, {first + 2}, {first + 4} after ")
        assert (await asked(tmp_path, "kill", "kafka-2"))["text"] == "kafka-2: gone, by SIGKILL"
        assert (await asked(tmp_path, "start", "kafka-2"))["text"] == "kafka-2: started"
        assert (tmp_path / "kafka-2" / "meta.properties").is_file()
    stopping = [f"kafka-{number}: stopping ..." for number in (3, 2, 1)]
    assert said[-4:] == [*stopping, "all stopped"]
    assert [member.child.exit_code for member in supervisor.members.values()] == [0, 0, 0]


def test_rows_are_aligned_and_a_stopped_server_has_no_pid():
    row = {
        "name": "redis",
        "state": "stopped",
        "address": "127.0.0.1:6379",
        "pid": None,
        "connect": "redis-cli",
    }
    assert table([row]) == [
        "server  state    address         pid  connect with",
        "redis   stopped  127.0.0.1:6379  -    redis-cli",
    ]


PROGRAM = """
import asyncio, sys
from pathlib import Path
from lab.supervisor import Supervisor
from tests.lab.test_supervisor import entry
sys.exit(asyncio.run(Supervisor(Path(sys.argv[1]), (entry(),)).run()))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_every_child_in_order(tmp_path, number):
    outer = Child("lab", [sys.executable, "-c", PROGRAM, str(tmp_path / "data")], tmp_path / "lab.log")
    outer.start()
    until(lambda: "Ctrl-C" in outer.last_lines())
    server = control.ask(tmp_path / "data", "ps")["servers"][0]
    os.kill(outer.pid, number)
    until(lambda: not outer.running)
    assert outer.exit_code == 0
    assert outer.last_lines(2).splitlines() == ["redis: stopping ...", "all stopped"]
    assert not peers.redis_answers(int(server["address"].partition(":")[2]))
