"""What a challenger's clients got, read from Prometheus, CloudWatch or Cloud Monitoring."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

from mlops_lab.base.errors import InvalidDefinition, MissingExtra, MlopsLabError


@dataclass(frozen=True)
class Seen:
    """Requests that a challenger got between two moments.

    Attributes: `answers` (all of them), `errors` (those that failed on the server's side), `seconds` (how long 19 of 20
    took at most; None where nobody measured).

    >>> Seen(answers=1200, errors=3, seconds=0.02)
    Seen(answers=1200, errors=3, seconds=0.02)
    """

    answers: int
    errors: int
    seconds: float | None = None


class Metrics(Protocol):
    """Where the figures come from."""

    def __call__(self, since: datetime, until: datetime) -> Seen:
        """What the challenger's clients got between two moments (UTC)."""


def _count(value: object) -> int:
    """A count that a store of metrics extrapolated, as a whole number; none where nobody asked."""
    number = float(str(value))
    return max(0, round(number)) if math.isfinite(number) else 0


class Prometheus:
    """The metrics of our own server, as Prometheus scraped them from the challenger's pods.

    Args:
        address: of Prometheus, such as http://prometheus.monitoring:9090.
        labels: which series are the challenger's.
        fetch: what gets a URL's text; for tests.

    Raises:
        InvalidDefinition: the address is none.

    >>> def fetch(url):
    ...     value = "3" if "5.." in url else "0.02" if "quantile" in url else "1200"
    ...     return json.dumps({"status": "success", "data": {"result": [{"value": [0, value]}]}})
    >>> from mlops_lab.base.clock import parse_utc
    >>> Prometheus("http://prometheus:9090", fetch=fetch)(parse_utc("2014-01-01"), parse_utc("2014-01-01T00:10:00Z"))
    Seen(answers=1200, errors=3, seconds=0.02)
    """

    def __init__(
        self, address: str, *, labels: str = 'track="canary"', fetch: Callable[[str], str] | None = None
    ) -> None:
        if urlsplit(address).scheme not in ("http", "https"):
            raise InvalidDefinition(f"{address!r} is no address of a Prometheus; write http://HOST:PORT.")
        self._address, self._labels = address.rstrip("/"), labels
        self._fetch = fetch if fetch is not None else _fetch

    def __call__(self, since: datetime, until: datetime) -> Seen:
        """What the challenger's clients got between two moments (UTC)."""
        window = f"[{max(1, round((until - since).total_seconds()))}s]"
        asked = f'{self._labels},route=~".*(invocations|predict|infer)"'
        counts = f"sum(increase(mlops_lab_requests_total{{{asked}}}{window}))"
        errors = f'sum(increase(mlops_lab_requests_total{{{asked},status=~"5.."}}{window}))'
        rates = f"sum by (le) (rate(mlops_lab_request_seconds_bucket{{{asked}}}{window}))"
        slow = self._value(f"histogram_quantile(0.95, {rates})", until)
        seconds = slow if slow is not None and math.isfinite(slow) else None
        return Seen(_count(self._value(counts, until) or 0), _count(self._value(errors, until) or 0), seconds)

    def _value(self, query: str, at: datetime) -> float | None:
        url = f"{self._address}/api/v1/query?{urlencode({'query': query, 'time': at.timestamp()})}"
        try:
            answer = json.loads(self._fetch(url))
            if answer["status"] != "success":
                raise ValueError(answer)
            result = answer["data"]["result"]
            return float(result[0]["value"][1]) if result else None
        except (ValueError, KeyError, IndexError, TypeError):
            raise MlopsLabError(f"{self._address} answered no metrics.") from None


def _fetch(url: str) -> str:
    try:
        with urlopen(url, timeout=30) as answer:  # noqa: S310  http and https only: checked above
            return str(answer.read(1_000_000), "utf-8", "replace")
    except (URLError, OSError) as error:
        raise MlopsLabError(f"{url.partition('?')[0]} cannot be reached ({type(error).__name__}).") from None


