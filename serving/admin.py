"""The side door: metrics and health over HTTP, apart from the port that clients use.

    GET /metrics    Prometheus text: what the server's table of metrics reads at that moment
    GET /health     200 {"status": "ok"}, or 503 and why not: loading, draining, cannot write
    ...             routes a server adds

Nothing is counted here.  A server keeps plain integers where things happen, as cheap as `+= 1`, and the table
says how to read them when somebody asks:

    METRICS = [
        Metric("commands_total", "counter", "Commands executed.", lambda: server.commands),
        Metric("keys", "gauge", "Keys held.", lambda: {("0",): len(database)}, labels=("database",)),
    ]

The registry is the server's own: two servers in one process (a test, a simulation) do not share a figure.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from serving.listener import listen_error
from serving.open_connections import OpenConnections

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Histogram:
    """Upper bounds, the last one infinite; how many observations fell under each alone; the sum of all."""

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float


Figure = float | Histogram
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Metric:
    """One row: its name without the server's prefix, and how to read it now.

    read     the figure, or one for each tuple of label values
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    doc: str
    read: Callable[[], Figure | Mapping[Labels, Figure]]
    labels: Labels = ()

    def family(self, prefix: str) -> Family:
        """In the words of prometheus-client."""
        name = f"{prefix}_{self.name}"
        figures = self.read()
        by_label = figures if isinstance(figures, Mapping) else {(): figures}
        if self.kind == "histogram":
            family = HistogramMetricFamily(name, self.doc, labels=self.labels)
            for labels, figure in by_label.items():
                assert isinstance(figure, Histogram)
                family.add_metric(labels, list(_cumulated(figure)), figure.total)
            return family
        plain: CounterMetricFamily | GaugeMetricFamily
        if self.kind == "counter":
            plain = CounterMetricFamily(name, self.doc, labels=self.labels)
        else:
            plain = GaugeMetricFamily(name, self.doc, labels=self.labels)
        for labels, figure in by_label.items():
            assert not isinstance(figure, Histogram)
            plain.add_metric(labels, figure)
        return plain


def _cumulated(histogram: Histogram) -> Iterator[tuple[str, float]]:
    running = 0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=True):
        running += count
        yield ("+Inf" if bound == float("inf") else repr(float(bound))), running


def connection_metrics(connections: OpenConnections) -> list[Metric]:
    """The rows that every server has."""

    def dropped() -> dict[Labels, Figure]:
        return {
            ("idle",): connections.dropped_idle,
            ("output buffer",): connections.dropped_output,
            ("query buffer",): connections.dropped_query_buffer,
        }

    return [
        Metric("connections", "gauge", "Open client connections.", lambda: len(connections)),
        Metric("connections_accepted", "counter", "Clients let in.", lambda: connections.accepted),
        Metric("connections_refused", "counter", "Clients past the limit.", lambda: connections.refused),
        Metric(
            "connections_dropped",
            "counter",
            "Clients that passed a limit of theirs.",
            dropped,
            labels=("limit",),
        ),
    ]


class _Table:
    """What prometheus-client calls a collector: asked at each scrape."""

    def __init__(self, prefix: str, metrics: Sequence[Metric]) -> None:
        self._prefix, self._metrics = prefix, metrics

    def collect(self) -> Iterable[Family]:
        return [metric.family(self._prefix) for metric in self._metrics]

    def describe(self) -> Iterable[Family]:
        """Nothing beforehand: the figures may not be there yet."""
        return ()


class Admin:
    """The HTTP server beside a server.

    prefix    begins the name of each metric: "miniredis"
    health    None while all is well, else what is not
    routes    (method, path, handler) in aiohttp's terms
    """

    def __init__(
        self,
        prefix: str,
        metrics: Sequence[Metric],
        health: Callable[[], str | None],
        routes: Sequence[tuple[str, str, Handler]] = (),
        *,
        process_metrics: bool = True,
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Table(prefix, metrics))
        if process_metrics:
            ProcessCollector(registry=self.registry)
        self._health = health
        self._app = web.Application()
        self._app.router.add_get("/metrics", self._answer_metrics)
        self._app.router.add_get("/health", self._answer_health)
        for method, path, handler in routes:
            self._app.router.add_route(method, path, handler)
        self._runner = web.AppRunner(self._app, handle_signals=False, access_log=None)
        self.address: tuple[str, int] | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen.  Raises AddressInUse, ListenError."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise listen_error(error, f"{host}:{port} (admin)") from None
        bound = self._runner.addresses[0]
        self.address = (bound[0], bound[1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer_metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self.registry), headers={"Content-Type": content_type})

    async def _answer_health(self, request: web.Request) -> web.Response:
        trouble = self._health()
        body = {"status": "ok"} if trouble is None else {"status": "unavailable", "reason": trouble}
        return web.Response(
            text=json.dumps(body), status=200 if trouble is None else 503, content_type="application/json"
        )
