"""The capstone's four checks: rows that see no future, a view, a service and a report of the whole policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlops_lab.teaching.checks.capstone_flights import (
    KEYS,
    decisions_of_june,
    examined,
    joined,
    known_alike,
    moments_round_the_clock,
    needed,
    on_flights,
    rows_known_at,
    schema_of,
    some_days,
    store_with,
    tied,
    with_another_future,
)
from mlops_lab.teaching.checks.exercise import expect, read_exercises

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.data.features import FeatureView, OnDemandFeatureView


#: What the pipeline's `as_known` is made of, and the fingerprint of its FLIGHTS_POLICY. This module does not know that
#: one; the tests compare the two.
CHAMPION_VIEWS = ("flight_schedule", "airport_weather", "airport_departures", "carrier_departures", "aircraft_last_leg")
POLICY = "sha256:7da279d5019a226d2e1f679da6aa8981bb393b1f14910345eed7ec70613b5362"

_COVERED = 0.3  # share of decisions that must find a row
_TIED = 0.05  # share of rows that may be alike in keys and times, as flights that land in the same minute are
_TOO_GOOD = 0.03  # AUC over the champion as served; honest ideas on top of its features gained at most 0.007


def judge_rows(my_rows: Callable[[pd.DataFrame], Any]) -> None:
    """Rows must be a table with keys and both times, look at no future, reach the decisions and say something."""
    expect(callable(my_rows), "write a function: def my_rows(flights).")
    flights = some_days()
    rows = my_rows(flights.copy())
    _expect_table(rows)
    keys = [name for name in KEYS if name in rows.columns]
    features = list(schema_of(rows, keys))
    expect(features, "besides keys and timestamps there is no feature in it.")
    last = flights["sched_dep"].max()
    said = "the rows tell of other days than the flights that came in: use the argument, not a table from outside."
    expect((rows["event_timestamp"] - last).max().days < 3 and len(rows.index) > 0, said)
    _expect_honest(my_rows, flights, keys)
    known = joined(rows, keys)
    found = float(known[features].notna().any(axis=1).mean())
    said = (
        f"only {found:.0%} of the decisions find a row. Does {' and '.join(keys)} hold the values of the decisions' "
        "column of that name? And is the row there two hours before departure?"
    )
    expect(found >= _COVERED, said)
    said = f"{' and '.join(features)}: the same for every decision. What never changes tells no two flights apart."
    expect(any(known[name].nunique() > 1 for name in features), said)


def _expect_table(rows: Any) -> None:
    import pandas as pd

    expect(rows is not None, "the function returns nothing: return a DataFrame.")
    expect(isinstance(rows, pd.DataFrame), f"return a DataFrame, not {type(rows).__name__}.")
    expect("event_timestamp" in rows.columns, "the column event_timestamp is missing: from when on is a row true?")
    said = (
        "the column created_timestamp is missing: without it a row counts as known the moment it describes, even if "
        "nobody could have computed it by then."
    )
    expect("created_timestamp" in rows.columns, said)
    for name in ("event_timestamp", "created_timestamp"):
        said = f"{name} must hold moments with a time zone (UTC), not {rows[name].dtype}."
        expect(isinstance(rows[name].dtype, pd.DatetimeTZDtype), said)
        expect(rows[name].notna().all(), f"{name} is null in {int(rows[name].isna().sum())} rows.")
    said = f"no key: at least one column must be called {', '.join(KEYS[:-1])} or {KEYS[-1]}, as in the decisions."
    expect(any(name in rows.columns for name in KEYS), said)
    expect(len(rows.index) > 0, "there are no rows.")


def _expect_honest(my_rows: Callable[[pd.DataFrame], pd.DataFrame], flights: pd.DataFrame, keys: list[str]) -> None:
    """Change what happens after a moment; what was known at that moment must not move."""
    rows = my_rows(flights.copy())
    same = [*keys, "event_timestamp", "created_timestamp"]
    share = float(tied(rows, keys).mean())
    said = (
        f"{share:.0%} of the rows share {', '.join(same)} with a row that says something else: which of them counts is "
        "chance. Make one row of them, by their mean for example."
    )
    expect(share <= _TIED, said)
    for moment in moments_round_the_clock():
        tampered = my_rows(with_another_future(flights, moment))
        before, after = (rows_known_at(each, moment, keys) for each in (rows, tampered))
        if known_alike(before, after, keys) and tied(after, keys).sum() <= _TIED * len(after):
            continue
        shown = f"{moment[11:16]} on {int(moment[8:10])} March"
        whole_days = rows["event_timestamp"].nunique() <= len(flights["sched_dep"].dt.date.unique()) + 2
        said = (
            f"a whole day is in each row, and at {shown} the row of that very day counts as known: when only later "
            "flights were changed, it changed. A daily average is known when the day is over."
        )
        expect(not whole_days, said)
        said = f"what counts as known at {shown} changed when only later flights were changed: the feature looks ahead."
        expect(False, said)


def judge_view(view: Any) -> None:
    """A view must name its keys, hold long enough, and say since when its rows are known."""
    from mlops_lab.data.features import FeatureView

    expect(isinstance(view, FeatureView), "give a FeatureView, with name, entities, schema, ttl and source.")
    taken = view.name in CHAMPION_VIEWS
    expect(not taken, f"there is a view called {view.name!r} already; give yours a name of its own.")
    created = view.source.created_timestamp_column
    said = "its source has no created_timestamp_column: the store would show every row before it could be known."
    expect(created is not None, said)
    said = f"created_timestamp_column is {created!r}, the time of the event: then nothing is ever known late."
    expect(created != view.source.timestamp_field, said)
    rows = view.source.read()
    unknown = [key for key in view.join_keys if key not in rows.columns]
    expect(not unknown, f"its entity has the join key {unknown[:1]}, and the rows have no such column.")
    _expect_honest_view(view)
    known, served = (_of_june(view, live=live) for live in (False, True))
    said = "training would see rows that had not landed when it is served: replay and join differ."
    expect(known.equals(served), said)
    found = float(known.notna().any(axis=1).mean())
    said = (
        f"only {found:.0%} of the decisions in June find a row. The newest row is often hours old two hours before "
        "departure: let it hold longer (ttl), or look at the keys."
    )
    expect(found >= _COVERED, said)


def _expect_honest_view(view: FeatureView) -> None:
    """The rows of this very view, computed from flights whose future was changed: what was known must not move."""
    source = view.source
    strange = [key for key in view.key_columns if key not in KEYS]
    said = f"{view.name}: the decisions have no column {strange[:1]} to join on; they have {', '.join(KEYS)}."
    expect(not strange, said)
    said = (
        f"the rows of {view.name} are a finished table, and nobody can see how it was made: give the source a "
        "function, lambda: my_rows(flights)."
    )
    expect(callable(source.data), said)

    def rows_of(flights: pd.DataFrame) -> pd.DataFrame:
        with on_flights(source.data, flights) as found:  # type: ignore[arg-type]
            said = f"the rows of {view.name} do not come from the table flights: compute them as my_rows(flights)."
            expect(found, said)
            rows = replace(source, data=source.data()).read()  # type: ignore[operator]  # under the view's own names
        times = {source.timestamp_field: "event_timestamp", source.created_timestamp_column: "created_timestamp"}
        kept = [*view.join_keys, *times, *view.features]
        return rows[[name for name in kept if name in rows.columns]].rename(columns=times)

    flights = some_days()
    rows = rows_of(flights)
    said = f"the rows of {view.name} tell of other days than the flights they are given: compute them from flights."
    expect(len(rows.index) > 0 and abs((rows["event_timestamp"].max() - flights["sched_dep"].max()).days) < 3, said)
    _expect_honest(rows_of, flights, list(view.join_keys))


def _of_june(view: Any, *, live: bool) -> pd.DataFrame:
    from mlops_lab.data.features import FeatureService

    service = FeatureService("judged", [view])
    with store_with(*needed(service)) as store:
        found = (store.replay if live else store.get_historical_features)(decisions_of_june(), features=service)
        return found.frame[list(found.features)]


def _expect_only_inputs(view: OnDemandFeatureView) -> None:
    """A transformation must make its features of its inputs, and ask the request for what it has."""
    strange = [name for name in view.requested if name not in (*KEYS, "event_timestamp")]
    said = f"{view.name} asks for {strange[:1]} with the request: nobody has it when a flight is decided on."
    expect(not strange, said)
    before = _of_june(view, live=False)
    with on_flights(view.udf, some_days()):
        try:
            same = before.equals(_of_june(view, live=False))
        except Exception:  # whatever somebody's code says of flights that it does not find
            same = False
    said = f"the function of {view.name} looks into the table flights, where the outcomes are: it may use its inputs."
    expect(same, said)


def judge_service(service: Any) -> None:
    """A service must hold something new and be no worse than the champion in weeks that nobody was shown."""
    from mlops_lab.data.features import FeatureService, OnDemandFeatureView

    expect(isinstance(service, FeatureService), "give a FeatureService, with a name and a list of views.")
    base = tuple(view for view in service.features if view.role in CHAMPION_VIEWS)
    expect(len(base) < len(service.features), "there is nothing of yours in it: add your view to the champion's views.")
    lost = [name for name in CHAMPION_VIEWS if name not in [view.role for view in base]]
    said = f"the champion's {', '.join(lost)} are left out: keep the champion's views, and add yours."
    expect(not lost, said)
    champions = _champions_views()
    for own in champions.values():
        said = f"{own.name} is not the champion's view of that name: take it from champion_views as it is."
        expect(own in base, said)
    for view in service.views:
        if view.name in champions:  # whole, in part, or in another role
            own = champions[view.name]
            said = f"{view.role} is not the champion's view of that name: take it from champion_views as it is."
            expect(view.source == own.source and view.source.data is own.source.data, said)
            continue
        said = f"the source of {view.name} has no created_timestamp_column: its rows show before they had landed."
        expect(view.source.created_timestamp_column is not None, said)
        _expect_honest_view(view)
    for one in service.features:
        if isinstance(one, OnDemandFeatureView):
            _expect_only_inputs(one)
    champion, found = _of_champion(base), examined(service)
    offline, served, before = found["offline.roc_auc"], found["served.roc_auc"], champion["served.roc_auc"]
    said = (
        f"in June its AUC falls from {offline:.3f} offline to {served:.3f} served: a view in it shows rows before they "
        "had landed."
    )
    expect(offline - served <= 0.02, said)
    said = (
        f"in June its AUC as served is {served:.3f}, and the champion's is {before:.3f}. Nothing honest brings a tenth:"
        " something in it knows the outcome."
    )
    expect(served <= before + _TOO_GOOD, said)
    said = f"in June its AUC as served is {served:.3f}, and the champion's is {before:.3f}: more than 0.005 worse."
    expect(served >= before - 0.005, said)
    said = (
        f"in June its Brier score as served is {found['served.brier']:.4f}, and the champion's is "
        f"{champion['served.brier']:.4f}: more than 0.002 worse."
    )
    expect(found["served.brier"] <= champion["served.brier"] + 0.002, said)


def _champions_views() -> Mapping[str, FeatureView]:
    from mlops_lab.pipeline.flights import flight_services

    return {view.name: view for view in flight_services()["as_known"].views}


@lru_cache(maxsize=1)
def _of_champion(views: tuple[FeatureView, ...]) -> Mapping[str, float]:
    from mlops_lab.data.features import FeatureService

    return examined(FeatureService("champion", views))


def judge_report(report: Any) -> None:
    """A report must come from the whole policy, against the champion, and be a passed one."""
    from mlops_lab.models.registry import GateReport

    expect(isinstance(report, GateReport), "give the report that evaluate_gates returns.")
    said = "it was judged by another policy than FLIGHTS_POLICY: the bar is not yours to lower."
    expect(report.policy == POLICY, said)
    expect(report.champion is not None, "it was judged as a first model, as if there were no champion to beat.")
    expect(report.version != report.champion, "it judges the champion itself; judge your candidate.")
    gaps = [result.figure for result in report.results if result.rule == "no_worse_than_champion"]
    said = "your candidate is the champion once more: solve 09.3, then run the cell again that examines your service."
    expect(any(gap is None or abs(gap) > 1e-9 for gap in gaps), said)
    name, before = "served.roc_auc", report.champion_metrics or {}
    gain = report.metrics[name] - before[name] if name in report.metrics and name in before else 0.0
    said = (
        f"it gains {gain:.3f} AUC over the champion. Nothing honest brings a tenth; the colleague's leak did. Judge "
        "the version that learnt from the service of 09.3, with the figures of that version."
    )
    expect(gain <= _TOO_GOOD, said)
    reasons = " ".join(result.sentence for result in report.failures)
    expect(report.passed, f"the gate refused it: {reasons}")


EXERCISES = read_exercises(
    "nb09.toml", {"09.1": judge_rows, "09.2": judge_view, "09.3": judge_service, "09.4": judge_report}
)
