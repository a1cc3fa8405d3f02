"""What does a server tell those who watch it: figures for Prometheus, and one line a request?"""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

from mlops_lab.base.clock import Clock, SystemClock

if TYPE_CHECKING:
    from mlops_lab.delivery.server.model import ServedModel

__all__ = ["Figures", "Log"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SHARES = tuple(tenth / 10 for tenth in range(1, 11))


class Log:
    """Structured logs: each event is one line of JSON.

    >>> from mlops_lab.base.clock import FakeClock
    >>> import sys
    >>> Log(sys.stdout, clock=FakeClock("2014-01-01")).tell("ready", model="late", version=2)
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


class Figures:
    """What Prometheus collects (https://prometheus.io/docs/practices/naming/).

    >>> figures = Figures()
    >>> figures.answered("/invocations", 200, seconds=0.002, scores=[0.25])
    >>> [line for line in figures.text().decode().splitlines() if line.startswith("mlops_lab_rows_total")]
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
        self._scores = prometheus.Histogram("score", "Probabilities given.", buckets=_SHARES, **shared)
        self._model = prometheus.Info("model", "The version that answers.", **shared)
        self._ready = prometheus.Gauge("ready", "1 when the server takes requests.", **shared)
        self._age = prometheus.Gauge(
            "features_age_seconds", "How long ago the features of the last answer were materialised.", **shared
        )
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
            for score in scores:
                self._scores.observe(score)

    def serves(self, model: ServedModel) -> None:
        """The version that answers from now on."""
        self._model.info({"name": model.name, "version": str(model.version), "artefact": model.artefact})

    def features_are(self, seconds: float) -> None:
        """How old the features of an answer were."""
        self._age.set(seconds)

    def is_ready(self, ready: bool) -> None:
        """Does the server take requests?"""
        self._ready.set(int(ready))

    def text(self) -> bytes:
        """The figures in Prometheus' text format."""
        import prometheus_client

        return prometheus_client.generate_latest(self._registry)
