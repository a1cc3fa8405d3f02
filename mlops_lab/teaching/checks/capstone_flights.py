"""The flights on which the capstone is judged, and how a planted future is made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import lru_cache, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.data.features import FeatureService, FeatureStore, FeatureView


KEYS = ("flight_id", "origin", "dest", "carrier", "tailnum")
TRAIN_FROM, EXAM_FROM = "2013-05-15", "2013-06-15"
_DTYPES = {"b": "bool", "i": "int64", "u": "int64", "f": "float64"}


def some_days() -> pd.DataFrame:
    """A week of March, which the notebook never shows."""
    from mlops_lab.data import flights as datasets

    march = datasets.load_flights(month=3)
    week: pd.DataFrame = march[march["sched_dep"].dt.day.between(3, 9)].reset_index(drop=True)
    return week


def with_another_future(flights: pd.DataFrame, moment: str) -> pd.DataFrame:
    """The same flights, known alike until a moment, and differing in everything that happens after it.

    Who has left by then has left; who has not leaves at another time than it did; who is in the air arrives at another
    time. The schedule stays, and so does a cancellation that was sure by then (the sixteenth minute after the scheduled
    arrival, as in `datasets.outcomes`).
    """
    import numpy as np
    import pandas as pd

    at, frame = pd.Timestamp(moment), flights.copy()
    rng = np.random.default_rng(9)
    minutes = pd.to_timedelta(rng.integers(20, 400, len(frame)), unit="min").as_unit("us")
    sure = frame["arr_at"].isna() & (frame["sched_arr"] + pd.Timedelta(minutes=16) <= at)
    waits = ~(frame["dep_at"] <= at) & ~sure
    flies = (frame["dep_at"] <= at) & ~(frame["arr_at"] <= at) & ~sure
    begin = frame["sched_dep"].where(frame["sched_dep"] > at, at)
    leaves = frame["dep_at"].where(~waits, (begin + minutes).dt.as_unit("us"))
    gate_to_gate = frame["sched_arr"] - frame["sched_dep"]
    lands = frame["arr_at"].where(~waits, (leaves + gate_to_gate).dt.as_unit("us"))
    lands = lands.where(~flies, (at + minutes).to_series(index=frame.index).dt.as_unit("us"))
    for moved, planned, delay, changed in (
        (leaves, "sched_dep", "dep_delay", waits),
        (lands, "sched_arr", "arr_delay", waits | flies),
    ):
        frame[delay] = frame[delay].where(~changed, (moved - frame[planned]).dt.total_seconds() / 60)
    frame["dep_at"], frame["arr_at"] = leaves, lands
    frame["air_time"] = frame["air_time"].where(~(waits | flies), (lands - leaves).dt.total_seconds() / 60)
    for name in ("cancelled", "diverted"):
        frame[name] = frame[name] & ~(waits | flies)
    return frame


def moments_round_the_clock() -> list[str]:
    """Every hour of the day once, on different days of the week, and just after midnight in UTC and in New York.

    Each a second before a whole minute, at which flights land: what is known seconds too early is seen, too.
    """
    hours = [f"2013-03-{4 + hour % 5:02d}T{hour:02d}:{hour * 7 % 60:02d}:59Z" for hour in range(24)]
    return ["2013-03-06T00:01:59Z", "2013-03-07T05:01:59Z", *hours]


@contextmanager
def on_flights(source: Callable[..., object], flights: pd.DataFrame) -> Iterator[bool]:
    """Put these flights where the source's function finds the learner's own: in its globals, closure and defaults.

    Gives False where the function refers to no table of flights, so that nothing can be put in its place. Whatever
    was there is there again afterwards.
    """
    functions, pending = [], [source]
    places: list[tuple[Callable[[Any], None], Any]] = []
    while pending:
        one = pending.pop()
        if isinstance(one, partial):
            pending.append(one.func)
            places += [(partial(one.keywords.__setitem__, name), it) for name, it in one.keywords.items()]
            places.append((partial(_give, one), one.args))
        elif isinstance(one, FunctionType) and one not in functions:
            functions.append(one)
            named = [one.__globals__.get(name) for name in one.__code__.co_names]
            pending += [each for each in named if isinstance(each, FunctionType) and _is_learners(each)]
    tables = {id(one.__globals__): one.__globals__ for one in functions if _is_learners(one)}
    for names in tables.values():
        places += [(partial(names.__setitem__, name), it) for name, it in names.items()]
    for one in functions:
        cells = [(cell, cell.cell_contents) for cell in one.__closure__ or ()]
        places += [(partial(setattr, cell, "cell_contents"), it) for cell, it in cells]
        places.append((partial(setattr, one, "__defaults__"), one.__defaults__ or ()))
    places = [(put, was) for put, was in places if any(map(_is_flights, was if isinstance(was, tuple) else [was]))]
    try:
        for put, was in places:
            new = tuple(flights if _is_flights(it) else it for it in was) if isinstance(was, tuple) else flights
            put(new)
        yield bool(places)
    finally:
        for put, was in places:
            put(was)


def _give(one: partial[Any], arguments: tuple[Any, ...]) -> None:
    one.__setstate__((one.func, arguments, one.keywords, vars(one)))  # type: ignore[attr-defined]


def _is_learners(function: FunctionType) -> bool:
    return not str(function.__globals__.get("__name__", "")).startswith("mlops_lab.")


def _is_flights(value: object) -> bool:
    import pandas as pd

    needed = {"flight_id", "sched_dep", "arr_at", "arr_delay"}
    return isinstance(value, pd.DataFrame) and needed <= set(value.columns)


def rows_known_at(rows: pd.DataFrame, moment: str, keys: list[str]) -> pd.DataFrame:
    """The feature rows that count as known at a moment, in an order of their own, figures rounded."""
    import pandas as pd

    at = pd.Timestamp(moment)
    known = rows[(rows["created_timestamp"] <= at) & (rows["event_timestamp"] <= at)]
    first = [*keys, "event_timestamp", "created_timestamp"]
    numbers = known.select_dtypes("number").columns
    known = known.assign(**{name: known[name].astype("float64").round(6) + 0.0 for name in numbers})
    rest = sorted(name for name in known.columns if name not in first)
    return known[sorted(known.columns)].drop_duplicates().sort_values([*first, *rest]).reset_index(drop=True)


def tied(rows: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Which rows share keys and times with a row that says something else: which of them counts is chance."""
    first = [*keys, "event_timestamp", "created_timestamp"]
    return rows.duplicated(first, keep=False) & ~rows.duplicated(keep=False)


