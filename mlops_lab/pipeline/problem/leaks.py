"""The leak check: which features of a problem know what nobody could have known when it was decided.

Nothing is trained. Each view is joined twice, offline (as the definitions say) and as served (as rows arrived), and
each feature alone is asked how well it ranks the outcomes. A feature is accused only of what its rows show; what they
do not say, such as when a row was written, is told as unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.display import counted
from mlops_lab.data.features import FeatureService, FeatureStore, FeatureView
from mlops_lab.pipeline.problem.problem import AT, KNOWN_AT, Problem
from mlops_lab.pipeline.problem.seasons import spread

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


_DIFFERS = 0.01  # the share of decisions on which paper and service may differ
TOO_GOOD = {"classification": 0.95, "regression": 0.985}  # AUC, rank correlation: more is no feature but the answer
_STRONG = {"classification": 0.8, "regression": 0.9}  # from here on it may stand out
_LOST = 0.04  # AUC or correlation that a row joined on its date may lose when it is known a day later
_ALONE = 50  # rows of one outcome that are no chance
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Leak:
    """One finding: the view ("" is the decisions themselves), its features, which kind, and why in one sentence.

    `practice` says that the view is there to be found: it bears the tag `practice`.
    """

    view: str
    features: tuple[str, ...]
    kind: str
    sentence: str
    practice: bool = False


@dataclass(frozen=True)
class FeaturePicture:
    """How well one feature alone ranks the outcomes: AUC from 0.5, or the size of a rank correlation."""

    view: str
    feature: str
    paper: float
    service: float


@dataclass(frozen=True, repr=False)
class LeakReport:
    """What the check found: `leaks`, the `pictures` of every feature, and what the rows could not say (`unknown`).

    `warnings` are no verdict: features that alone are far better than all others, and views that are empty.
    """

    problem: str
    figure: str
    leaks: tuple[Leak, ...]
    pictures: tuple[FeaturePicture, ...]
    unknown: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def views(self) -> tuple[str, ...]:
        """The views that leak, in their order."""
        return tuple(dict.fromkeys(leak.view for leak in self.leaks if leak.view))

    def __repr__(self) -> str:
        found = ", ".join(self.views) or ("the decisions" if self.leaks else "none")
        return f"LeakReport({self.problem}: leaking {found}; {counted(len(self.pictures), 'feature')} looked at)"

    def to_frame(self) -> pd.DataFrame:
        """The pictures as a table: the leaks first, and of these the largest loss."""
        import pandas as pd

        named = {(leak.view, name): leak.kind for leak in self.leaks for name in leak.features}
        rows = [
            {"view": p.view, "feature": p.feature, "offline": round(p.paper, 3), "served": round(p.service, 3)}
            | {"leak": named.get((p.view, p.feature), "")}
            for p in self.pictures
        ]
        table = pd.DataFrame(rows, columns=["view", "feature", "offline", "served", "leak"])
        ranked = table.assign(clean=table["leak"] == "", gain=table["served"] - table["offline"])
        return table.loc[ranked.sort_values(["clean", "gain"], kind="stable").index].reset_index(drop=True)


def find_leaks(problem: Problem, *, rows: int = 20_000) -> LeakReport:
    """Look for leaks in every view of a problem, on decisions spread evenly over its time.

    Kinds: `landed late` (rows counted before they reached the warehouse), `revised` (values changed and nobody says
    when), `joined on the date` (a day's value counts from its first minute), `knows the label` (one feature alone is
    the answer), `null knows the label`, `mean of the label` (an average that holds the outcomes it is to predict),
    `its own outcome` (an average that counts the decision it is asked about), and `twice` (rows to be examined on that
    were learnt from).

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
    warnings: list[str] = []
    with TemporaryDirectory(ignore_cleanup_errors=True) as aside:
        store = FeatureStore(aside, clock=FakeClock())
        store.apply([one for one in problem.definitions if not isinstance(one, FeatureService)])
        store.apply([view for name, view in problem.views.items()])
        for view in problem.views.values():
            references = [f"{view.name}:{name}" for name in view.features]
            paper = store.get_historical_features(asked, features=references).frame
            service = store.replay(asked, features=references).frame
            period = _period(view, asked)
            guessed = period is not None and view.source.landed_column is None  # when its rows landed, nobody says
            if len(asked) and paper[list(view.features)].isna().all(axis=None):
                warnings.append(f"every value of {view.name} is missing at decision time.")
            seen = _when_over(view, asked, period) if guessed and period is not None else service
            looked = [_Feature(view, name, paper[name], seen[name], truth, problem.kind) for name in view.features]
            pictures += [FeaturePicture(view.name, each.name, each.paper, each.service) for each in looked]
            at_fault = [*_of_view(view, looked, problem, asked, period=period, is_guessed=guessed)]
            leaks += at_fault or _own_outcome(view, looked, problem, store, asked)
            leaks += _means(view, problem, decisions)
            if view.source.created_timestamp_column is None and view.source.landed_column is None:
                unknown.append(f"{view.name}: nothing says when its rows were written; they count from their own time.")
        twice = [found for service in problem.services.values() if (found := _twice(problem, store, service, asked))]
    figure = "AUC" if problem.kind == "classification" else "rank correlation"
    practice = {name for name, view in problem.views.items() if "practice" in (view.tags or {})}
    leaks = [replace(leak, practice=leak.view in practice) for leak in (*leaks, *twice[:1])]
    accused = {(leak.view, name) for leak in leaks for name in leak.features}
    served = {(each.view, each.feature): each.service for each in pictures}
    served = {name: figure for name, figure in served.items() if name not in accused}
    for (view_name, name), rest in standing_out(served, problem.kind).items():
        strong = served[view_name, name]
        if _better_than_the_last(strong, problem, asked):
            warnings.append(f"{view_name}: {told_of(name, problem.label, strong, rest)}; to be explained.")
    return LeakReport(problem.name, figure, tuple(leaks), tuple(pictures), tuple(unknown), tuple(warnings))


