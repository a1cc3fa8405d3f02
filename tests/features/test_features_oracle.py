"""The joins and the online store against the slow, obvious loop, on random awkward cases."""

from __future__ import annotations

import tempfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

BASE = pd.Timestamp("2013-01-01T00:00:00", tz="UTC").as_unit("ns")
FAR = pd.Timestamp("1678-01-01T00:00:00.000000001", tz="UTC")
UNITS = ("s", "ms", "us", "ns")
ZONES = ("UTC", "America/New_York", "Asia/Kolkata")


def slow_join(entities, rows, keys, ttl, known):
    """For each entity row, look at every row of the source."""
    found = []
    for entity in entities:
        best = None
        for place, row in enumerate(rows):
            if any(entity[key] is None or row[key] != entity[key] for key in keys):
                continue
            age = entity["event_timestamp"].value - row["event"].value
            if (
                age < 0
                or (ttl is not None and age > ttl)
                or any(row[name].value > entity["event_timestamp"].value for name in known)
            ):
                continue
            rank = (row["event"].value, row["created"].value if "created" in known else 0, place)
            if best is None or rank > best[0]:
                best = (rank, row["value"])
        found.append(None if best is None else best[1])
    return found


def times(step, unit):
    """Moments few enough to meet each other and the edge of a ttl, in steps of one unit."""
    size = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    return st.integers(-step, step).map(lambda n: BASE + pd.Timedelta(n * size, "ns"))


@st.composite
def cases(draw):
    """A source and an entity frame, with all that can be awkward about them."""
    keys = draw(st.sampled_from([["a"], ["a", "b"], ["b"], []]))
    units = draw(st.sampled_from([(unit,) * 4 for unit in UNITS]) | st.tuples(*[st.sampled_from(UNITS)] * 4))
    texts, wholes = st.sampled_from(["x", "y", "é", None]), st.sampled_from([1, -2, None])
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "a": texts,
                    "b": wholes,
                    "event": times(4, units[0]),
                    "created": times(4, units[1]),
                    "landed": times(4, units[2]),
                    "value": st.sampled_from([None, *range(5)]),
                }
            ),
            min_size=draw(st.sampled_from([0, 8])),
            max_size=12,
        )
    )
    if units[0] == "ns" and rows and draw(st.booleans()):
        # With a row so far away, time and key do not fit into 64 bits together.
        rows.insert(draw(st.integers(0, len(rows))), rows[0] | {"event": FAR})
    unit = units[3]
    entities = draw(
        st.lists(
            st.fixed_dictionaries({"a": texts, "b": wholes, "event_timestamp": times(5, unit)}),
            min_size=draw(st.sampled_from([0, 5])),
            max_size=8,
        )
    )
    finest = min(
        10**9 if name == "s" else 10**6 if name == "ms" else 10**3 if name == "us" else 1 for name in (unit, units[0])
    )
    ttl = draw(st.none() | st.integers(0, 5).map(lambda n: pd.Timedelta(n * finest, "ns")))
    extra = draw(st.sampled_from([(), ("created",), ("landed",), ("created", "landed")]))
    return {
        "keys": keys,
        "rows": rows,
        "entities": entities,
        "ttl": ttl,
        "extra": extra,
        "units": dict(zip(("event", "created", "landed"), units[:3], strict=True)),
        "unit": unit,
        "zones": draw(st.tuples(*[st.sampled_from(ZONES)] * 2)),
        "dtype": draw(st.sampled_from(["float64", "int64", "string", "bool", "timestamp"])),
        "index": draw(st.sampled_from(["range", "same", "text"])),
    }


def as_value(value, dtype):
    kinds = {"float64": float, "int64": int, "string": str, "bool": lambda n: n % 2 == 0}
    if value is None:
        return None
    return kinds[dtype](value) if dtype != "timestamp" else BASE + pd.Timedelta(value, "ns")


