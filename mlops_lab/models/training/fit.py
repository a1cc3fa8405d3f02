"""Training: rows split by time, a model fitted on what was known, a run that can be repeated, also on a GPU."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.display import counted
from mlops_lab.base.errors import DuplicateName, InvalidData, UnknownName, expect
from mlops_lab.data.features import TrainingSet
from mlops_lab.models.tracking import Tracker
from mlops_lab.models.training.metrics import numbers_of, outcomes_of, score, yes_or_no
from mlops_lab.models.training.model import (
    build_model,
    free_threads,
    lean_columns,
    predict,
    prepare,
    refused,
    return_memory,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlops_lab.models.tracking import Run


@dataclass(frozen=True, repr=False)
class TimeSplit:
    """Two parts of one frame, and how many rows are in neither.

    Attributes: `train` (decided and known before `at`), `holdout` (decided at or after `at`), `embargoed` (rows decided
    before `at` whose outcome was not known by then), `at` (UTC). Made by `time_split`:
    """

    train: pd.DataFrame
    holdout: pd.DataFrame
    embargoed: int
    at: datetime

    def __repr__(self) -> str:
        return (
            f"TimeSplit(train={len(self.train):,}, holdout={len(self.holdout):,}, "
            f"embargoed={self.embargoed:,}, at={self.at:%Y-%m-%d})"
        )


def time_split(
    frame: pd.DataFrame,
    at: datetime | str,
    *,
    timestamp: str = "event_timestamp",
    known: str | None = "label_timestamp",
) -> TimeSplit:
    """Split rows at a moment: learn from what was over by then, examine on what came after.

    A random split would let a model see the afternoon whose morning it is asked about. A row decided before `at` but
    answered after it belongs to neither side: on that day nobody could have learnt from it.

    Args:
        frame: one row a decision, with the time of the decision in column `timestamp` (UTC).
        at: the moment of the split; timezone-aware, or ISO text.
        timestamp: the column of decision times.
        known: the column that says when the outcome became known; None, or a column that is absent, means at once.

    Raises:
        UnknownName: the frame has no such column.
        InvalidData: `at` is naive, a decision has no time or one without a zone, or one side would be empty.

    >>> import pandas as pd
    >>> times = pd.to_datetime(["2013-08-30", "2013-08-31", "2013-09-02"], utc=True)
    >>> known = pd.to_datetime(["2013-08-30", "2013-09-01", "2013-09-02"], utc=True)
    >>> rows = pd.DataFrame({"event_timestamp": times, "label_timestamp": known})
    >>> time_split(rows, pd.Timestamp("2013-08-31T12:00Z").to_pydatetime())
    TimeSplit(train=1, holdout=1, embargoed=1, at=2013-08-31)
    """
    if timestamp not in frame.columns:
        raise UnknownName("column", timestamp, frame.columns, where="the frame to split")
    moment = parse_utc(at) if isinstance(at, str) else to_utc(at)
    if (missing := int(frame[timestamp].isna().sum())) > 0:
        raise InvalidData(
            f"{missing:,} of {len(frame):,} rows have no {timestamp!r}, so they are on neither side of a split; leave "
            "them out.",
            column=timestamp,
        )
    before = _compared(frame, timestamp, moment) < 0
    learnt = before
    if known is not None and known in frame.columns:
        learnt = before & (_compared(frame, known, moment) <= 0)
    split = TimeSplit(frame[learnt], frame[~before], int(before.sum() - learnt.sum()), moment)
    for side, rows in (("learn from", split.train), ("be examined on", split.holdout)):
        if not len(rows):
            first, last = (frame[timestamp].min(), frame[timestamp].max()) if len(frame) else (None, None)
            span = f"the rows reach from {first:%Y-%m-%d} to {last:%Y-%m-%d}" if len(frame) else "there are no rows"
            raise InvalidData(
                f"a split at {moment:%Y-%m-%d} leaves nothing to {side}: {span}. Choose a moment inside them."
            )
    return split


def _compared(frame: pd.DataFrame, name: str, moment: datetime) -> np.ndarray[Any, Any]:
    """Each row's time against the moment: -1 before, 0 at, 1 after or not known."""
    import numpy as np

    column = frame[name]
    try:
        before, same = column < moment, column == moment
        return np.where(
            before.to_numpy("bool", na_value=False), -1, np.where(same.to_numpy("bool", na_value=False), 0, 1)
        )
    except TypeError:
        raise InvalidData(
            f"column {name!r} holds {column.dtype}, not times with a time zone; convert it with "
            "pd.to_datetime(…, utc=True).",
            column=name,
        ) from None


