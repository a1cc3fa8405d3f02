"""The leak check: which features of a problem know what nobody could have known when it was decided.

Nothing is trained. Each view is joined twice, on paper (as the definitions say) and in service (as rows landed), and
each feature alone is asked how well it ranks the outcomes. A feature is accused only of what its rows show; what they
do not say, such as when a row was written, is told as unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import FakeClock
from mlops_lab.data.features import FeatureService, FeatureStore, FeatureView
from mlops_lab.pipeline.problem.problem import AT, Problem
from mlops_lab.pipeline.problem.seasons import spread

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


_DIFFERS = 0.01  # the share of decisions on which paper and service may differ
TOO_GOOD = {"classification": 0.95, "regression": 0.985}  # AUC, rank correlation: more is no feature but the answer
_LOST = 0.04  # AUC or correlation that a row joined on its date may lose when it is known a day later
_ALONE = 50  # rows of one outcome that are no chance
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Leak:
    """One finding: the view ("" is the decisions themselves), its features, which kind, and why in one sentence."""

    view: str
    features: tuple[str, ...]
    kind: str
    sentence: str


@dataclass(frozen=True)
class FeaturePicture:
    """How well one feature alone ranks the outcomes: AUC from 0.5, or the size of a rank correlation."""

    view: str
    feature: str
    paper: float
    service: float


@dataclass(frozen=True, repr=False)
class LeakReport:
    """What the check found: `leaks`, the `pictures` of every feature, and what the rows could not say (`unknown`)."""

    problem: str
    figure: str
    leaks: tuple[Leak, ...]
    pictures: tuple[FeaturePicture, ...]
    unknown: tuple[str, ...]

    @property
    def views(self) -> tuple[str, ...]:
        """The views that leak, in their order."""
        return tuple(dict.fromkeys(leak.view for leak in self.leaks if leak.view))

    def __repr__(self) -> str:
        found = ", ".join(self.views) or ("the decisions" if self.leaks else "none")
        return f"LeakReport({self.problem}: leaking {found}; {len(self.pictures)} features looked at)"

    def to_frame(self) -> pd.DataFrame:
        """The pictures as a table, the largest loss first."""
        import pandas as pd

        named = {(leak.view, name): leak.kind for leak in self.leaks for name in leak.features}
        rows = [
            {"view": p.view, "feature": p.feature, "paper": round(p.paper, 3), "service": round(p.service, 3)}
            | {"leak": named.get((p.view, p.feature), "")}
            for p in self.pictures
        ]
        table = pd.DataFrame(rows, columns=["view", "feature", "paper", "service", "leak"])
        order = (table["service"] - table["paper"]).sort_values(kind="stable").index
        return table.loc[order].reset_index(drop=True)


def find_leaks(problem: Problem, *, rows: int = 20_000) -> LeakReport:
    """Look for leaks in every view of a problem, on decisions spread evenly over its time.

    Kinds: `landed late` (rows counted before they reached the warehouse), `revised` (values changed and nobody says
    when), `joined on the date` (a day's value counts from its first minute), `knows the label` (one feature alone is
    the answer), `null knows the label`, `mean of the label` (an average that holds the outcomes it is to predict), and
    `twice` (rows to be examined on that were learnt from).

    Args:
        problem: whose views are looked at.
        rows: at most so many decisions are joined.
    """
    decisions = problem.rows
    decisions = decisions[decisions[problem.label].notna()].sort_values(AT, kind="stable").reset_index(drop=True)
    asked = spread(decisions, rows).reset_index(drop=True)
    truth = asked[problem.label].to_numpy("float64")
    leaks: list[Leak] = []
    pictures: list[FeaturePicture] = []
    unknown: list[str] = []
    with TemporaryDirectory(ignore_cleanup_errors=True) as aside:
        store = FeatureStore(aside, clock=FakeClock())
        store.apply([one for one in problem.definitions if not isinstance(one, FeatureService)])
        store.apply([view for name, view in problem.views.items()])
        for view in problem.views.values():
            references = [f"{view.name}:{name}" for name in view.features]
            paper = store.get_historical_features(asked, features=references).frame
            service = store.replay(asked, features=references).frame
            dated = _counts_from_midnight(view, asked)
            guessed = dated and view.source.landed_column is None  # when its rows landed, nobody says
            seen = _a_day_later(view, asked) if guessed else service
            looked = [_Feature(view, name, paper[name], seen[name], truth, problem.kind) for name in view.features]
            pictures += [FeaturePicture(view.name, each.name, each.paper, each.service) for each in looked]
            leaks += _of_view(view, looked, is_dated=dated, is_guessed=guessed)
            leaks += _means(view, problem, decisions)
            if view.source.created_timestamp_column is None and view.source.landed_column is None:
                unknown.append(f"{view.name}: nothing says when its rows were written; they count from their own time.")
        twice = [found for service in problem.services.values() if (found := _twice(problem, store, service, asked))]
    figure = "AUC" if problem.kind == "classification" else "rank correlation"
    return LeakReport(problem.name, figure, (*leaks, *twice[:1]), tuple(pictures), tuple(unknown))


class _Feature:
    """One feature's values on paper and in service, and how well each ranks the outcomes."""

    def __init__(
        self, view: FeatureView, name: str, paper: Any, service: Any, truth: np.ndarray[Any, Any], kind: str
    ) -> None:
        self.view, self.name, self.values, self.served, self.truth, self.kind = view, name, paper, service, truth, kind
        self.paper = strength(paper, truth, kind)
        self.service = self.paper if paper.equals(service) else strength(service, truth, kind)

    @property
    def differs(self) -> float:
        """The share of decisions on which paper and service are not the same."""
        both = self.values.isna().to_numpy() & self.served.isna().to_numpy()
        same = (self.values == self.served).fillna(False).to_numpy("bool")
        return float(1 - (same | both).mean()) if len(both) else 0.0