def frames_of(case):
    """The case as the frames a person would hand over."""
    rows = pd.DataFrame(
        {
            "a": pd.Series([row["a"] for row in case["rows"]], dtype="object"),
            "b": pd.Series([row["b"] for row in case["rows"]], dtype="Int64"),
        }
    )
    for name, unit in case["units"].items():
        column = pd.Series([row[name] for row in case["rows"]], dtype="datetime64[ns, UTC]")
        rows[name] = column.dt.as_unit(unit).dt.tz_convert(case["zones"][0])
    kind = {"float64": "float64", "int64": "Int64", "string": "object", "bool": "boolean"}.get(case["dtype"])
    values = [as_value(row["value"], case["dtype"]) for row in case["rows"]]
    rows["value"] = pd.Series(values, dtype=kind or "datetime64[ns, UTC]")
    index = {
        "range": None,
        "same": [7] * len(case["entities"]),
        "text": [f"i{n}" for n in range(len(case["entities"]))],
    }
    entities = pd.DataFrame(
        {
            "a": pd.Series([row["a"] for row in case["entities"]], dtype="object"),
            "label": range(len(case["entities"])),
            "b": pd.Series([row["b"] for row in case["entities"]], dtype="Int64"),
        }
    )
    column = pd.Series([row["event_timestamp"] for row in case["entities"]], dtype="datetime64[ns, UTC]")
    entities["event_timestamp"] = column.dt.as_unit(case["unit"]).dt.tz_convert(case["zones"][1])
    if index[case["index"]] is not None:
        entities.index = index[case["index"]]
    return entities, rows


def store_of(case, rows, home):
    kinds = {"a": Entity("one", join_keys=["a"]), "b": Entity("two", join_keys=["b"], value_type="int64")}
    source = Source(
        "rows",
        rows,
        timestamp_field="event",
        created_timestamp_column="created" if "created" in case["extra"] else None,
        landed_column="landed" if "landed" in case["extra"] else None,
    )
    view = FeatureView(
        "view",
        entities=[kinds[key] for key in case["keys"]],
        schema=[Field("value", case["dtype"])],
        ttl=case["ttl"],
        source=source,
    )
    store = FeatureStore(home)
    store.apply(view)
    return store


def plain(column):
    return [None if pd.isna(value) else value for value in column]


@pytest.mark.slow
@given(case=cases())
def test_the_join_and_the_replay_equal_the_slow_obvious_loop(case):
    entities, rows = frames_of(case)
    before = entities.copy()
    ttl = None if case["ttl"] is None else case["ttl"].value
    created = [name for name in case["extra"] if name == "created"]
    expected = slow_join(case["entities"], case["rows"], case["keys"], ttl, created)
    replayed = slow_join(case["entities"], case["rows"], case["keys"], ttl, case["extra"])

    with tempfile.TemporaryDirectory() as home:
        store = store_of(case, rows, home)
        training_set = store.get_historical_features(entities, features=["view:value"])
        replay = store.replay(entities, features=["view:value"])

    assert plain(training_set.frame["value"]) == [as_value(value, case["dtype"]) for value in expected]
    assert plain(replay.frame["value"]) == [as_value(value, case["dtype"]) for value in replayed]
    assert training_set.frame["label"].tolist() == list(range(len(entities)))
    assert training_set.frame.index.equals(pd.RangeIndex(len(entities)))
    pd.testing.assert_frame_equal(entities, before)


def nth(seconds):
    return BASE + pd.Timedelta(seconds, "s")


def simple_case(draw, extra):
    """Rows on whole seconds, so that a few materialisations meet every edge."""
    keys = draw(st.sampled_from([["a"], ["a", "b"], []]))
    seconds = st.integers(0, 6)
    row = {"a": st.sampled_from(["x", "y", None]), "b": st.sampled_from([1, 2, None])}
    row |= {name: seconds.map(nth) for name in ("event", "created", "landed")}
    row["value"] = st.sampled_from([None, *range(5)])
    return {
        "keys": keys,
        "rows": draw(st.lists(st.fixed_dictionaries(row), max_size=12)),
        "ttl": draw(st.none() | st.integers(0, 5).map(lambda n: pd.Timedelta(n, "s"))),
        "extra": draw(st.sampled_from(extra)),
        "units": {"event": "us", "created": "us", "landed": "us"},
        "zones": ("UTC", "UTC"),
        "dtype": draw(st.sampled_from(["float64", "int64", "string", "bool", "timestamp"])),
        "unit": "us",
        "index": "range",
        "until": sorted(draw(st.lists(seconds, min_size=1, max_size=3))),
    }


