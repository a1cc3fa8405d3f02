"""What a server knows of itself: its platform's contract, its limits, metrics and log, and whether it is ready."""

from __future__ import annotations

import itertools
import json
import re
import sys
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.delivery.server.bodies import RequestError
from mlops_lab.delivery.server.predictor import Predictor

_ROUTE = re.compile(r"/[A-Za-z0-9_.:/-]*")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SHARES = tuple(tenth / 10 for tenth in range(1, 11))


@dataclass(frozen=True)
class Limits:
    """What a server takes from its clients.

    Attributes:
        body_bytes: the largest body; SageMaker's own limit is 25 MB, Vertex AI's 1.5 MB.
        rows: the most rows of one request.
        body_seconds: how long a client may take to send headers, and then a body.
        answer_seconds: how long an answer may wait for the online store; SageMaker gives up after 60.
        connections: the most requests at once; more are told to come back (503).
        drain_seconds: how long after SIGTERM a server still answers while it says that it is not ready.
        grace_seconds: how long after that an unfinished request may take.

    >>> Limits(rows=64).rows
    64
    >>> Limits(rows=0)
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidDefinition: rows must be above 0, not 0.
    """

    body_bytes: int = 1_500_000
    rows: int = 1000
    body_seconds: float = 10.0
    answer_seconds: float = 30.0
    connections: int = 512
    drain_seconds: float = 0.0
    grace_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("body_bytes", "rows", "body_seconds", "answer_seconds", "connections", "grace_seconds"):
            if not getattr(self, name) > 0:
                raise InvalidDefinition(f"{name} must be above 0, not {getattr(self, name)!r}.")
        if not self.drain_seconds >= 0:
            raise InvalidDefinition(f"drain_seconds must not be below 0, not {self.drain_seconds!r}.")


@dataclass(frozen=True)
class Contract:
    """Where a platform expects its container: the port, the two routes, and the folder with the model.

    >>> Contract()
    Contract(port=8080, health_route='/health', predict_route='/predict', home=None)
    """

    port: int = 8080
    health_route: str = "/health"
    predict_route: str = "/predict"
    home: Path | None = None


def contract_of(environment: Mapping[str, str]) -> Contract:
    """What the variables of a container's environment ask for.

    Vertex AI sets `AIP_HTTP_PORT`, `AIP_HEALTH_ROUTE`, `AIP_PREDICT_ROUTE` and `AIP_STORAGE_URI`
    (https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements), SageMaker
    `SAGEMAKER_BIND_TO_PORT`. `AIP_STORAGE_URI` names a home folder: a path, a `file://` address, or a bucket that is
    mounted below `/gcs/`, as Vertex AI does.

    Raises:
        InvalidDefinition: a variable that makes no sense.

    >>> contract_of({"AIP_HTTP_PORT": "9000", "AIP_PREDICT_ROUTE": "/v1/late:predict"}).port
    9000
    >>> contract_of({"AIP_STORAGE_URI": "gs://flights/home"}).home.as_posix()
    '/gcs/flights/home'
    """
    port = environment.get("AIP_HTTP_PORT") or environment.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    if not (port.isdigit() and 0 < int(port[:6]) < 65536):
        raise InvalidDefinition(f"AIP_HTTP_PORT must be a port from 1 to 65535, not {port!r:.20}.")
    routes = {}
    for name, usual in (("AIP_HEALTH_ROUTE", "/health"), ("AIP_PREDICT_ROUTE", "/predict")):
        routes[name] = environment.get(name) or usual
        if not _ROUTE.fullmatch(routes[name]):
            raise InvalidDefinition(f"{name} must be a path such as {usual}, not {routes[name]!r:.80}.")
    if routes["AIP_HEALTH_ROUTE"] == routes["AIP_PREDICT_ROUTE"]:
        raise InvalidDefinition(f"AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE are both {routes['AIP_HEALTH_ROUTE']!r:.80}.")
    return Contract(int(port), routes["AIP_HEALTH_ROUTE"], routes["AIP_PREDICT_ROUTE"], _home(environment))


class AccessLog:
    """Structured logs: each event is one line of JSON.

    >>> from mlops_lab.base.clock import FakeClock
    >>> import sys
    >>> AccessLog(sys.stdout, clock=FakeClock("2014-01-01")).tell("ready", model="late", version=2)
    {"at": "2014-01-01T00:00:00.000+00:00", "event": "ready", "model": "late", "version": 2}
    """

    def __init__(self, stream: TextIO | None = None, *, clock: Clock | None = None, quiet: bool = False) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = SystemClock() if clock is None else clock
        self._lock = threading.Lock()
        self.quiet = quiet

    def request(self, **facts: Any) -> None:
        """One answered request; when `quiet` only one that failed here, which its client is told to look up."""
        if not self.quiet or facts.get("status", 0) == 500:
            self.tell("request", **facts)

    def tell(self, event: str, **facts: Any) -> None:
        """Write one event."""
        line = json.dumps({"at": self._clock.now().isoformat(timespec="milliseconds"), "event": event, **facts})
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # nobody reads the log any more; that is no reason to stop answering
                self.quiet = True


