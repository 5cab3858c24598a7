"""The limiter as `mini up` starts it: its state in our Redis, which is killed and comes back."""

import asyncio
from urllib.error import HTTPError
from urllib.request import urlopen

from lab.servers import SERVERS
from tests.lab.test_supervisor import asked, lab

RULES = '[server]\nstore_timeout_ms = 3000\n[[rules]]\nname = "a"\nwho = "ip"\nlimit = "2 per hour"\n'


async def statuses(port, times):
    """What /auth answers, so many times."""

    def one():
        try:
            with urlopen(f"http://127.0.0.1:{port}/auth", timeout=10) as answer:
                return answer.status
        except HTTPError as refusal:
            return refusal.code

    return [await asyncio.to_thread(one) for _ in range(times)]


async def test_its_state_is_in_redis_and_outlives_it_while_rules_fail_open(tmp_path):
    redis, ratelimit = (next(one for one in SERVERS if one.name == name) for name in ("redis", "ratelimit"))
    (tmp_path / "ratelimit").mkdir()
    (tmp_path / "ratelimit" / "rules.toml").write_text(RULES)
    async with lab(tmp_path, redis, ratelimit, ports={"redis": 0, "ratelimit": 0}) as (supervisor, said):
        port = supervisor.members["ratelimit"].port
        assert any(f"curl -i localhost:{port}/auth" in text for text in said)
        assert await statuses(port, 3) == [200, 200, 429]
        await asked(tmp_path, "stop", "ratelimit")
        await asked(tmp_path, "start", "ratelimit")
        assert await statuses(port, 1) == [429]
        await asked(tmp_path, "stop", "redis")
        assert await statuses(port, 1) == [200]
        await asked(tmp_path, "start", "redis")
        async with asyncio.timeout(20):
            while await statuses(port, 1) != [429]:  # noqa: ASYNC110  what is awaited is another process
                await asyncio.sleep(0.05)


def test_a_newcomer_finds_rules_to_change(tmp_path):
    ratelimit = next(one for one in SERVERS if one.name == "ratelimit")
    command = ratelimit.command_of(1, 8429, tmp_path, [6380])
    rules = tmp_path / "rules.toml"
    assert command[-5:] == [str(rules), "--port", "8429", "--store", "redis://127.0.0.1:6380"]
    assert "[[rules]]" in rules.read_text()
    rules.write_text(RULES)
    ratelimit.command_of(1, 8429, tmp_path, [6380])
    assert rules.read_text() == RULES
