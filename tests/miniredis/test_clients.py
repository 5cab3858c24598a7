"""The clients that must not notice the difference, against the program itself: redis-py, redis-cli, redis-benchmark,
Celery."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis
from redis.lock import Lock

from lab.peers import mini_redis, tool

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30


@pytest.fixture(scope="module")
def port():
    with mini_redis("--busy-reply-threshold", "100") as peer:
        yield peer.port


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def client(port, request):
    with redis.Redis(port=port, protocol=request.param, decode_responses=True) as client:
        client.flushall()
        yield client


def test_redis_py_reads_every_shape_of_reply(client):
    client.set("s", "v", ex=100)
    client.hset("h", mapping={"a": 1, "b": 2})
    client.zadd("z", {"one": 1, "two": 2.5})
    client.sadd("set", "x")
    client.rpush("l", *"abc")
    assert client.hgetall("h") == {"a": "1", "b": "2"}
    assert [list(pair) for pair in client.zrange("z", 0, -1, withscores=True)] == [["one", 1.0], ["two", 2.5]]
    assert client.smembers("set") == {"x"}
    assert client.lrange("l", 0, -1) == ["a", "b", "c"]
    assert 0 < client.ttl("s") <= 100
    assert client.info("server")["redis_version"].startswith("7.2")
    assert client.config_get("maxmemory") == {"maxmemory": "0"}
    assert sorted(client.scan_iter("*")) == ["h", "l", "s", "set", "z"]
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.incr("l")


def test_a_transaction_with_watch_tries_again(client):
    client.set("n", 1)
    tries = []

    def add(pipe):
        tries.append(pipe.get("n"))
        if len(tries) == 1:
            client.incr("n")
        pipe.multi()
        pipe.set("n", int(tries[-1]) + 10)

    client.transaction(add, "n")
    assert (tries, client.get("n")) == (["1", "2"], "12")


def test_messages_reach_subscribers_of_channels_and_patterns(client):
    listener = client.pubsub()
    listener.subscribe("news")
    listener.psubscribe("n*")
    told = [listener.get_message(timeout=DEADLINE_S)["type"] for _ in range(2)]
    assert told == ["subscribe", "psubscribe"]
    assert client.publish("news", "hello") == 2
    got = [listener.get_message(timeout=DEADLINE_S) for _ in range(2)]
    assert [(one["type"], one["data"]) for one in got] == [("message", "hello"), ("pmessage", "hello")]
    listener.close()


def test_a_blocked_client_gets_what_comes(client, port):
    got = []
    waiting = threading.Thread(
        target=lambda: got.append(redis.Redis(port=port, decode_responses=True).blpop("jobs", DEADLINE_S))
    )
    waiting.start()
    until("blocked_clients:1", lambda: client.info("clients")["blocked_clients"] == 1)
    client.rpush("jobs", "wash")
    waiting.join(DEADLINE_S)
    assert got == [("jobs", "wash")]


def test_locks_and_registered_scripts(client):
    lock = Lock(client, "lock", timeout=10)
    assert lock.acquire(blocking=False)
    assert not Lock(client, "lock", timeout=10).acquire(blocking=False)
    lock.release()
    double = client.register_script("return tonumber(redis.call('get', KEYS[1])) * ARGV[1]")
    client.set("n", 21)
    assert double(keys=["n"], args=[2]) == 42


def test_others_are_told_busy_and_a_new_client_too_until_the_script_is_killed(client, port):
    ended = []

    def endless():
        with pytest.raises(redis.ResponseError) as error:
            redis.Redis(port=port).eval("while true do end", 0)
        ended.append(str(error.value))

    running = threading.Thread(target=endless)
    running.start()

    def busy():
        try:
            return bool(client.get("x")) and False
        except redis.ResponseError as error:
            return str(error).startswith("BUSY")

    until("BUSY", busy)
    newcomer = redis.Redis(port=port, protocol=2)
    with pytest.raises(redis.ResponseError, match="BUSY"):
        newcomer.get("x")
    assert newcomer.script_kill()
    running.join(DEADLINE_S)
    assert "Script killed by user" in ended[0]
    assert newcomer.set("x", 1) and client.get("x") == "1"


def until(what, condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(0.01)


def cli(port: int, *words: str, **how) -> str:
    done = subprocess.run(
        [tool("redis-cli"), "-p", str(port), *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
        **how,
    )
    return done.stdout


def test_redis_cli_and_its_modes(port, client):
    assert cli(port, "set", "k", "v") == "OK\n"
    assert cli(port, "-3", "hello").startswith("server redis\nversion 7.2")
    sets = "".join(f"SET key:{number} value\r\n" for number in range(10_000))
    assert "errors: 0, replies: 10000" in cli(port, "--pipe", input=sets)
    assert len(cli(port, "--scan").split()) == 10_001
    assert "10001 strings with" in cli(port, "--bigkeys")
    assert cli(port, "object", "help").startswith("OBJECT")


def test_redis_benchmark_completes_all_its_tests(port):
    done = subprocess.run(
        [tool("redis-benchmark"), "-p", str(port), "-n", "500", "-c", "10", "-P", "4", "--csv"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    names = [line.split('"')[1] for line in done.stdout.splitlines()[1:]]
    assert len(names) >= 18 and "MSET (10 keys)" in names
    assert "ERR" not in done.stdout + done.stderr


CELERY = """
from celery import Celery
app = Celery("sums", broker="redis://127.0.0.1:{port}/0", backend="redis://127.0.0.1:{port}/1")

@app.task
def add(left, right):
    return left + right
"""


def test_a_celery_worker_uses_it_as_broker_and_result_store(port, tmp_path, monkeypatch):
    (tmp_path / "sums.py").write_text(CELERY.format(port=port))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "celery", "-A", "sums", "worker", "-P", "solo", "-l", "error", "--without-gossip"]
    worker = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        monkeypatch.syspath_prepend(tmp_path)
        import sums

        results = [sums.add.delay(number, 1) for number in range(20)]
        assert [result.get(timeout=DEADLINE_S) for result in results] == list(range(1, 21))
    finally:
        worker.terminate()
        try:
            worker.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
