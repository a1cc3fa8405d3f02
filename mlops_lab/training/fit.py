"""How does a training set become a run that can be repeated?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mlops_lab.errors import InvalidData, UnknownName
from mlops_lab.training.metrics import score
from mlops_lab.training.model import build_model, prepare
from mlops_lab.training.split import time_split

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.features import TrainingSet
    from mlops_lab.tracking import Run, Tracker

__all__ = ["train"]


def train(
    training_set: TrainingSet,
    tracker: Tracker,
    *,
    label: str,
    split_at: datetime,
    name: str = "model",
    model: str = "logistic",
    served: TrainingSet | None = None,
    slice_by: str | None = None,
    seed: int = 0,
    threshold: float = 0.5,
    author: str = "",
    tags: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> Run:
    """Fit a model on what was known before `split_at`, examine it on what came after, and keep the run.

    Args:
        training_set: features joined to decisions, with the column `label` (True or False) and, where outcomes arrive
            late, `label_timestamp`.
        tracker: where the run and its model are kept.
        label: the column to predict.
        split_at: the end of the training time, timezone-aware.
        name: what the run is called.
        model: one of `MODELS`.
        served: the same decisions with the features that the online store would have held (`FeatureStore.replay`);
            its rows from `split_at` on are scored as `served.*`. Without it the run has no served figures, and a gate
            that asks for them refuses.
        slice_by: a column whose every value is measured on its own.
        seed: the seed of everything random in the fit.
        threshold: from which probability `accuracy` counts a yes.
        author: who is responsible for the run.
        tags: kept with the run as they are.
        inputs: further fingerprints of what went in, such as the tables the features came from.

    Returns:
        The run: params, metrics `offline.*` (and `served.*`), the fingerprint of the training set among its inputs,
        and the fitted model as its artefact.

    Raises:
        UnknownName: no such label, slice or model.
        InvalidData: the split leaves one side empty, or the outcome never varies.

    >>> import tempfile, pandas as pd
    >>> from mlops_lab.clock import FakeClock, parse_utc
    >>> from mlops_lab.features import TrainingSet
    >>> from mlops_lab.tracking import Tracker
    >>> times = pd.date_range("2013-08-01", periods=60, freq="D", tz="UTC")
    >>> rows = pd.DataFrame({"event_timestamp": times, "hour": range(60), "late": [i % 3 == 0 for i in range(60)]})
    >>> known = TrainingSet(rows, features=("hour",), service="schedule", views=("schedule",), time_range=None)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker = Tracker(home, clock=FakeClock())
    ...     run = train(known, tracker, label="late", split_at=parse_utc("2013-09-15"))
    >>> run.params["train_rows"], run.params["holdout_rows"]
    (45, 15)
    """
    frame = training_set.frame
    if label not in frame.columns:
        raise UnknownName("column", label, frame.columns, where="the training set")
    split = time_split(frame, split_at)
    target = _target(split.train, label)
    started = tracker.clock.now()
    features = list(training_set.features)
    estimator = build_model(model, split.train[features], seed=seed)
    estimator.fit(prepare(split.train[features]), target)
    offline = score(estimator, split.holdout, label=label, slice_by=slice_by, threshold=threshold)
    metrics = offline.flat("offline")
    if served is not None:
        rows = served.frame[served.frame["event_timestamp"] >= split.at]
        looked_at = [*features, label, *([slice_by] if slice_by else [])]
        again = offline  # the same rows would only give the same figures, more slowly
        if not _equal(rows, split.holdout, looked_at):
            again = score(estimator, rows, label=label, slice_by=slice_by, threshold=threshold)
        metrics |= again.flat("served")
    first, last = split.train["event_timestamp"].min(), split.train["event_timestamp"].max()
    return tracker.log_run(
        name,
        params={
            "model": model,
            "seed": seed,
            "label": label,
            "threshold": threshold,
            "feature_service": training_set.service,
            "features": ",".join(features),
            "views": ",".join(training_set.views),
            "train_from": f"{first:%Y-%m-%dT%H:%M:%SZ}",
            "train_until": f"{last:%Y-%m-%dT%H:%M:%SZ}",
            "split_at": f"{split.at:%Y-%m-%dT%H:%M:%SZ}",
            "train_rows": len(split.train),
            "holdout_rows": len(split.holdout),
            "embargoed_rows": split.embargoed,
        },
        metrics=metrics,
        tags=dict(tags or {}),
        inputs={"training_set": training_set.fingerprint, **(inputs or {})},
        artefact=tracker.artefacts.save_model(estimator),
        author=author,
        started=started,
        example=prepare(split.holdout[features].head(5)),
    )


def _equal(one: pd.DataFrame, other: pd.DataFrame, columns: list[str]) -> bool:
    """Whether two frames hold the same in some columns, in the same order; a column that is missing is not the same."""
    if not set(columns) <= set(one.columns) & set(other.columns) or len(one) != len(other):
        return False
    return all(one[name].reset_index(drop=True).equals(other[name].reset_index(drop=True)) for name in columns)


def _target(frame: pd.DataFrame, label: str) -> pd.Series[bool]:
    column = frame[label]
    if column.isna().any():
        raise InvalidData(
            f"{int(column.isna().sum()):,} of {len(column):,} training rows have no {label!r}; leave rows out "
            "whose outcome is not known yet.",
            column=label,
        )
    target = column.astype(bool)
    if target.nunique() < 2:
        only = bool(target.iloc[0])
        raise InvalidData(f"{label!r} is {only} in every training row; there is nothing to learn.", column=label)
    return target