def strength(values: Any, truth: np.ndarray[Any, Any], kind: str) -> float:
    """How well values alone rank the outcomes: AUC from 0.5, or the size of the rank correlation."""
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype
    from scipy.stats import rankdata

    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.astype("int64").where(values.notna())
    if is_bool_dtype(values) or is_numeric_dtype(values):
        numbers = values.astype("Float64").to_numpy("float64", na_value=np.nan)
    else:  # a text stands for the mean outcome of its other half: what it says of rows it has not seen
        half = np.arange(len(values)) % 2 == 0
        codes, outcome = values.astype("object").fillna("").to_numpy(), pd.Series(truth)
        numbers = np.full(len(truth), np.nan)
        for part in (half, ~half):
            numbers[part] = pd.Series(codes[part]).map(outcome[~part].groupby(codes[~part]).mean()).to_numpy("float64")
    known = np.isfinite(numbers)
    numbers, truth = numbers[known], truth[known]
    if len(truth) < 2 * _ALONE or truth.min() == truth.max() or numbers.min() == numbers.max():
        return 0.5 if kind == "classification" else 0.0
    ranks = rankdata(numbers)
    if kind == "regression":
        return abs(float(np.corrcoef(ranks, rankdata(truth))[0, 1]))
    positives = truth > 0
    many, rest = int(positives.sum()), int((~positives).sum())
    area = (ranks[positives].sum() - many * (many + 1) / 2) / (many * rest)
    return float(max(area, 1 - area))


def _of_view(view: FeatureView, looked: list[_Feature], *, is_dated: bool, is_guessed: bool) -> Iterator[Leak]:
    named = _revised(view)
    if named:
        unsaid = "and no created_timestamp_column says from when each was known"
        why = f"values of {', '.join(named)} change for one key and time, {unsaid}."
        yield Leak(view.name, named, "revised", why)
    late = [each for each in looked if each.differs > _DIFFERS]
    if is_guessed:
        late = [each for each in looked if each.paper - each.service > max(_LOST, _chance(each.truth))]
    if late and not named:
        named = tuple(each.name for each in late)
        if is_dated:
            worst = max(late, key=lambda each: each.paper - each.service)
            why = f"a day's {worst.name} counts from its first minute: {_told(worst)}, when the day is over."
        else:
            worst = max(late, key=lambda each: each.differs)
            why = f"on {worst.differs:.0%} of decisions {worst.name} counts before it has landed: {_told(worst)}."
        yield Leak(view.name, named, "joined on the date" if is_dated else "landed late", why)
    for each in (each for each in looked if each.name not in named):
        if each.paper >= TOO_GOOD[each.kind]:
            why = f"{each.name} alone ranks the outcomes with {each.paper:.3f}; that is no feature, but the answer."
            yield Leak(view.name, (each.name,), "knows the label", why)
        elif told := _null_knows(each):
            yield Leak(view.name, (each.name,), "null knows the label", told)


def _told(each: _Feature) -> str:
    return f"alone it ranks {each.paper:.3f} on paper and {each.service:.3f} in service"


def _chance(truth: np.ndarray[Any, Any]) -> float:
    """Three standard errors of a figure of so many rows."""
    return 3 * 0.6 / math.sqrt(max(len(truth), 1))


def _revised(view: FeatureView) -> tuple[str, ...]:
    """The features with several values for one key and time, where nothing says which was known when."""
    if view.source.created_timestamp_column is not None:
        return ()
    keys = [*view.join_keys, view.source.timestamp_field]
    frame = view.source.columns([*keys, *view.features])
    again = frame[frame.duplicated(keys, keep=False)]
    if again.empty:
        return ()
    many = again.groupby(keys, dropna=False, observed=True)[list(view.features)].nunique(dropna=False).gt(1).sum()
    return tuple(name for name in view.features if many[name] > _DIFFERS * len(frame.drop_duplicates(keys)))


def _counts_from_midnight(view: FeatureView, asked: pd.DataFrame) -> bool:
    """Are the rows of days, each counted from its midnight, and are the decisions made within days?"""
    if view.source.created_timestamp_column is not None:
        return False
    times = view.source.columns([view.source.timestamp_field])[view.source.timestamp_field].dropna().drop_duplicates()
    if len(times) < 10:
        return False
    hours = (times.dt.hour * 60 + times.dt.minute).drop_duplicates()
    close = len(hours) <= 2 and (len(hours) == 1 or abs(int(hours.iloc[0]) - int(hours.iloc[1])) == 60)  # one zone
    whole = bool((times.dt.second == 0).all()) and bool(
        times.sort_values().diff().dropna().dt.round("2h").min() >= _DAY
    )
    minutes = asked[AT].dt.hour * 60 + asked[AT].dt.minute
    return close and whole and bool((~minutes.isin(hours)).mean() > 0.5)