def train(
    training_set: TrainingSet,
    tracker: Tracker,
    *,
    label: str,
    split_at: datetime | str,
    name: str = "model",
    model: Any = "logistic",
    kind: str = "classification",
    served: TrainingSet | Callable[[], TrainingSet] | None = None,
    slice_by: str | None = None,
    seed: int = 0,
    threshold: float = 0.5,
    author: str = "",
    tags: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
    metrics: Mapping[str, Callable[[Any, Any], float]] | None = None,
    model_name: str | None = None,
) -> Run:
    """Fit a model on what was known before `split_at`, examine it on what came after, and keep the run.

    Args:
        training_set: features joined to decisions, with the column `label` (True or False) and, where outcomes arrive
            late, `label_timestamp`.
        tracker: where the run and its model are kept.
        label: the column to predict.
        split_at: the end of the training time; timezone-aware, or ISO text.
        name: what the run is called.
        model: one of `MODELS`, or a scikit-learn estimator; see `build_model`.
        kind: `classification`, or `regression` where the label is a number.
        served: the same decisions with the features that the online store would have held (`FeatureStore.replay`);
            its rows from `split_at` on are scored as `served.*`; or a function that gives it, called after the fit.
            Without it the run has no served figures, and a gate that asks for them refuses.
        slice_by: a column whose every value is measured on its own.
        seed: the seed of everything random in the fit, a whole number from 0 up.
        threshold: from which probability `accuracy` counts a yes.
        author: who is responsible for the run.
        tags: kept with the run as they are.
        inputs: further fingerprints of what went in, such as the tables the features came from.
        metrics: further figures by name, each a function of the truth and of what the model said.
        model_name: what the run calls the model; its own name, or its type's, when left out.

    Returns:
        The run: params, metrics `offline.*` (and `served.*`), the fingerprint of the training set among its inputs,
        and the fitted model as its artifact.

    Raises:
        UnknownName: no such label, feature, slice or model.
        InvalidData: the split leaves one side empty, an outcome is missing, neither yes nor no or never varies, the
            label is among the features, or scikit-learn refuses the rows.

    >>> import tempfile, pandas as pd
    >>> from mlops_lab.base.clock import FakeClock, parse_utc
    >>> from mlops_lab.data.features import TrainingSet
    >>> from mlops_lab.models.tracking import Tracker
    >>> times = pd.date_range("2013-08-01", periods=60, freq="D", tz="UTC")
    >>> rows = pd.DataFrame({"event_timestamp": times, "hour": range(60), "late": [i % 3 == 0 for i in range(60)]})
    >>> known = TrainingSet(rows, features=("hour",), service="schedule", views=("schedule",), time_range=None)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker = Tracker(home, clock=FakeClock())
    ...     run = train(known, tracker, label="late", split_at=parse_utc("2013-09-15"))
    >>> run.params["train_rows"], run.params["holdout_rows"]
    (45, 15)
    """
    frame = expect(training_set, TrainingSet, "what a model learns from").frame
    started = expect(tracker, Tracker, "what keeps the run").clock.now()
    features = list(training_set.features)
    for column in (label, *features):
        if column not in frame.columns:
            raise UnknownName("column", column, frame.columns, where="the training set")
    _check_choices(label, features, seed)
    split = time_split(frame, split_at)
    target = _target(split.train, label, kind)
    called = model_name or (model if isinstance(model, str) else type(model).__name__)
    estimator = build_model(model, split.train[features], seed=seed, kind=kind)
    first, last = split.train["event_timestamp"].min(), split.train["event_timestamp"].max()
    params = {
        "model": called,
        "seed": seed,
        "label": label,
        **({"threshold": threshold} if kind == "classification" else {"kind": kind}),
        "feature_service": training_set.service,
        "features": ",".join(features),
        "views": ",".join(training_set.views),
        "train_from": f"{first:%Y-%m-%dT%H:%M:%SZ}",
        "train_until": f"{last:%Y-%m-%dT%H:%M:%SZ}",
        "split_at": f"{split.at:%Y-%m-%dT%H:%M:%SZ}",
        "train_rows": len(split.train),
        "holdout_rows": len(split.holdout),
        "embargoed_rows": split.embargoed,
    }
    fingerprints = {"training_set": training_set.fingerprint, **(inputs or {})}
    ready, holdout, since = prepare(split.train[features]), split.holdout, split.at
    del training_set, frame, split  # while it fits, a year of rows is there once, in plain types, if nobody else has it
    return_memory()
    try:
        with free_threads(), lean_columns(estimator):
            estimator.fit(ready, target)
    except (TypeError, ValueError) as error:
        raise refused(error, ready, f"the {called} model cannot learn from these rows") from None
    del ready
    return_memory()
    how: dict[str, Any] = {"label": label, "slice_by": slice_by, "threshold": threshold, "kind": kind}
    offline = score(estimator, holdout, metrics=metrics, **how)
    figures = offline.flat("offline")
    if served is not None:
        seen = expect(served() if callable(served) else served, TrainingSet, "what was served").frame
        if "event_timestamp" not in seen.columns:
            raise UnknownName("column", "event_timestamp", seen.columns, where="the served rows")
        rows = seen[seen["event_timestamp"] >= since]
        if not _equal(rows, holdout, ["event_timestamp", label]):
            raise InvalidData("the served rows are of other decisions than the rows from split_at on; serve those.")
        looked_at = [*features, label, *([slice_by] if slice_by else [])]
        # The same rows would only give the same figures, more slowly.
        same = _equal(rows, holdout, looked_at)
        figures |= (offline if same else score(estimator, rows, metrics=metrics, **how)).flat("served")
    return tracker.log_run(
        name,
        params=params,
        metrics=figures,
        tags=dict(tags or {}),
        inputs=fingerprints,
        artifact=tracker.artifacts.save_model(estimator),
        author=author,
        started=started,
        example=prepare(holdout[features].head(5)),
    )