def standing_out(strengths: Mapping[Any, float], kind: str) -> dict[Any, float | None]:
    """What alone tells the outcome far better than anything else does, each with the best of the others.

    Up to three stand out together when they leave at most half of what the next one leaves to be told.

    >>> standing_out({"hours": 0.93, "parts": 0.66, "priority": 0.56}, "classification")
    {'hours': 0.66}
    """
    order = sorted(strengths, key=lambda name: -strengths[name])
    for many in (3, 2, 1):
        if many > len(order) or (weakest := strengths[order[many - 1]]) < _STRONG[kind]:
            continue
        rest = strengths[order[many]] if many < len(order) else None
        usual = rest if rest is not None else 0.5 if kind == "classification" else 0.0
        if 1 - weakest <= 0.5 * (1 - usual):
            return dict.fromkeys(order[:many], rest)
    return {}


def told_of(name: str, label: str, strong: float, rest: float | None) -> str:
    """The question that a column asks which stands out."""
    others = "and there is no other column" if rest is None else f"the next best column with {rest:.3f}"
    return f"known when? {name} alone tells {label} apart with {strong:.3f}, {others}"


class _Feature:
    """One feature's values offline and as served, and how well each ranks the outcomes."""

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


def _of_view(
    view: FeatureView,
    looked: list[_Feature],
    problem: Problem,
    asked: pd.DataFrame,
    *,
    period: pd.Timedelta | None,
    is_guessed: bool,
) -> Iterator[Leak]:
    named = _revised(view)
    if named:
        unsaid = "and no created_timestamp_column says from when each was known"
        why = f"values of {', '.join(named)} change for one key and time, {unsaid}."
        yield Leak(view.name, named, "revised", why)
    late = [each for each in looked if each.differs > _DIFFERS]
    if is_guessed:
        late = [each for each in looked if each.paper - each.service > max(_LOST, _chance(each.truth))]
        late = [each for each in late if not _of_the_calendar(view, each.name)]
    if late and not named:
        named = tuple(each.name for each in late)
        if period is not None:
            worst, span = max(late, key=lambda each: each.paper - each.service), _span(period)
            why = f"{span}'s {worst.name} counts from its first minute, and is known when that is over: {_told(worst)}."
            if is_guessed:
                why += " Is it known before, say so with a created_timestamp_column."
        else:
            worst = max(late, key=lambda each: each.differs)
            why = f"on {worst.differs:.0%} of decisions {worst.name} counts before it has landed: {_told(worst)}."
        yield Leak(view.name, named, "joined on the date" if period is not None else "landed late", why)
    for each in (each for each in looked if each.name not in named):
        if each.paper >= TOO_GOOD[each.kind] and _better_than_the_last(each.paper, problem, asked):
            why = f"{each.name} alone ranks the outcomes with {each.paper:.3f}; that is no feature, but the answer."
            yield Leak(view.name, (each.name,), "knows the label", why)
        elif told := _null_knows(each):
            yield Leak(view.name, (each.name,), "null knows the label", told)