def _a_day_later(view: FeatureView, asked: pd.DataFrame) -> pd.DataFrame:
    """The view's features if each row had been known when its day was over."""
    needed = [*view.join_keys, *view.source.time_columns, *view.features]
    rows = view.source.columns(needed)
    rows = rows.assign(_known=rows[view.source.timestamp_field] + _DAY)
    source = replace(view.source, data=rows, created_timestamp_column="_known", field_mapping={})
    longer = None if view.ttl is None else view.ttl + _DAY
    with TemporaryDirectory(ignore_cleanup_errors=True) as aside:
        store = FeatureStore(aside, clock=FakeClock())
        store.apply(replace(view, source=source, ttl=longer))
        features = [f"{view.name}:{name}" for name in view.features]
        return store.get_historical_features(asked, features=features).frame


def _null_knows(each: _Feature) -> str:
    """Why, where the rows without a value have an outcome of their own; "" where they do not."""
    import pandas as pd

    null = each.values.isna().to_numpy()
    if not _ALONE <= null.sum() <= len(null) - _ALONE:
        return ""
    gone = each.truth[null]
    if each.kind == "classification":
        share, base = float(gone.mean()), float(each.truth.mean())
        pure = share <= 0.01 or share >= 0.99
        enough = len(gone) * min(base, 1 - base) >= _ALONE and len(gone) >= 0.02 * len(null)
        return (
            f"of the {len(gone):,} rows without {each.name}, {share:.0%} end the same way." if pure and enough else ""
        )
    apart = strength(pd.Series(each.truth), null.astype("float64"), "classification")
    too_good = apart >= TOO_GOOD["classification"]
    return f"rows without {each.name} have outcomes of their own: they rank {apart:.3f} apart." if too_good else ""


def _means(view: FeatureView, problem: Problem, decisions: pd.DataFrame) -> Iterator[Leak]:
    """Features that repeat, noise and all, the mean outcome of the very decisions they are asked about."""
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    keys = list(view.join_keys)
    if not keys or keys == [problem.key] or any(key not in decisions.columns for key in keys):
        return
    outcome = decisions.assign(_truth=decisions[problem.label].astype("float64"))
    found = outcome.groupby(keys, observed=True)["_truth"].agg(["mean", "var", "count"])
    found = found[found["count"] >= 5]
    if len(found) < 10:
        return
    rows = view.source.columns([*keys, *view.features])
    for name in view.features:
        if is_bool_dtype(rows[name]) or not is_numeric_dtype(rows[name]):
            continue
        same = rows.groupby(keys, observed=True)[name].agg(["first", "nunique"])
        if (same["nunique"] > 1).any():
            continue
        both = pd.concat([found, same["first"].astype("float64")], axis=1, join="inner").dropna()
        if len(both) < 10 or both["first"].std() == 0 or both["mean"].std() == 0:
            continue
        slope, constant = np.polyfit(both["first"], both["mean"], 1)
        left = both["mean"] - slope * both["first"] - constant
        noise = float((both["var"] / both["count"]).mean())
        if noise > 0 and float((left**2).mean()) < 0.25 * noise and both["mean"].corr(both["first"]) ** 2 > 0.5:
            yield Leak(
                view.name,
                (name,),
                "mean of the label",
                f"{name} repeats the mean of {problem.label!r} by "
                f"{', '.join(keys)}, chance included: it was made of the outcomes it is to predict.",
            )


def _twice(problem: Problem, store: FeatureStore, service: FeatureService, asked: pd.DataFrame) -> Leak | None:
    """Rows of the holdout that were learnt from, where rows are else alone with their values."""
    end: datetime = asked[AT].iloc[-1]
    references = list(service.references)
    frame = store.get_historical_features(asked, features=references, full_feature_names=True).frame
    columns = [reference.replace(":", "__") for reference in references]
    floats = [
        name for name in columns if str(frame[name].dtype).lower() == "float64" and frame[name].nunique() > _ALONE
    ]
    if not floats:
        return None
    shown = [*floats, problem.label]
    known = frame[frame[floats].notna().any(axis=1)]
    before = known[AT] < end - timedelta(days=problem.holdout_days)
    learnt, holdout = known.loc[before, shown], known.loc[~before, shown]
    if len(learnt) < _ALONE or len(holdout) < _ALONE or learnt.duplicated().mean() > 0.05:
        return None
    again = holdout.merge(learnt.drop_duplicates(), on=shown, how="inner")
    if len(again) < max(3, _DIFFERS * len(holdout)):
        return None
    return Leak(
        "",
        (),
        "twice",
        f"{len(again):,} of {len(holdout):,} {problem.noun}s to be examined on are, value by value, "
        "among those that are learnt from.",
    )