def _equal(one: pd.DataFrame, other: pd.DataFrame, columns: list[str]) -> bool:
    """Whether two frames hold the same in some columns, in the same order; a column that is missing is not the same."""
    if not set(columns) <= set(one.columns) & set(other.columns) or len(one) != len(other):
        return False
    return all(one[name].reset_index(drop=True).equals(other[name].reset_index(drop=True)) for name in columns)


def _check_choices(label: str, features: list[str], seed: object) -> None:
    if label in features:
        raise InvalidData(f"the label {label!r} is among the features; a model that is told the answer learns nothing.")
    for place, name in enumerate(features):
        if name in features[:place]:
            raise DuplicateName("feature", name, where="the training set")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InvalidData(f"the seed is {seed!r}; it is a whole number from 0 to 4,294,967,295.")


def _target(frame: pd.DataFrame, label: str, kind: str) -> np.ndarray[Any, Any]:
    if kind == "regression":
        numbers = numbers_of(frame, label, rows="training rows")
        if numbers.min() == numbers.max():
            raise InvalidData(
                f"{label!r} is {numbers[0]:g} in every training row; there is nothing to learn.", column=label
            )
        return numbers
    target = outcomes_of(frame, label, rows="training rows")
    if target.all() or not target.any():
        raise InvalidData(
            f"{label!r} is {bool(target[0])} in every training row; there is nothing to learn.", column=label
        )
    return target


TOLERANCE = 0.02  # of a probability: L-BFGS ends near the minimum, and the largest of all rows counts


@dataclass(frozen=True)
class Refit:
    """What was computed, where, and how far from the version's own model it is."""

    device: str
    why: str
    rows: int
    columns: int
    steps: int
    log_loss: float | None  # of a regression there is none
    difference: float  # the largest, of a probability, or of a number in standard deviations of the label

    @property
    def is_same(self) -> bool:
        """Is it the same model, within the tolerance?"""
        return self.difference <= TOLERANCE

    def __repr__(self) -> str:
        shape = f"{counted(self.rows, 'row')}, {counted(self.columns, 'column')}, {counted(self.steps, 'step')}"
        return f"Refit({self.device}: {shape}; {self.difference:.4f} off at most)"


