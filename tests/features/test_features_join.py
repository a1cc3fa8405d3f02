"""The point-in-time join against the slow, obvious loop."""

from __future__ import annotations

import os
import tempfile

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_lab.features import Entity, FeatureStore, FeatureView, Field, Source

EXAMPLES = int(os.environ.get("MLOPS_LAB_EXAMPLES", "300"))  # thousands for a soak
BASE = pd.Timestamp("2013-01-01T00:00:00", tz="UTC").as_unit("ns")
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
    units = draw(st.tuples(*[st.sampled_from(UNITS)] * 3))
    texts, wholes = st.sampled_from(["x", "y", "é", None]), st.sampled_from([1, -2, None])
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "a": texts,
                    "b": wholes,
                    "event": times(6, units[0]),
                    "created": times(6, units[1]),
                    "landed": times(6, units[2]),
                    "value": st.sampled_from([None, *range(5)]),
                }
            ),
            max_size=12,
        )
    )
    unit = draw(st.sampled_from(UNITS))
    entities = draw(
        st.lists(st.fixed_dictionaries({"a": texts, "b": wholes, "event_timestamp": times(8, unit)}), max_size=8)
    )
    finest = min(
        10**9 if name == "s" else 10**6 if name == "ms" else 10**3 if name == "us" else 1 for name in (unit, units[0])
    )
    ttl = draw(st.none() | st.integers(0, 8).map(lambda n: pd.Timedelta(n * finest, "ns")))
    extra = draw(st.sampled_from([(), ("created",), ("landed",), ("created", "landed")]))
    return {
        "keys": keys,
        "rows": rows,
        "entities": entities,
        "ttl": ttl,
        "extra": extra,
        "units": dict(zip(("event", "created", "landed"), units, strict=True)),
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


@settings(deadline=None, max_examples=EXAMPLES, derandomize=True)
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