def _own_outcome(
    view: FeatureView, looked: list[_Feature], problem: Problem, store: FeatureStore, asked: pd.DataFrame
) -> Iterator[Leak]:
    """Features that know the outcome at the very moment of the decision, and not a moment before."""
    source = view.source
    if problem.key in view.join_keys or not asked[AT].isin(source.columns(view.columns)[source.timestamp_field]).any():
        return
    before = asked.assign(**{AT: asked[AT] - timedelta(microseconds=1)})
    frame = store.get_historical_features(before, features=[f"{view.name}:{each.name}" for each in looked]).frame
    weaker = {each.name: strength(frame[each.name], each.truth, each.kind) for each in looked}
    named = [each for each in looked if each.paper - weaker[each.name] > max(_LOST, _chance(each.truth))]
    if named:
        worst = max(named, key=lambda each: each.paper - weaker[each.name])
        why = (
            f"{worst.name} alone ranks {worst.paper:.3f}, and {weaker[worst.name]:.3f} a moment before the decision: it"
        )
        yield Leak(view.name, tuple(each.name for each in named), "its own outcome", f"{why} holds the outcome itself.")


def _better_than_the_last(strong: float, problem: Problem, asked: pd.DataFrame) -> bool:
    """Does it rank the outcomes better than the outcome that was known last? A price is nearly its last price."""
    import pandas as pd

    rows = problem.rows.dropna(subset=[problem.label])
    asked = asked.sort_values(AT, kind="stable")
    known = rows.assign(_last=rows[problem.label].astype("float64")).sort_values(KNOWN_AT, kind="stable")
    found = 0.0
    for keys in {tuple(view.join_keys) for view in problem.views.values()} - {(problem.key,)}:
        told = known[[*keys, KNOWN_AT, "_last"]].rename(columns={KNOWN_AT: "_known"})
        # Known at once is known after: a decision never has its own outcome.
        last = pd.merge_asof(asked, told, left_on=AT, right_on="_known", by=list(keys), allow_exact_matches=False)
        found = max(found, strength(last["_last"], last[problem.label].to_numpy("float64"), problem.kind))
    return strong - found > 0.25 * (1 - found)


def _of_the_calendar(view: FeatureView, name: str) -> bool:
    """Is it told by the date alone, such as the weekday, so that everybody knows it before?"""
    rows = view.source.columns(view.columns)[[view.source.timestamp_field, name]].dropna()
    times = rows[view.source.timestamp_field].dt
    parts = (times.day_of_week, times.month, times.day, times.day_of_year)
    return any(int(rows[name].groupby(part).nunique().max()) == 1 for part in parts)


def _span(period: pd.Timedelta) -> str:
    hours = period.total_seconds() / 3600
    return {1.0: "an hour", 24.0: "a day", 168.0: "a week"}.get(hours, f"a period of {period}")


def _told(each: _Feature) -> str:
    return f"alone it ranks {each.paper:.3f} offline and {each.service:.3f} as served"


def _chance(truth: np.ndarray[Any, Any]) -> float:
    """Three standard errors of a figure of so many rows."""
    return 3 * 0.6 / math.sqrt(max(len(truth), 1))


def _revised(view: FeatureView) -> tuple[str, ...]:
    """The features with several values for one key and time, where nothing says which was known when."""
    if view.source.created_timestamp_column is not None:
        return ()
    keys = [*view.join_keys, view.source.timestamp_field]
    frame = view.source.columns(view.columns)
    again = frame[frame.duplicated(keys, keep=False)]
    if again.empty:
        return ()
    many = again.groupby(keys, dropna=False, observed=True)[list(view.features)].nunique(dropna=False).gt(1).sum()
    return tuple(name for name in view.features if many[name] > _DIFFERS * len(frame.drop_duplicates(keys)))


