"""The crowd: several clients at once, against redis-server 7.0.15 and against ours, step by step.

What the comparer cannot see with one client, this does: who is woken, who is pushed a message, whose transaction breaks,
who is held by CLIENT PAUSE.  After each request, everything that every client was sent is compared.

    python -m tests.oracles.crowd --seed 1 --seeds 20 --count 200      shows the first difference and what led to it
"""

from __future__ import annotations

import argparse
import re
import socket
import time
from random import Random

from tests.miniredis.engine_fixtures import Redis
from tests.oracles.real_redis import RawClient, real_redis, request

CLIENTS = 4
OPTIONS = ("--enable-debug-command", "yes")

REQUESTS = [line.split() for line in b"""
    SET k0 1 | INCR k0 | DEL k0 | GET k0 | EXISTS k0 k1 | RENAME k0 k1 | COPY k0 k1 REPLACE | DBSIZE | FLUSHDB | FLUSHALL
    MULTI | EXEC | EXEC | WATCH k0 | WATCH k1 | UNWATCH | SWAPDB 0 1 | SELECT 1 | SELECT 0 | RESET | PING
    PUBLISH c0 m | PUBLISH c1 m | SPUBLISH c0 m | SUBSCRIBE c0 | SUBSCRIBE c0 c0 | PSUBSCRIBE c* c* | UNSUBSCRIBE
    UNSUBSCRIBE c1 c0 | PUNSUBSCRIBE | SSUBSCRIBE c0 | SUNSUBSCRIBE | PUBSUB NUMSUB c0 c1 | PUBSUB NUMPAT
    CLIENT REPLY SKIP | CLIENT REPLY OFF | CLIENT REPLY ON | CLIENT PAUSE 100000 WRITE | CLIENT UNPAUSE | DEBUG SLEEP 0
    ZADD z 1 a 2 b | ZADD z 1 a | COPY z y | BZPOPMIN z 0 | BZMPOP 0 2 z y MIN | WAIT 1 0 | MONITOR
    CONFIG SET notify-keyspace-events KEA | CONFIG SET notify-keyspace-events "" | UNBLOCK | UNBLOCK ERROR
""".replace(b'""', b"@").replace(b"\n", b"|").split(b"|") if line.split()]  # fmt: skip
"""UNBLOCK stands for CLIENT UNBLOCK of somebody; @ for an empty word."""


class Disagreement(Exception):
    """Where the two part ways, with the steps before."""


def compare(seed: int, steps: int, control: RawClient) -> None:
    """Let four clients say `steps` random things to both servers.  Raises Disagreement."""
    random = Random(seed)
    ours = Redis(enable_debug_command="yes")
    control.call(b"CLIENT", b"UNPAUSE")
    control.call(b"FLUSHALL")
    control.call(b"CONFIG", b"SET", b"notify-keyspace-events", b"")
    theirs = [_connect(control.port) for _ in range(CLIENTS)]
    mine = [ours.connect() for _ in range(CLIENTS)]
    numbers = [
        (int(client.call(b"CLIENT", b"ID")[1:]), session.id) for client, session in zip(theirs, mine, strict=True)
    ]
    for client in theirs:
        client.socket.setblocking(False)
    history: list[str] = []
    try:
        for step in range(steps):
            who, words = random.randrange(CLIENTS), random.choice(REQUESTS)
            real_words = our_words = [word.replace(b"@", b"") for word in words]
            if words[0] == b"UNBLOCK":
                target = random.randrange(CLIENTS)
                if mine[target].paused:  # 7.0.15 does not survive it
                    continue
                real_number, our_number = numbers[target]
                real_words = [b"CLIENT", b"UNBLOCK", b"%d" % real_number, *words[1:]]
                our_words = [b"CLIENT", b"UNBLOCK", b"%d" % our_number, *words[1:]]
            if (mine[who].in_transaction or mine[who].blocked) and words[0].endswith(b"SUBSCRIBE"):
                continue  # a message to oneself inside EXEC: 7.2 sends it behind the reply
            history.append(f"{who}: {b' '.join(real_words).decode()}")
            theirs[who].socket.sendall(request(real_words))
            try:
                _settle(control)
            except ConnectionError as error:
                before = "\n    ".join(history[-40:])
                raise Disagreement(f"seed {seed}, step {step}: the real server is gone\n    {before}") from error
            mine[who].run([our_words])
            ours.turn()
            for number, (client, session) in enumerate(zip(theirs, mine, strict=True)):
                real, our = _plain(_arrived(client)), _plain(ours.said(session))
                if real != our:
                    before = "\n    ".join(history[-60:])
                    raise Disagreement(
                        f"seed {seed}, step {step}, client {number}\n  real {real!r}\n  ours {our!r}\n    {before}"
                    )
    finally:
        for client in theirs:
            client.close()


def _connect(port: int) -> RawClient:
    client = RawClient(port)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what has no reply must not wait for one
    return client


def _settle(control: RawClient) -> None:
    """Wait until the server has seen and answered what was sent before: it serves sockets in turns."""
    for _ in range(3):
        control.call(b"PING")


def _arrived(client: RawClient) -> bytes:
    try:
        return client.socket.recv(1 << 20)
    except BlockingIOError:
        return b""


def _plain(data: bytes) -> bytes:
    """Without what must differ: time and address in what MONITOR shows, and the pings of the control client."""
    data = re.sub(rb"\+[0-9.]+ \[(\d+) [^\]]*\]", rb"+[\1]", data)
    return data.replace(b'+[0] "PING"\r\n', b"")


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare ours with redis-server 7.0.15, several clients at once.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    with real_redis(*OPTIONS) as control:
        control.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.monotonic()
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            try:
                compare(seed, arguments.count, control)
            except Disagreement as disagreement:
                raise SystemExit(str(disagreement)) from None
        print(f"{arguments.seeds} crowds of {arguments.count} steps alike, {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