class CloudWatch:
    """SageMaker's own metrics of an endpoint's variant `challenger`.

    Args:
        endpoint: the endpoint's name.
        region: the AWS region; what the environment says when left out.
        client: a boto3 client for CloudWatch; for tests.
    """

    def __init__(self, endpoint: str, *, region: str | None = None, client: Any = None) -> None:
        self._endpoint, self._region, self._client = endpoint, region, client

    def __call__(self, since: datetime, until: datetime) -> Seen:
        """What the challenger's clients got between two moments (UTC)."""
        seconds = max(60, 60 * math.ceil((until - since).total_seconds() / 60))
        variant = [{"Name": "EndpointName", "Value": self._endpoint}, {"Name": "VariantName", "Value": "challenger"}]
        wanted = {"answers": ("Invocations", "Sum"), "errors": ("Invocation5XXErrors", "Sum")}
        wanted |= {"seconds": ("ModelLatency", "p95")}
        queries = [
            {
                "Id": key,
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": variant},
                    "Period": seconds,
                    "Stat": statistic,
                },
            }
            for key, (name, statistic) in wanted.items()
        ]
        if self._client is None:
            try:
                import boto3
            except ImportError:
                raise MissingExtra("sagemaker") from None
            self._client = boto3.client("cloudwatch", region_name=self._region)
        try:
            answer = self._client.get_metric_data(MetricDataQueries=queries, StartTime=since, EndTime=until)
        except Exception as error:
            raise MlopsLabError(f"cloudwatch get_metric_data failed: {type(error).__name__}.") from None
        found = {each["Id"]: each["Values"] for each in answer["MetricDataResults"]}
        slow = max(found.get("seconds", []), default=None)  # microseconds
        return Seen(
            _count(sum(found.get("answers", []))),
            _count(sum(found.get("errors", []))),
            None if slow is None else slow / 1e6,
        )


class CloudMonitoring:
    """Vertex AI's own metrics of the model that is deployed as `challenger`.

    Args:
        endpoint: `projects/P/locations/REGION/endpoints/ID`.
        model: the number of the deployed model, asked anew each time: a new challenger has a new one.
        fetch: what gets a URL's text, logged in; for tests.
    """

    def __init__(self, endpoint: str, *, model: Callable[[], str], fetch: Callable[[str], str] | None = None) -> None:
        self._endpoint, self._model = endpoint, model
        self._fetch = fetch if fetch is not None else _fetch_logged_in

    def __call__(self, since: datetime, until: datetime) -> Seen:
        """What the challenger's clients got between two moments (UTC)."""
        answers = sum(self._points("online/response_count", since, until))
        errors = sum(self._points("online/response_count", since, until, ' AND metric.labels.response_code="5xx"'))
        slow = max(
            self._points("online/prediction_latencies", since, until, aligner="ALIGN_PERCENTILE_95"), default=None
        )
        return Seen(_count(answers), _count(errors), None if slow is None else slow / 1000)  # milliseconds

    def _points(
        self, metric: str, since: datetime, until: datetime, more: str = "", *, aligner: str = "ALIGN_SUM"
    ) -> list[float]:
        _, project, _, _, _, number = self._endpoint.split("/")
        told = f'metric.type="aiplatform.googleapis.com/prediction/{metric}"{more}'
        told += f' AND resource.labels.endpoint_id="{number}" AND metric.labels.deployed_model_id="{self._model()}"'
        asked = {
            "filter": told,
            "interval.startTime": since.isoformat(),
            "interval.endTime": until.isoformat(),
            "aggregation.alignmentPeriod": f"{max(60, round((until - since).total_seconds()))}s",
            "aggregation.perSeriesAligner": aligner,
        }
        url = f"https://monitoring.googleapis.com/v3/projects/{project}/timeSeries?{urlencode(asked)}"
        try:
            series = json.loads(self._fetch(url)).get("timeSeries", [])
            values = [point["value"] for each in series for point in each["points"]]
            return [float(next(iter(value.values()))) for value in values]
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
            raise MlopsLabError("Cloud Monitoring answered no metrics.") from None


def _fetch_logged_in(url: str) -> str:
    try:
        import google.auth
        from google.auth.transport.requests import AuthorizedSession
    except ImportError:
        raise MissingExtra("vertex") from None
    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/monitoring.read"])
        return str(AuthorizedSession(credentials).get(url, timeout=30).text)
    except Exception as error:
        raise MlopsLabError(f"Cloud Monitoring cannot be asked ({type(error).__name__}).") from None