def array_library() -> tuple[Any, str, str]:
    """CuPy and the GPU's name where scikit-learn can compute with both, else NumPy; and why that one."""
    import numpy as np
    from sklearn import config_context
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils import get_tags

    try:
        cupy = importlib.import_module("cupy")
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
        cupy.sum(cupy.asarray([1.0]))
        with config_context(array_api_dispatch=True):  # refused where SCIPY_ARRAY_API was not set in time
            able = get_tags(LogisticRegression()).array_api_support
    except ImportError:
        return np, "CPU", "CuPy is not installed (pip install 'mlops-lab[gpu]')"
    except Exception as error:
        return np, "CPU", f"no GPU that works: {type(error).__name__}: {str(error)[:80]}"
    if not able:
        return np, "CPU", "this scikit-learn fits no logistic regression on a GPU; 1.9 does"
    return cupy, f"GPU {name}", f"CuPy {cupy.__version__} found it"


def refit(estimator: Any, rows: pd.DataFrame, label: Any, *, kind: str = "classification") -> Refit:
    """Fit a model once more, on the GPU where one is and can, and compare the answers.

    It is scikit-learn's own fit of the same estimator with the same settings. A logistic regression at the end of a
    pipeline goes where the arrays are, by its array API dispatch: with CuPy on a GPU, with NumPy on the CPU. Set the
    variable SCIPY_ARRAY_API to 1 before scipy is imported, or it stays on the CPU. Other models are fitted on the CPU.

    Args:
        estimator: a fitted scikit-learn estimator or pipeline.
        rows: the rows it was fitted on.
        label: True or False, or for a regression the number, of every row.
        kind: `classification` or `regression`.

    Raises:
        InvalidData: the labels do not belong to the rows, or a single answer is all there is to learn.

    See Also:
        https://scikit-learn.org/stable/modules/array_api.html
    """
    import numpy as np
    from sklearn import config_context
    from sklearn.base import clone
    from sklearn.metrics import log_loss

    number = kind == "regression"
    found = np.asarray(label, "float64") if number else yes_or_no(label, what="the label").astype("float64")
    if len(found) != len(rows):
        raise InvalidData(f"{len(found):,} labels cannot belong to {len(rows):,} rows.")
    if found.min() == found.max():
        raise InvalidData("the rows hold one answer only; there is nothing to learn.")
    expected, ready = predict(estimator, rows, kind=kind), prepare(rows[list(estimator.feature_names_in_)])
    last = getattr(estimator, "steps", [("", estimator)])[-1][1]
    if type(last).__name__ != "LogisticRegression":
        with free_threads():
            again = clone(estimator).fit(ready, found if number else found.astype(bool))
        answers = predict(again, rows, kind=kind)
        steps = int(np.max(getattr(getattr(again, "steps", [("", again)])[-1][1], "n_iter_", None) or 0))
        size, device, why = (len(ready), ready.shape[1]), "CPU", f"a {type(last).__name__} computes there"
    else:
        numbers = estimator[:-1].transform(ready)
        dense = numbers.toarray() if hasattr(numbers, "toarray") else np.asarray(numbers)
        library, device, why = array_library()
        with config_context(array_api_dispatch=library is not np):
            matrix, truth = library.asarray(dense), library.asarray(found)
            with free_threads():
                fitted = clone(last).fit(matrix, truth)
                answers = fitted.predict_proba(matrix)[:, 1]
            steps, size = int(library.max(fitted.n_iter_)), (len(dense), dense.shape[1])
            loss, far = float(log_loss(truth, answers)), library.abs(answers - library.asarray(expected))
            return Refit(device, why, *size, steps, loss, float(library.max(far)))
    far = np.abs(answers - expected) / (found.std() if number else 1)
    return Refit(device, why, *size, steps, None if number else float(log_loss(found, answers)), float(far.max()))