@pytest.mark.parametrize("unit", UNITS)
def test_a_row_exactly_ttl_old_is_visible_and_one_unit_older_is_not(unit, tmp_path):
    step = pd.Timedelta(1, unit)
    rows = pd.DataFrame({"event": [BASE], "value": [1.0]})
    case = {"keys": [], "extra": (), "ttl": 3 * step, "dtype": "float64"}
    moments = pd.DatetimeIndex([BASE + age * step for age in (-1, 0, 2, 3, 4)])
    store = store_of(case, rows, tmp_path)

    found = store.get_historical_features(pd.DataFrame({"event_timestamp": moments}), features=["view:value"])

    assert found.frame["value"].notna().tolist() == [False, True, True, True, False]


EVERYBODY = [{"a": a, "b": b} for a in ("x", "y", "never seen", None) for b in (1, 2, 77, None)]


@pytest.mark.slow
@given(data=st.data())
def test_online_equals_offline_after_every_materialisation(data):
    case = simple_case(data.draw, [(), ("created",)])
    incremental = data.draw(st.booleans())
    later = data.draw(st.integers(0, 4))
    ttl = None if case["ttl"] is None else case["ttl"].value
    _, rows = frames_of(case | {"entities": []})

    with tempfile.TemporaryDirectory() as home:
        store = store_of(case, rows, home)
        for second in case["until"]:
            (store.materialize_incremental if incremental else store.materialize)(nth(second))
            asked = pd.DataFrame(EVERYBODY).astype({"b": "Int64"}).assign(event_timestamp=nth(second))
            offline = store.get_historical_features(asked, features=["view:value"])
            online = store.get_online_features(EVERYBODY, features=["view:value"])
            aged = store.get_online_features(EVERYBODY, features=["view:value"], at=nth(second + later))

            pd.testing.assert_series_equal(online.to_df()["value"], offline.frame["value"])
            assert plain(online.to_dict()["value"]) == plain(offline.frame["value"])
            seen = [row for row in case["rows"] if max(row[name] for name in ("event", *case["extra"])) <= nth(second)]
            entities = [row | {"event_timestamp": nth(second + later)} for row in EVERYBODY]
            expected = slow_join(entities, seen, case["keys"], ttl, case["extra"])
            assert plain(aged.to_dict()["value"]) == [as_value(value, case["dtype"]) for value in expected]


@pytest.mark.slow
@given(data=st.data())
def test_replay_equals_a_store_that_is_fed_as_rows_land(data):
    case = simple_case(data.draw, [("landed",), ("created", "landed"), ("created",), ()])
    incremental = data.draw(st.booleans())
    landed = next(name for name in ("landed", "created", "event") if name in (*case["extra"], "event"))
    _, rows = frames_of(case | {"entities": []})
    asked = pd.DataFrame(EVERYBODY).astype({"b": "Int64"})

    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as other:
        whole, fed = store_of(case, rows, home), None
        for second in case["until"]:
            fed = store_of(case, rows[rows[landed] <= nth(second)], other)
            (fed.materialize_incremental if incremental else fed.materialize)(nth(second))
            literal = fed.get_online_features(EVERYBODY, features=["view:value"])
            replay = whole.replay(asked.assign(event_timestamp=nth(second)), features=["view:value"])

            pd.testing.assert_series_equal(literal.to_df()["value"], replay.frame["value"])


def test_the_newest_known_row_is_found_however_many_rows_are_late():
    rows, rng = 20_000, np.random.default_rng(0)
    event = pd.Series(BASE + pd.to_timedelta(np.arange(rows), "s"))
    created = BASE + pd.to_timedelta(np.where(rng.random(rows) < 0.001, np.arange(rows), 10 * rows), "s")
    frame = pd.DataFrame({"event_timestamp": event, "created": created, "value": np.arange(rows)})
    source = Source("rows", frame, created_timestamp_column="created")
    view = FeatureView("view", entities=[], schema=[Field("value", "int64")], ttl=None, source=source)
    asked = pd.DataFrame({"event_timestamp": event.sample(frac=1, random_state=0)})
    known = np.where((frame["created"] - BASE).dt.total_seconds() <= np.arange(rows), np.arange(rows), -1)
    expected = np.maximum.accumulate(known)[asked.index]

    with tempfile.TemporaryDirectory() as home:
        store = FeatureStore(home)
        store.apply(view)
        found = store.get_historical_features(asked, features=["view:value"]).frame["value"]

    assert found.fillna(-1).tolist() == expected.tolist()
