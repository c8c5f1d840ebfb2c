"""GET /healthz, /readyz, /metrics and /openapi.json: for machines that watch and programs that learn."""

from collections.abc import Iterator
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from twin.api.operation import Call, NoQuery, Operation
from twin.core import Twin

__all__ = ["OPERATIONS", "HttpFigures", "TwinFigures"]

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = {"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"}
_BUCKETS_S = (0.005, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)


class Alive(msgspec.Struct):
    """The process answers; `scoring` says how the detectors do, which may fail without the twin failing."""

    status: str
    version: str
    scoring: dict[str, Any] = {}


class Ready(msgspec.Struct):
    """Whether what arrives is stored; `degraded` says why not."""

    ready: bool
    connected: bool
    degraded: str | None


class HttpFigures:
    """Counts and times requests by operation; paths of operations only, so that their number is bounded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = ("method", "path")
        self.requests = Counter("aid4_http_requests", "answers", [*names, "status"], registry=registry)
        self.seconds = Histogram(
            "aid4_http_seconds", "time to the answer's first byte", names, registry=registry, buckets=_BUCKETS_S
        )

    def note(self, method: str, path: str, status: int, seconds: float) -> None:
        """One answer."""
        method = method if method in _METHODS else "other"
        self.requests.labels(method, path, str(status)).inc()
        self.seconds.labels(method, path).observe(seconds)


class TwinFigures(Collector):
    """Reads ingest, store, sockets and SQL when Prometheus asks."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin

    def collect(self) -> Iterator[Metric]:
        """All families."""
        twin = self._twin
        yield _gauge("aid4_degraded", "1 while what arrives cannot be stored", float(twin.degraded is not None))
        yield _gauge("aid4_broker_connected", "1 while the broker is there", float(twin.connected))
        yield _gauge("aid4_points", "points of the catalogue", len(twin.directory.views))
        yield _gauge("aid4_points_bound", "points bound to an element", len(twin.bindings))
        yield _gauge("aid4_elements", "elements of the live model", len(twin.model))
        yield _gauge("aid4_store_reopened", "times that DuckDB was opened anew", twin.store.writer.reopened)
        yield _gauge("aid4_live_sockets", "open sockets of /live", len(twin.live.clients))
        yield _family("aid4_live", "frames, rows, dropped, bytes, refused of /live", "what", twin.live.counts)
        yield _family("aid4_sql", "users' queries", "what", twin.sql.counts)
        yield _gauge("aid4_scoring", "1 while detectors score what arrives", float(not twin.scoring.problem))
        yield _family("aid4_scoring_figures", "what the scorer counts", "what", twin.scoring.figures())
        yield _family("aid4_uploads", "files of drones and what became of them", "what", twin.drones.uploads.counts)
        if twin.ingest is not None:
            counts = {**twin.ingest.metrics, **twin.ingest.absorber.counts}
            yield _family("aid4_ingest", "what arrived and what became of it", "what", counts)
        online = GaugeMetricFamily("aid4_node_online", "1 while the agent is there", labels=["node"])
        behind = GaugeMetricFamily("aid4_node_lag_records", "records that wait at the agent", labels=["node"])
        for node in twin.nodes():
            online.add_metric([node.node], float(node.online))
            behind.add_metric([node.node], node.lag_records)
        yield from (online, behind)


async def healthz(call: Call[NoQuery, None]) -> Alive:
    """The process is alive."""
    return Alive("ok", call.twin.version, call.twin.scoring.status())


async def readyz(call: Call[NoQuery, None]) -> Any:
    """200 when what arrives is stored, else 503."""
    twin = call.twin
    state = Ready(twin.degraded is None, twin.connected, twin.degraded)
    return Response(msgspec.json.encode(state), 200 if state.ready else 503, media_type="application/json")


async def metrics(call: Call[NoQuery, None]) -> Response:
    """Prometheus text."""
    return Response(generate_latest(call.request.app.state.registry), media_type=_TEXT)


async def describe(call: Call[NoQuery, None]) -> Response:
    """OpenAPI of everything."""
    return Response(call.request.app.state.openapi, media_type="application/json")


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _family(name: str, text: str, label: str, counts: Any) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in sorted(counts.items()):
        family.add_metric([key], value)
    return family


OPERATIONS = [
    Operation("GET", "/healthz", healthz, "alive", answer=Alive),
    Operation("GET", "/readyz", readyz, "storing what arrives", answer=Ready),
    Operation("GET", "/metrics", metrics, "Prometheus metrics", media=("text/plain",)),
    Operation("GET", "/openapi.json", describe, "this description"),
]