def _period(view: FeatureView, asked: pd.DataFrame) -> pd.Timedelta | None:
    """How long the rows of a view last that begin by the clock, such as days from midnight; None where they do not.

    Only if decisions are made in between, for else nothing counts too early.
    """
    import pandas as pd

    if view.source.created_timestamp_column is not None:
        return None
    times = view.source.columns(view.columns)[view.source.timestamp_field].dropna().drop_duplicates()
    if len(times) < 5:
        return None
    hours = (times.dt.hour * 60 + times.dt.minute).drop_duplicates()
    steps = times.sort_values().diff().dropna().dt.round("min")
    usual = pd.Timedelta(steps.mode().iloc[0])
    close = len(hours) <= 2 and (len(hours) == 1 or abs(int(hours.iloc[0]) - int(hours.iloc[1])) == 60)  # one zone
    if close and steps.dt.round("2h").min() >= _DAY:
        minutes = asked[AT].dt.hour * 60 + asked[AT].dt.minute
        between = float((~minutes.isin(hours)).mean())
        usual = max(usual.round("D"), pd.Timedelta(_DAY))
    else:
        hour = pd.Timedelta(hours=1)
        if steps.min() < hour or bool((times.dt.minute != int(times.dt.minute.iloc[0])).any()):
            return None
        between = float((asked[AT].dt.minute != int(times.dt.minute.iloc[0])).mean())
        usual = max(usual, hour)
    return usual if bool((times.dt.second == 0).all()) and between > 0.5 else None


def _when_over(view: FeatureView, asked: pd.DataFrame, period: pd.Timedelta) -> pd.DataFrame:
    """The view's features if each row had been known when its period was over."""
    rows = view.source.columns(view.columns)
    rows = rows.assign(_known=rows[view.source.timestamp_field] + period)
    source = replace(view.source, data=rows, created_timestamp_column="_known", field_mapping={})
    longer = None if view.ttl is None else view.ttl + period.to_pytimedelta()
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
    if len(found) < 3:
        return
    rows = view.source.columns(view.columns)
    for name in view.features:
        if is_bool_dtype(rows[name]) or not is_numeric_dtype(rows[name]):
            continue
        same = rows.groupby(keys, observed=True)[name].agg(["first", "nunique"])
        if (same["nunique"] > 1).any():
            continue
        both = pd.concat([found, same["first"].astype("float64")], axis=1, join="inner").dropna()
        if len(both) < 3 or both["first"].std() == 0 or both["mean"].std() == 0:
            continue
        chance = (both["var"] / both["count"]) ** 0.5
        if len(both) < 10:  # too few for a line through them: nothing but the very mean is told
            if bool(((both["first"] - both["mean"]).abs() <= 0.05 * chance).all()):
                yield _mean_of(view, name, problem, keys)
            continue
        slope, constant = np.polyfit(both["first"], both["mean"], 1)
        left = both["mean"] - slope * both["first"] - constant
        noise = float((both["var"] / both["count"]).mean())
        if noise > 0 and float((left**2).mean()) < 0.25 * noise and both["mean"].corr(both["first"]) ** 2 > 0.5:
            yield _mean_of(view, name, problem, keys)


def _mean_of(view: FeatureView, name: str, problem: Problem, keys: list[str]) -> Leak:
    why = f"{name} repeats the mean of {problem.label!r} by {', '.join(keys)}, chance included: it was made of the"
    return Leak(view.name, (name,), "mean of the label", f"{why} outcomes it is to predict.")


def _twice(problem: Problem, store: FeatureStore, service: FeatureService, asked: pd.DataFrame) -> Leak | None:
    """Rows of the holdout that were learnt from, where rows are else alone with their values."""
    end: datetime = asked[AT].iloc[-1]
    # Facts of the row itself come again with it; what else was known by then need not.
    own = [view for view in service.views if tuple(view.join_keys) == (problem.key,)] or list(service.views)
    columns = [f"{view.name}__{name}" for view in own for name in view.features]
    references = [each.replace("__", ":", 1) for each in columns]
    frame = store.get_historical_features(asked, features=references, full_feature_names=True).frame
    floats = [
        name for name in columns if str(frame[name].dtype).lower() == "float64" and frame[name].nunique() > _ALONE
    ]
    if not floats:
        return None
    shown = [*columns, problem.label]
    known = frame[frame[floats].notna().any(axis=1)]
    before = known[AT] < end - timedelta(days=problem.holdout_days)
    learnt, holdout = known.loc[before, shown], known.loc[~before, shown]
    if len(learnt) < _ALONE or len(holdout) < _ALONE:
        return None
    again = holdout.merge(learnt.drop_duplicates(), on=shown, how="inner")
    chance = float(learnt.duplicated(keep=False).mean())  # rows that are alike without being the same
    if len(again) < max(3, (_DIFFERS + 2 * chance) * len(holdout)):
        return None
    return Leak(
        "",
        (),
        "twice",
        f"{len(again):,} of {len(holdout):,} {problem.noun}s to be examined on are, value by value, "
        "among those that are learnt from.",
    )
