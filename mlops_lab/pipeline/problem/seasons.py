"""The drift watch of a problem: month by month, what is served against what the model has learnt from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import Clock, SystemClock, parse_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.models.drift import DriftPolicy, DriftReport, watch_drift
from mlops_lab.models.registry import ModelVersion
from mlops_lab.pipeline.engines import open_tracker
from mlops_lab.pipeline.problem.home import problem_of
from mlops_lab.pipeline.problem.problem import Problem
from mlops_lab.pipeline.problem.steps import problem_store

if TYPE_CHECKING:
    import pandas as pd


_SCORE = "score"


@dataclass(frozen=True, repr=False)
class Season:
    """One month as served: what the drift watch saw, and what the outcomes said later.

    Attributes: `report`, `metric` and `figure` (the problem's metric on that month; None where it cannot be), `label`,
    `happened` and `said` (the mean of the label, and of what the model said of it; shares, where it is yes or no).

    >>> report = DriftReport("2013-07", 1000, None, (), retrain=False, why="no feature has drifted.")
    >>> Season(report, "roc_auc", 0.7, "late", happened=0.31, said=0.25)
    Season(2013-07: steady, roc_auc 0.700, late 0.31, 0.25 expected)
    """

    report: DriftReport
    metric: str
    figure: float | None
    label: str
    happened: float
    said: float

    def __repr__(self) -> str:
        figure = f"no {self.metric}" if self.figure is None else f"{self.metric} {self.figure:.3f}"
        word = "retrain" if self.report.retrain else "steady"
        seen = f"{self.label} {self.happened:.2f}, {self.said:.2f} expected"
        return f"Season({self.report.period}: {word}, {figure}, {seen})"


def season_drift(
    version: ModelVersion,
    *,
    home: str | Path,
    until: str | None = None,
    per_month: int = 1000,
    policy: DriftPolicy | None = None,
    clock: Clock | None = None,
) -> tuple[Season, ...]:
    """One season a month since the model learnt: its features and answers as served, against those it learnt from.

    Both sides are replayed, so what is compared is what the online store held when each row asked. Of each month, so
    many rows spread evenly over it are taken, and of the time it learnt from three times as many.

    Args:
        version: whose features and answers are watched.
        home: the home folder that has its run and its model.
        until: the last day to watch; the problem's usual date when left out.
        per_month: how many rows of a month.
        policy: the bounds; the problem's when left out.
        clock: the clock of the stores; the machine's when left out.

    Returns:
        One for each month of which there are enough rows, in order; a report's `period` reads `2013-07`.

    Raises:
        InvalidData: there is no decision after the model learnt.
    """
    import pandas as pd

    from mlops_lab.models.training import predict

    problem = problem_of(home)
    rules = policy if policy is not None else problem.drift
    keeper = clock if clock is not None else SystemClock()
    tracker = open_tracker(home, clock=keeper)
    run = tracker.get_run(version.run_id)
    first, last = parse_utc(str(run.params["train_from"])), parse_utc(str(run.params["train_until"]))
    end = min(parse_utc(until or problem.usual_date), problem.last_decision)
    if end <= last:
        raise InvalidData(f"{version.name} v{version.version} learnt until {last:%Y-%m-%d}; nothing later is watched.")
    asked = problem.labelled(first, end + problem.patience)
    asked = asked[asked["event_timestamp"] <= end].reset_index(drop=True)
    # Months of the problem's own zone: the evening of the 31st in New York is the next day's in UTC.
    month = asked["event_timestamp"].dt.tz_convert(problem.timezone).dt.strftime("%Y-%m")
    learnt = asked["event_timestamp"] <= last
    sides = [("", spread(asked[learnt], 3 * per_month))]
    sides += [(str(name), spread(rows, per_month)) for name, rows in asked[~learnt].groupby(month[~learnt])]
    kept = pd.concat([rows.assign(period=name) for name, rows in sides], ignore_index=True)
    with TemporaryDirectory(ignore_cleanup_errors=True) as aside:  # who looks writes no definitions into the home
        store = problem_store(aside, clock=keeper, problem=problem)
        served = store.replay(kept, features=str(run.params["feature_service"]))
    model = tracker.artifacts.load_model(version.artifact)
    frame = served.frame.assign(**{_SCORE: predict(model, served.frame, kind=problem.kind)})
    reference = frame[frame["period"] == ""]
    service: dict[str, Any] = {"features": served.features, "score": _SCORE, "policy": rules}
    return tuple(
        _season(watch_drift(reference, rows, period=str(name), **service), rows, problem)
        for name, rows in frame[frame["period"] != ""].groupby("period")
        if len(rows) >= rules.min_rows
    )


def _season(report: DriftReport, rows: pd.DataFrame, problem: Problem) -> Season:
    from mlops_lab.models.training import measure, measure_numbers

    truth, said = rows[problem.label].to_numpy("float64"), rows[_SCORE].to_numpy("float64")
    if problem.metric in problem.figures:
        figure = float(problem.figures[str(problem.metric)](truth, said))
    else:
        figure = (measure if problem.kind == "classification" else measure_numbers)(truth, said)[str(problem.metric)]
    shown = figure if math.isfinite(figure) else None
    return Season(
        report, str(problem.metric), shown, problem.label, happened=float(truth.mean()), said=float(said.mean())
    )


def spread(rows: pd.DataFrame, many: int) -> pd.DataFrame:
    """So many rows at even distances: the same ones each time, from every day and hour."""
    import numpy as np

    if len(rows) <= many:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, many).round().astype(int)]
