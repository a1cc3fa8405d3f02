"""A problem: the one description from which the pipeline, its gate, its exports and its leak check are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName
from mlops_lab.data.features import Entity, FeatureService, FeatureStore, FeatureView, Source
from mlops_lab.data.features.columns import refuse_infinite, what_it_holds
from mlops_lab.models.drift import DriftPolicy
from mlops_lab.models.gates import GatePolicy, Rule
from mlops_lab.models.rollout import RolloutPolicy
from mlops_lab.models.training import KINDS, METRICS, NUMBER_METRICS, is_regressor

if TYPE_CHECKING:
    import pandas as pd


#: The columns of the decisions that say when: of the decision itself, and of when its outcome was known.
AT, KNOWN_AT = "event_timestamp", "label_timestamp"
_ERRORS = {"classification": "Brier score", "regression": "squared error in variances of the truth"}
_MOST_CATEGORIES = 10_000  # distinct texts of one feature; more are an identifier, and would be a column each


@dataclass(frozen=True)
class Metric:
    """A figure of one's own: a function of the truth and of what the model said, and whether more of it is better.

    >>> Metric("profit", lambda truth, said: float((truth - said).sum()), higher_is_better=True).name
    'profit'
    """

    name: str
    function: Callable[[Any, Any], float]
    higher_is_better: bool


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Problem:
    """What is asked, of which rows, from which features, how good an answer has to be, and when.

    Attributes:
        name: what the registered model is called.
        question: the question in one sentence.
        features: the feature services to choose from, by name, each with its views; the first is learnt from when
            nobody says otherwise.
        definitions: the same as objects: entities, feature views, and feature services.
        decisions: the rows to decide on, one each: the join keys, the label and the two times below. A frame, a
            function that gives one, the place of a Parquet or CSV file, or a `Source`, which can say a time zone.
        timestamp_field: the column of the decisions that says when each is made.
        label_timestamp_field: the column that says when its outcome was known; where there is none, it is at once.
        label: the column to predict: True and False, or a number.
        key: the column that names a decision, once each.
        policy: what is demanded of a model before it may reach Production: a policy, or its rules.
        metric: the figure that stands in front: one of `METRICS` or `NUMBER_METRICS`, or a `Metric`.
        metrics: further figures of one's own; policies may ask for all of them by name.
        kind: `classification` or `regression`; told by the metric or the model where it is left out.
        slice_by: a column of the decisions whose every value is measured on its own.
        models: names of `KINDS[kind]`, a scikit-learn estimator, or a mapping from names to such; the first is usual.
        watch_days, holdout_days, train_from, as_of: defaults of the pipeline's params and of its logical date.
        rollout, drift: the policies of the canary and of the drift watch; a canary that nobody sized takes its size
            from how many rows there are a day, see `canary`.
        schedule, timezone, start_date: when the pipeline runs, as for a `DAG`.
        dag_id: what the DAG is called; the model's name when left out.
        noun: what one row is called in messages.
        verify: gives the fingerprint of every table, or raises; the sources' own rows are taken when left out.
    """

    name: str
    question: str
    decisions: pd.DataFrame | str | Path | Source | Callable[[], pd.DataFrame]
    label: str
    key: str
    policy: Any  # a GatePolicy, or its rules; afterwards it is a GatePolicy
    features: Mapping[str, FeatureView | Sequence[FeatureView]] = field(default_factory=dict)
    definitions: Sequence[Entity | FeatureView | FeatureService] = ()
    timestamp_field: str = AT
    label_timestamp_field: str = KNOWN_AT
    metric: str | Metric = ""
    metrics: Sequence[Metric] = ()
    kind: str = ""
    slice_by: str | None = None
    models: Any = ()
    holdout_days: int = 30
    watch_days: int = 14
    train_from: str = "1970-01-01"
    as_of: str | None = None
    rollout: RolloutPolicy | None = None
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    schedule: str | None = "0 6 * * *"
    timezone: str = "UTC"
    start_date: str | None = None
    dag_id: str = ""
    tags: Sequence[str] = ()
    noun: str = "row"
    verify: Callable[[], Mapping[str, str]] | None = None

    def __post_init__(self) -> None:
        own = {each.name: each for each in (*self.metrics, *([self.metric] if isinstance(self.metric, Metric) else []))}
        kind = self.kind or self._told_kind()
        if kind not in KINDS:
            raise UnknownName("kind of problem", kind, KINDS)
        name = self.metric.name if isinstance(self.metric, Metric) else self.metric
        name = name or ("roc_auc" if kind == "classification" else "mae")
        known = METRICS if kind == "classification" else NUMBER_METRICS
        if name not in known and name not in own:
            raise UnknownName("metric", name, [*known, *own], where=f"problem {self.name!r}")
        settled = {
            "kind": kind,
            "metric": name,
            "metrics": tuple(own.values()),
            "models": _named_models(self.models or KINDS[kind], kind),
            "definitions": _with_views([*self.definitions, *_services(self.features)]),
            "policy": _with_directions(self.policy, own),
            "dag_id": self.dag_id or self.name,
        }
        for word, value in settled.items():
            object.__setattr__(self, word, value)
        self._check_definitions()

    def _told_kind(self) -> str:
        if isinstance(self.metric, str) and self.metric in NUMBER_METRICS.keys() - METRICS.keys():
            return "regression"
        first = next(iter(self.models.values())) if isinstance(self.models, Mapping) and self.models else self.models
        first = first[0] if isinstance(first, list | tuple) and first else first
        return (
            "regression"
            if first == "ridge" or (not isinstance(first, str) and is_regressor(first))
            else ("classification")
        )

    def _check_definitions(self) -> None:
        if not self.services:
            raise InvalidDefinition(f"problem {self.name!r} has no feature service; define one to learn from.")
        for service in self.services.values():
            for view in service.features:
                if self.label in view.features:
                    raise InvalidDefinition(
                        f"the label {self.label!r} is a feature of view {view.name!r}; a model that is told the answer "
                        "learns nothing."
                    )

    @property
    def services(self) -> Mapping[str, FeatureService]:
        """The feature services by name, in their order."""
        return {one.name: one for one in self.definitions if isinstance(one, FeatureService)}

    @property
    def views(self) -> Mapping[str, FeatureView]:
        """The whole feature views by name; those that only services bring are among them."""
        used = [view for service in self.services.values() for view in service.views]
        found = {view.name: view.without_role for view in used}
        return found | {one.name: one for one in self.definitions if isinstance(one, FeatureView)}

    @property
    def figures(self) -> Mapping[str, Callable[[Any, Any], float]]:
        """The functions of the metrics of one's own, by name."""
        return {each.name: each.function for each in self.metrics}

    @property
    def higher_is_better(self) -> bool:
        """Is more of the metric better?"""
        own = {each.name: each.higher_is_better for each in self.metrics}
        return own[self.metric] if self.metric in own else {**NUMBER_METRICS, **METRICS}[str(self.metric)]

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The decisions, read and checked once: one row each, by `event_timestamp` as they were given.

        Raises:
            UnknownName: a column is missing.
            InvalidData: times are missing or without a zone, a key comes twice, an outcome was known before its
                decision, or the label never varies.
        """
        frame = self._read()
        where, noun = f"the decisions of {self.name}", self.noun
        for column in (self.key, AT, self.label, *([self.slice_by] if self.slice_by else [])):
            if column not in frame.columns:
                raise UnknownName("column", column, frame.columns, where=where)
        keys = {key: None for view in self.views.values() for key in view.join_keys}
        for key in keys:
            if key not in frame.columns:
                raise UnknownName("join key", key, frame.columns, where=where)
        # A column of the data that no join needs is no part of a decision; a feature may bear its name.
        wanted = {self.key, *keys, AT, self.label, KNOWN_AT, self.slice_by}
        frame = frame[[name for name in frame.columns if name in wanted]]
        if not len(frame):
            raise InvalidData(f"{where} are empty; there is nothing to learn from.")
        if KNOWN_AT not in frame.columns:
            frame = frame.assign(**{KNOWN_AT: frame[AT]})
        for column in (AT, KNOWN_AT):
            if getattr(frame[column].dtype, "tz", None) is None:
                raise InvalidData(
                    f"column {column!r} of {where} holds {what_it_holds(frame[column])}, not times with a time zone; "
                    "convert it "
                    "with pd.to_datetime(…, utc=True), or give a Source with a timezone.",
                    column=column,
                )
            if (missing := int(frame[column].isna().sum())) > 0:
                raise InvalidData(f"{missing:,} of {len(frame):,} {noun}s have no {column!r}.", column=column)
        frame = frame.assign(**{column: frame[column].dt.tz_convert("UTC") for column in (AT, KNOWN_AT)})
        self._check_rows(frame)
        return frame

    def _read(self) -> pd.DataFrame:
        """The decisions, with their two times under the names that the store knows."""
        data: Any = self.decisions
        frame = (data if isinstance(data, Source) else Source("decisions", data)).read()
        for column, meant in ((self.timestamp_field, AT), (self.label_timestamp_field, KNOWN_AT)):
            if column != meant:
                if column not in frame.columns:
                    raise UnknownName("column", column, frame.columns, where=f"the decisions of {self.name}")
                frame = frame.assign(**{meant: frame[column]})
        return frame

    def _check_rows(self, frame: pd.DataFrame) -> None:
        noun = self.noun
        if (twice := int(frame[self.key].duplicated().sum())) > 0:
            which = frame.loc[frame[self.key].duplicated(), [self.key]].head(1).to_dict("list")[self.key][0]
            raise InvalidData(f"{twice:,} {noun}s come twice, such as {which!r}; a key names one.", column=self.key)
        if (early := int((frame[KNOWN_AT] < frame[AT]).sum())) > 0:
            raise InvalidData(
                f"the outcome of {early:,} {noun}s was known before they were decided ({KNOWN_AT} before {AT}); there "
                "is nothing to predict.",
                column=KNOWN_AT,
            )
        refuse_infinite(frame[self.label], f"the label {self.label!r}", f"{noun}s")
        if frame[self.label].isna().all():
            raise InvalidData(f"the label {self.label!r} is null in every {noun}.", column=self.label)
        if frame[self.label].nunique() == 1:
            raise InvalidData(
                f"the label {self.label!r} is {frame[self.label].dropna().iloc[0]} in every {noun}; there is "
                "nothing to learn.",
                column=self.label,
            )

    @cached_property
    def last_decision(self) -> datetime:
        """When the last decision of the data is made."""
        moment: datetime = self.rows[AT].max().to_pydatetime(warn=False)
        return moment

    @property
    def usual_date(self) -> str:
        """The logical date of a run that is told none: `as_of`, or the day on which the last outcome was known."""
        if self.as_of is not None:
            return self.as_of
        return f"{self.rows[KNOWN_AT].max().ceil('D'):%Y-%m-%d}"

    @cached_property
    def patience(self) -> timedelta:
        """How long after their decisions nearly all outcomes are known; two days at least."""
        frame = self.rows
        late: Any = (frame[KNOWN_AT] - frame[AT]).quantile(0.99)
        return max(timedelta(days=2), timedelta(seconds=late.total_seconds()))

    @cached_property
    def canary(self) -> RolloutPolicy:
        """The policy of the canary: `rollout`, or one that the rows of `watch_days` can satisfy.

        Few rows a day, or outcomes that are late, would let the usual one run out of patience with every model.
        """
        if (found := self.rollout) is None:
            frame = self.rows
            days = max(1.0, (frame[AT].max() - frame[AT].min()).total_seconds() / 86_400)
            late: Any = (frame[KNOWN_AT] - frame[AT]).quantile(0.99)
            waits = late.total_seconds() / 86_400
            known = len(frame) / days * max(1.0, self.watch_days - waits)  # outcomes within the watch
            found = RolloutPolicy(margin=0.005 if self.kind == "classification" else 0.02)
            if known * found.weights[0] / 100 < found.min_labels or waits > 1:
                few = max(5, min(found.min_labels, int(known / 8)))
                found = replace(found, weights=(50, 100), min_labels=few, patience_days=max(7, self.watch_days))
        shared = found.shared if self.kind == "classification" else None
        return replace(found, noun=f"{self.noun}s", error=_ERRORS[self.kind], shared=shared)

    def labelled(self, start: datetime, until: datetime) -> pd.DataFrame:
        """The decisions from `start` on whose outcome was known by `until`: one row each, in order.

        Labels arrive late: what nobody knew at `until` is not in it.

        Raises:
            InvalidData: no outcome was known by then.
        """
        frame = self.rows
        chosen = frame[(frame[AT] >= start) & (frame[KNOWN_AT] <= until)].reset_index(drop=True)
        if chosen.empty:
            first, last = frame[AT].min(), frame[KNOWN_AT].max()
            raise InvalidData(
                f"no {self.noun} decided from {start:%Y-%m-%d} on was over by {until:%Y-%m-%d}; "
                f"the data reaches from {first:%Y-%m-%d} to {last:%Y-%m-%d}."
            )
        return chosen

    def check(self, *, features: str, start: datetime, holdout_from: datetime, until: datetime) -> None:
        """Look at everything that a run would trip over, before it writes anything.

        Raises:
            UnknownName, InvalidData: see `rows`; or a side of the split is empty, one side has one class, a feature is
                null in every row, or has so many distinct texts that it is an identifier.
        """
        known = self.labelled(start, until)
        holdout = known[AT] >= holdout_from
        for side, rows in (("learn from", known[~holdout]), ("be examined on", known[holdout])):
            if rows.empty:
                raise InvalidData(
                    f"a split at {holdout_from:%Y-%m-%d} leaves no {self.noun} to {side}: they reach from "
                    f"{known[AT].min():%Y-%m-%d} to {known[AT].max():%Y-%m-%d}. Choose other holdout_days.",
                )
            if self.kind == "classification" and rows[self.label].nunique() < 2:
                raise InvalidData(
                    f"{self.label!r} is {rows[self.label].iloc[0]} in every {self.noun} to {side}; both answers are "
                    "needed there.",
                    column=self.label,
                )
        for view in self.services[features].views:
            frame = view.source.columns(view.columns)
            for column in view.columns:
                if column not in frame.columns:
                    raise UnknownName("column", column, frame.columns, where=f"source {view.source.name!r}")
            for name, dtype in view.dtypes.items():
                if not len(frame) or frame[name].isna().all():
                    raise InvalidData(f"feature {name!r} of view {view.name!r} is null in every row.", column=name)
                refuse_infinite(frame[name], f"feature {name!r} of view {view.name!r}", "rows")
                if dtype == "string" and (many := int(frame[name].nunique())) > _MOST_CATEGORIES:
                    raise InvalidData(
                        f"feature {name!r} of view {view.name!r} has {many:,} distinct texts in {len(frame):,} rows; "
                        "that is an identifier, and no category to learn from.",
                        column=name,
                    )
        self._check_presence(self.services[features].views, known)

    def _check_presence(self, views: Sequence[FeatureView], known: pd.DataFrame) -> None:
        """Raise where a view has nothing to say at the moment of any decision."""
        with TemporaryDirectory(ignore_cleanup_errors=True) as aside:
            store = FeatureStore(aside, clock=FakeClock())
            store.apply([one for one in self.definitions if not isinstance(one, FeatureService)])
            for view in (each for each in views if each is each.without_role):
                store.apply(view)
                references = [f"{view.name}:{name}" for name in view.features]
                for asked in (known.iloc[:: max(1, len(known) // 500)], known):  # few rows tell it nearly always
                    frame = store.get_historical_features(asked, features=references).frame
                    if frame[list(view.features)].notna().any(axis=None):
                        break
                else:
                    raise InvalidData(
                        f"every value of {view.name} is missing at decision time: its rows are known later (see its "
                        "created_timestamp_column), older than its ttl, or of other keys."
                    )

    def __repr__(self) -> str:
        return f"Problem({self.name}: {self.kind} by {self.metric}, services {', '.join(self.services)})"


def _named_models(models: Any, kind: str) -> Mapping[str, Any]:
    if isinstance(models, Mapping):
        found = dict(models)
    elif isinstance(models, list | tuple):
        found = {_called(each): each for each in models}
    else:
        found = {_called(models): models}
    for name in (each for each in found.values() if isinstance(each, str)):
        if name not in KINDS[kind]:
            raise UnknownName("model", name, KINDS[kind], where=f"{kind}; or give any scikit-learn estimator")
    return found


def _with_views(definitions: Sequence[Any]) -> tuple[Any, ...]:
    """The definitions, and the views that only a service names."""
    named = {one.name for one in definitions if isinstance(one, FeatureView)}
    brought = [view for one in definitions if isinstance(one, FeatureService) for view in one.features]
    return (*{view.name: view for view in brought if view.name not in named}.values(), *definitions)


def _called(model: Any) -> str:
    return model if isinstance(model, str) else type(getattr(model, "steps", [("", model)])[-1][1]).__name__


def _services(features: Mapping[str, Any]) -> list[FeatureService]:
    """The feature services of a mapping from names to views."""
    return [
        FeatureService(name, [views] if isinstance(views, FeatureView) else views) for name, views in features.items()
    ]


def _with_directions(policy: GatePolicy | Sequence[Rule], own: Mapping[str, Metric]) -> GatePolicy:
    """The policy whose rules know the direction of the problem's own metrics."""
    rules = []
    for rule in (policy if isinstance(policy, GatePolicy) else GatePolicy(policy)).rules:
        parts = str(getattr(rule, "metric", "")).split(".")
        told = next((own[part].higher_is_better for part in parts if part in own), None)
        unsaid = getattr(rule, "higher_is_better", True) is None
        rules.append(replace(rule, higher_is_better=told) if told is not None and unsaid else rule)  # type: ignore[type-var]
    return GatePolicy(rules)
