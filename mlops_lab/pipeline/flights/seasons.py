"""Does what is served each month still look like what the model has learnt from?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import Clock, SystemClock, parse_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.models.drift import DriftPolicy, DriftReport, watch_drift
from mlops_lab.models.registry import ModelVersion
from mlops_lab.pipeline.engines import open_tracker
from mlops_lab.pipeline.flights.steps import LABEL, flight_store, labelled_flights, last_decision

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FLIGHTS_DRIFT", "Season", "season_drift", "seasons_table"]

#: A fifth of the features may move: with the custom quarter, no month of 2013 would ask a model that learnt in winter
#: anything. Nothing is expected to move: `month` is no feature of the services, because a year has each only once.
FLIGHTS_DRIFT = DriftPolicy(share=0.2)

_SCORE = "score"


@dataclass(frozen=True, repr=False)
class Season:
    """One month as served: what the drift watch saw, and what the outcomes said later.

    Attributes: `report`, `roc_auc` (None where the outcome never varies), `late` and `said` (the share of flights that
    were late, and that the model expected to be), 0 to 1.

    >>> report = DriftReport("2013-07", 1000, None, (), retrain=False, why="no feature has drifted.")
    >>> Season(report, roc_auc=0.7, late=0.31, said=0.25)
    Season(2013-07: steady, AUC 0.700, 31 % late, 25 % expected)
    """

    report: DriftReport
    roc_auc: float | None
    late: float
    said: float

    def __repr__(self) -> str:
        auc = "no AUC" if self.roc_auc is None else f"AUC {self.roc_auc:.3f}"
        word = "retrain" if self.report.retrain else "steady"
        return f"Season({self.report.period}: {word}, {auc}, {self.late:.0%} late, {self.said:.0%} expected)".replace(
            "%", " %"
        )


def season_drift(
    version: ModelVersion,
    *,
    home: str | Path,
    until: str = "2014-01-01",
    per_month: int = 1000,
    policy: DriftPolicy = FLIGHTS_DRIFT,
    clock: Clock | None = None,
) -> tuple[Season, ...]:
    """One season a month since the model learnt: its features and answers as served, against those it learnt from.

    Both sides are replayed, so what is compared is what the online store held when each flight asked. Of each month, so
    many flights spread evenly over it are taken, and of the time it learnt from three times as many.

    Args:
        version: whose features and answers are watched.
        home: the home folder that has its run and its model.
        until: the last day to watch.
        per_month: how many flights of a month.
        policy: the bounds.
        clock: the clock of the stores; the machine's when left out.

    Returns:
        One for each month of which there are enough flights, in order; a report's `period` reads `2013-07`.

    Raises:
        InvalidData: there is no flight after the model learnt.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> version = ModelVersion(name="late", version=1, run_id="r1", artefact="sha256:0", stage="Production", aliases=(),
    ...                        tags={}, author="ada", created=parse_utc("2014-01-01"), description="")
    >>> with tempfile.TemporaryDirectory() as home:
    ...     season_drift(version, home=home, clock=FakeClock())
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no run 'r1'; there is: none.
    """
    import pandas as pd

    from mlops_lab.models.training import predict

    keeper = clock if clock is not None else SystemClock()
    tracker = open_tracker(home, clock=keeper)
    run = tracker.get_run(version.run_id)
    first, last = parse_utc(str(run.params["train_from"])), parse_utc(str(run.params["train_until"]))
    end = min(parse_utc(until), last_decision())
    if end <= last:
        raise InvalidData(f"{version.name} v{version.version} learnt until {last:%Y-%m-%d}; nothing later is watched.")
    flights = labelled_flights(first, end + timedelta(days=2))
    flights = flights[flights["event_timestamp"] <= end].reset_index(drop=True)
    # Months of New York: a flight that leaves in the evening of the 31st is the next day's in UTC.
    month = flights["event_timestamp"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m")
    learnt = flights["event_timestamp"] <= last
    sides = [("", _spread(flights[learnt], 3 * per_month))]
    sides += [(str(name), _spread(rows, per_month)) for name, rows in flights[~learnt].groupby(month[~learnt])]
    kept = pd.concat([rows.assign(period=name) for name, rows in sides], ignore_index=True)
    with TemporaryDirectory(ignore_cleanup_errors=True) as aside:  # who looks writes no definitions into the home
        store = flight_store(aside, clock=keeper)
        served = store.replay(kept, features=str(run.params["feature_service"]))
    frame = served.frame.assign(**{_SCORE: predict(tracker.artefacts.load_model(version.artefact), served.frame)})
    reference = frame[frame["period"] == ""]
    service: dict[str, Any] = {"features": served.features, "score": _SCORE, "policy": policy}
    return tuple(
        _season(watch_drift(reference, rows, period=str(name), **service), rows)
        for name, rows in frame[frame["period"] != ""].groupby("period")
        if len(rows) >= policy.min_rows
    )


def _season(report: DriftReport, rows: pd.DataFrame) -> Season:
    from sklearn.metrics import roc_auc_score

    truth = rows[LABEL].astype(bool)
    auc = float(roc_auc_score(truth, rows[_SCORE])) if truth.nunique() == 2 else None
    return Season(report, roc_auc=auc, late=float(truth.mean()), said=float(rows[_SCORE].mean()))


def _spread(rows: pd.DataFrame, many: int) -> pd.DataFrame:
    """So many rows at even distances: the same ones each time, from every day and hour."""
    import numpy as np

    if len(rows) <= many:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, many).round().astype(int)]


def seasons_table(seasons: tuple[Season, ...]) -> pd.DataFrame:
    """The seasons as a table, one row a month, for a notebook or a plot.

    Columns: month, flights, score_psi, drifted (how many features), furthest (which), roc_auc, late, said,
    retrain.

    >>> from mlops_lab.models.drift import ColumnDrift
    >>> temp, score = ColumnDrift("temp", 1.2, 0.6, "drifted"), ColumnDrift("score", 0.3, 0.2, "drifted")
    >>> report = DriftReport("2013-07", 1000, score, (temp,), retrain=True, why="")
    >>> print(seasons_table((Season(report, roc_auc=0.7, late=0.31, said=0.25),)).to_string(index=False))
      month  flights  score_psi  drifted  furthest  roc_auc  late  said  retrain
    2013-07     1000        0.3        1 temp 1.20      0.7  0.31  0.25     True
    """
    import pandas as pd

    columns = ["month", "flights", "score_psi", "drifted", "furthest", "roc_auc", "late", "said", "retrain"]
    return pd.DataFrame([_row(season) for season in seasons], columns=columns)


def _row(season: Season) -> dict[str, object]:
    report = season.report
    counted = [each for each in report.columns if each.state != "expected"]
    return {
        "month": report.period,
        "flights": report.rows,
        "score_psi": round(report.score.psi, 3) if report.score else None,
        "drifted": len(report.drifted),
        "furthest": f"{counted[0].column} {counted[0].psi:.2f}" if counted else "",
        "roc_auc": None if season.roc_auc is None else round(season.roc_auc, 3),
        "late": round(season.late, 3),
        "said": round(season.said, 3),
        "retrain": report.retrain,
    }