class _Scores:
    """The histogram of the scores; counting a thousand by prometheus_client's own takes longer than predicting them."""

    def __init__(self) -> None:
        self._counts, self._sum = [0] * (len(_SHARES) + 1), 0.0
        self._lock = threading.Lock()

    def observe(self, scores: list[float]) -> None:
        with self._lock:
            self._sum += sum(scores)
            for score in scores:
                self._counts[bisect_left(_SHARES, score)] += 1

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import HistogramMetricFamily

        with self._lock:
            counts, total = list(itertools.accumulate(self._counts)), self._sum
        bounds = [*map(str, _SHARES), "+Inf"]
        buckets = list(zip(bounds, counts, strict=True))
        yield HistogramMetricFamily("mlops_lab_score", "Probabilities given.", buckets=buckets, sum_value=total)


class Metrics:
    """What Prometheus collects (https://prometheus.io/docs/practices/naming/).

    >>> metrics = Metrics()
    >>> metrics.answered("/invocations", 200, seconds=0.002, scores=[0.25])
    >>> [line for line in metrics.text().decode().splitlines() if line.startswith("mlops_lab_rows_total")]
    ['mlops_lab_rows_total 1.0']
    """

    def __init__(self) -> None:
        import prometheus_client as prometheus

        self._registry = prometheus.CollectorRegistry()
        shared: dict[str, Any] = {"namespace": "mlops_lab", "registry": self._registry}
        self._requests = prometheus.Counter("requests", "Requests answered.", ["route", "status"], **shared)
        self._seconds = prometheus.Histogram(
            "request_seconds", "Time from the first byte of a request to its answer.", ["route"], buckets=_SECONDS,
            **shared,
        )  # fmt: skip
        self._rows = prometheus.Counter("rows", "Rows predicted.", **shared)
        self._scores = _Scores()
        self._registry.register(self._scores)
        self.model = prometheus.Info("model", "The version that answers.", **shared)
        self.ready = prometheus.Gauge("ready", "1 when the server takes requests.", **shared)
        self.features_age = prometheus.Gauge(
            "features_age_seconds", "How long ago the features of the last answer were materialised.", **shared
        )
        self.unknown_words = prometheus.Counter(
            "unknown_words", "Texts that the model never saw in training, by column.", ["column"], **shared
        )
        self.routed = prometheus.Gauge("routed", "What a router did so far.", ["did", "version"], **shared)
        self._children: dict[tuple[str, int], tuple[Any, Any]] = {}

    def answered(self, route: str, status: int, *, seconds: float, scores: list[float] | None = None) -> None:
        """One request and what became of it."""
        found = self._children.get((route, status))
        if found is None:
            found = (self._requests.labels(route, str(status)), self._seconds.labels(route))
            self._children[route, status] = found
        found[0].inc()
        found[1].observe(seconds)
        if scores:
            self._rows.inc(len(scores))
            self._scores.observe(scores)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        import prometheus_client

        return prometheus_client.generate_latest(self._registry)


@dataclass
class ServerState:
    """What the routes of a server share.

    It is *live* as long as it answers at all, and *ready* from the moment its model is loaded to the moment it is told
    to stop. Kubernetes restarts what is not live, and sends nobody to what is not ready.

    >>> state = ServerState(name="late")
    >>> state.ready, state.why
    (False, 'the model is being loaded')
    """

    name: str
    limits: Limits = field(default_factory=Limits)
    log: AccessLog = field(default_factory=AccessLog)
    metrics: Metrics = field(default_factory=Metrics)
    predictor: Predictor | None = None
    why: str = "the model is being loaded"
    stopping: bool = False
    under_way: int = 0  # requests that have begun and not ended; probes are none
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def ready(self) -> bool:
        """Does it take requests?"""
        return self.predictor is not None and not self.stopping

    def open(self, predictor: Predictor) -> None:
        """Take requests from now on."""
        self.predictor = predictor
        model = predictor.model
        self.metrics.model.info({"name": model.name, "version": str(model.version), "artifact": model.artifact})
        self.metrics.ready.set(1)
        self.log.tell(
            "ready", model=model.name, version=model.version, artifact=model.artifact, compiled=model.compiled
        )

    def close(self) -> None:
        """Say that it is not ready; what is asked all the same is still answered."""
        self.stopping, self.why = True, "the server is stopping"
        self.metrics.ready.set(0)

    def working_predictor(self) -> Predictor:
        """The predictor that answers.

        Raises:
            RequestError: 503 as long as there is none.
        """
        if self.predictor is None:
            raise RequestError(503, "NotReady", f"not ready: {self.why}; ask again in a moment.")
        return self.predictor

    def next_id(self) -> str:
        """A name for a request that brought none of its own."""
        return f"request-{next(self._numbers)}"


def _home(environment: Mapping[str, str]) -> Path | None:
    found = environment.get("AIP_STORAGE_URI", "")
    if not found:
        return None
    parts = urlsplit(found)
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path) if parts.scheme else found)
    if parts.scheme == "gs":
        return Path("/gcs") / parts.netloc / unquote(parts.path).lstrip("/")
    raise InvalidDefinition(f"AIP_STORAGE_URI must be gs://, file:// or a path, not {found!r:.80}.")
