import socket
from math import inf

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from serving.admin import Admin, Histogram, Metric, connection_metrics
from serving.listener import AddressInUse
from serving.open_connections import OpenConnections


class Trouble:
    reason = None


@pytest.fixture
async def side_door():
    async def hello(request):
        return web.Response(text="hello")

    latency = Histogram((0.1, 1.0, inf), (2, 1, 1), 7.5)
    metrics = [
        Metric("commands", "counter", "Commands executed.", lambda: 41 + 1),
        Metric("keys", "gauge", "Keys held.", lambda: {("0",): 3, ("9",): 4}, labels=("database",)),
        Metric("latency_seconds", "histogram", "Time taken.", lambda: latency),
        *connection_metrics(OpenConnections()),
    ]
    admin = Admin("mini", metrics, lambda: Trouble.reason, [("GET", "/hello", hello)])
    await admin.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{admin.address[1]}") as session:
        yield session
    await admin.stop()


async def test_metrics_are_read_when_they_are_asked_for(side_door):
    async with side_door.get("/metrics") as response:
        text = await response.text()
        assert response.headers["Content-Type"].startswith("text/plain; version=")
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert {key: value for key, value in samples.items() if key[0].startswith("mini_")} == {
        ("mini_commands_total", ()): 42,
        ("mini_keys", ("0",)): 3,
        ("mini_keys", ("9",)): 4,
        ("mini_latency_seconds_bucket", ("0.1",)): 2,
        ("mini_latency_seconds_bucket", ("1.0",)): 3,
        ("mini_latency_seconds_bucket", ("+Inf",)): 4,
        ("mini_latency_seconds_count", ()): 4,
        ("mini_latency_seconds_sum", ()): 7.5,
        ("mini_connections", ()): 0,
        ("mini_connections_accepted_total", ()): 0,
        ("mini_connections_refused_total", ()): 0,
        ("mini_connections_dropped_total", ("idle",)): 0,
        ("mini_connections_dropped_total", ("output buffer",)): 0,
        ("mini_connections_dropped_total", ("query buffer",)): 0,
    }
    assert ("process_resident_memory_bytes", ()) in samples


async def test_health_is_200_or_503_with_the_reason(side_door, monkeypatch):
    async with side_door.get("/health") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})
    monkeypatch.setattr(Trouble, "reason", "loading")
    async with side_door.get("/health") as response:
        assert (response.status, await response.json()) == (
            503,
            {"status": "unavailable", "reason": "loading"},
        )


async def test_a_server_adds_routes(side_door):
    async with side_door.get("/hello") as response:
        assert await response.text() == "hello"


async def test_a_taken_admin_port_is_told_as_any_other():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressInUse, match=rf"^127\.0\.0\.1:{port} \(admin\) is taken"):
            await Admin("mini", [], lambda: None).start("127.0.0.1", port)