def known_alike(before: pd.DataFrame, after: pd.DataFrame, keys: list[str]) -> bool:
    """Do two answers of `rows_known_at` say the same, apart from what tied rows say?"""
    import pandas as pd

    first = [*keys, "event_timestamp", "created_timestamp"]
    torn = pd.MultiIndex.from_frame(pd.concat([rows.loc[tied(rows, keys), first] for rows in (before, after)]))
    whole = [rows.loc[~pd.MultiIndex.from_frame(rows[first]).isin(torn)] for rows in (before, after)]
    moments = [rows[first].drop_duplicates().reset_index(drop=True) for rows in (before, after)]
    return moments[0].equals(moments[1]) and whole[0].reset_index(drop=True).equals(whole[1].reset_index(drop=True))


def schema_of(rows: pd.DataFrame, keys: list[str]) -> dict[str, str]:
    """The features of a frame (what is neither key nor timestamp) and the type of each."""
    times = ("event_timestamp", "created_timestamp")
    names = [str(name) for name in rows.columns if name not in (*keys, *times)]
    return {name: _DTYPES.get(rows[name].dtype.kind, "string") for name in names}


def joined(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The rows joined to the decisions of the week they are about, as known at each."""
    from datetime import timedelta

    from mlops_lab.data import flights as datasets
    from mlops_lab.data.features import Entity, FeatureView, Field, Source

    view = FeatureView(
        "rows_to_be_judged",
        entities=[Entity("judged", join_keys=keys)],
        schema=[Field(name, dtype) for name, dtype in schema_of(rows, keys).items()],
        ttl=timedelta(days=60),
        source=Source("rows_to_be_judged", rows, created_timestamp_column="created_timestamp"),
    )
    asked = datasets.decisions(some_days())
    asked = asked[asked["event_timestamp"] >= "2013-03-05"].reset_index(drop=True)
    with store_with(view) as store:
        return store.get_historical_features(asked, features=[f"{view.name}:{name}" for name in view.features]).frame


@contextmanager
def store_with(*objects: FeatureView | FeatureService) -> Iterator[FeatureStore]:
    """A feature store in a folder that is thrown away, with these definitions applied."""
    from mlops_lab.base.clock import FakeClock
    from mlops_lab.data.features import FeatureStore

    with tempfile.TemporaryDirectory() as home:
        store = FeatureStore(home, clock=FakeClock())
        store.apply(list(objects))
        yield store


@lru_cache(maxsize=1)
def _early_summer() -> pd.DataFrame:
    from mlops_lab.data import flights as datasets

    flights = datasets.load_flights(month=[5, 6])
    known = datasets.outcomes(flights)
    frame = datasets.decisions(flights).assign(late=known["late"], label_timestamp=known["event_timestamp"])
    return frame[frame["event_timestamp"] >= TRAIN_FROM].reset_index(drop=True)


def decisions_of_june() -> pd.DataFrame:
    """Two weeks of decisions with their outcomes, which the notebook does not show."""
    frame = _early_summer()
    return frame[frame["event_timestamp"] >= EXAM_FROM].reset_index(drop=True)


def needed(service: FeatureService) -> list[Any]:
    """What has to be applied before a service: its views, and the on demand ones among its features."""
    made = [one for one in service.features if one not in service.views]
    return [*{view.name: view.without_role for view in service.views}.values(), *made]


def examined(service: FeatureService) -> Mapping[str, float]:
    """The figures of a model that learns from a month of flights and is examined on the last two weeks of June."""
    from mlops_lab.base.clock import FakeClock, parse_utc
    from mlops_lab.models.tracking import Tracker
    from mlops_lab.models.training import train

    with (
        store_with(*needed(service), service) as store,
        tempfile.TemporaryDirectory() as home,
    ):
        known = store.get_historical_features(_early_summer(), features=service)
        served = store.replay(decisions_of_june(), features=service)
        with closing(Tracker(home, clock=FakeClock())) as tracker:
            run = train(known, tracker, label="late", split_at=parse_utc(EXAM_FROM), served=served)
    return dict(run.metrics)
