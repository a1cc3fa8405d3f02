"""What Feast does by itself where it does not do what the course promises; each line of the table of differences.

These tests ask Feast directly. When one of them fails, Feast has changed: look whether the repair is still needed.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import count

import pandas as pd
import pytest

from mlops_lab.adapters.feast.differences import DIFFERENCES, PROMISES

pytestmark = pytest.mark.skipif(
    "feast-mlflow" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
    reason="python start.py test-engines feast-mlflow runs it",
)
FILE, BOTH = ["dask"], ["duckdb", "dask"]


def at(*clock_times):
    return pd.to_datetime([f"2013-01-01T{each}Z" for each in clock_times], format="ISO8601")


def moment(clock_time):
    return at(clock_time)[0].to_pydatetime()


class Raw:
    """A Feast repository of one view, without the adapter's care."""

    def __init__(
        self, offline, folder, rows, *, ttl=timedelta(hours=3), keys=("origin",), created=None, kind="Float64"
    ):
        import feast
        from feast import types
        from feast.repo_config import RegistryConfig

        folder.mkdir(exist_ok=True)
        self.path = folder / "rows.parquet"
        self.write(rows)
        config = feast.RepoConfig(
            project="raw",
            provider="local",
            registry=RegistryConfig(path=str(folder / "registry.db"), cache_ttl_seconds=0),
            offline_store={"type": offline},
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
            repo_path=str(folder),
        )
        entities = [feast.Entity(name=key, join_keys=[key], value_type=feast.ValueType.STRING) for key in keys]
        source = feast.FileSource(
            name="rows", path=str(self.path), timestamp_field="event_timestamp", created_timestamp_column=created or ""
        )
        fields = [feast.Field(name=key, dtype=types.String) for key in keys]
        fields.append(feast.Field(name="wind", dtype=getattr(types, kind)))
        view = feast.FeatureView(name="v", entities=entities, ttl=ttl, schema=fields, source=source)
        self.store = feast.FeatureStore(config=config)
        self.store.apply([*entities, view])

    def write(self, rows, unit="us"):
        """Write the rows of the view, with times in microseconds: DuckDB cannot materialise finer ones."""
        times = {name: rows[name].dt.as_unit(unit) for name in rows if "datetime" in str(rows[name].dtype)}
        rows.assign(**times).to_parquet(self.path)

    def join(self, frame, **options):
        return self.store.get_historical_features(frame, features=["v:wind"], **options).to_df()

    def materialize(self, until):
        self.store.materialize(datetime(2012, 12, 1, tzinfo=UTC), moment(until))

    def served(self, *origins):
        rows = [{"origin": origin} for origin in origins]
        return self.store.get_online_features(features=["v:wind"], entity_rows=rows).to_dict()["wind"]


@pytest.fixture
def raw(tmp_path):
    numbers = count()

    def make(offline, rows, **options):
        return Raw(offline, tmp_path / f"raw{next(numbers)}", rows, **options)

    return make


def shows(promise):
    assert promise in {one.promise for one in DIFFERENCES}, promise
    return pytest.mark.shows(promise)


def winds(event, wind, **more):
    return pd.DataFrame({"origin": ["EWR"] * len(wind), "event_timestamp": at(*event), "wind": wind, **more})


def asked(*clock_times, **more):
    return pd.DataFrame({"origin": ["EWR"] * len(clock_times), "event_timestamp": at(*clock_times), **more})


@shows("composite keys")
def test_an_entity_cannot_have_two_join_keys():
    import feast

    with pytest.raises(ValueError, match="join key"):
        feast.Entity(name="route", join_keys=["origin", "dest"])


@shows("every entity row comes back")
@pytest.mark.parametrize("offline", BOTH)
def test_the_dask_store_drops_a_row_whose_features_are_all_too_old(raw, offline):
    found = raw(offline, winds(["06:00"], [1.5])).join(asked("06:30", "23:00"))

    assert len(found) == (1 if offline in FILE else 2)


@shows("duplicates come back")
@pytest.mark.parametrize("offline", BOTH)
def test_the_dask_store_makes_one_row_of_two_of_one_key_and_time(raw, offline):
    found = raw(offline, winds(["06:00"], [1.5])).join(asked("06:30", "06:30", label=[0, 1]))

    assert len(found) == (1 if offline in FILE else 2)


@shows("in the order given")
@pytest.mark.parametrize("offline", BOTH)
def test_rows_come_back_without_their_index_and_from_dask_in_order_of_time(raw, offline):
    frame = asked("07:30", "06:30").set_index(pd.Index(["b", "a"]))

    found = raw(offline, winds(["06:00"], [1.5])).join(frame)

    assert sorted(found.index) == [0, 1]
    if offline in FILE:
        assert found["event_timestamp"].is_monotonic_increasing


@shows("a null key matches nothing")
def test_to_the_dask_store_an_unknown_key_is_a_key(raw):
    rows = winds(["06:00", "06:00"], [1.5, 2.5]).assign(origin=["EWR", None])

    found = raw("dask", rows).join(asked("06:30", "06:30").assign(origin=["EWR", None]))

    assert found["wind"].tolist() == [1.5, 2.5] or sorted(found["wind"].dropna()) == [1.5, 2.5]


@shows("not visible before created_timestamp")
@pytest.mark.parametrize("offline", BOTH)
def test_a_row_is_visible_before_it_was_created_unless_feast_is_told_otherwise(raw, offline):
    store = raw(offline, winds(["06:00"], [1.5], created=at("09:00")), created="created")

    plain, filtered = store.join(asked("06:30")), store.join(asked("06:30"), filter_by_created_timestamp=True)

    assert plain["wind"].tolist() == [1.5]
    assert filtered["wind"].isna().all()


@shows("ties: newest created, then last written")
@shows("ties: a correction known later")
def test_of_rows_of_one_event_time_the_dask_store_takes_any(raw):
    created = [f"05:{(7 * place) % 40:02}" for place in range(40)]
    keys = [f"K{number:03}" for number in range(50)]
    rows = pd.concat(
        [winds(["06:00"] * 40, [float(x) for x in range(40)], created=at(*created)).assign(origin=key) for key in keys]
    )
    store = raw("dask", rows, created="created")
    newest = max(range(40), key=lambda place: created[place])

    found = store.join(pd.DataFrame({"origin": keys, "event_timestamp": at("06:30")[0]}))

    assert (found["wind"] == newest).sum() < len(keys)


@shows("ttl of zero means that very moment")
@pytest.mark.parametrize("offline", BOTH)
def test_a_ttl_of_zero_means_for_ever(raw, offline):
    found = raw(offline, winds(["06:00"], [1.5]), ttl=timedelta(0)).join(asked("23:00"))

    assert found["wind"].tolist() == [1.5]


@shows("times in nanoseconds")
def test_the_duckdb_store_cannot_materialise_nanoseconds(raw):
    store = raw("duckdb", winds(["06:00"], [1.5]))
    store.write(winds(["06:00"], [1.5]), unit="ns")

    with pytest.raises(Exception, match="TIMESTAMPTZ_NS"):
        store.materialize("07:00")


@shows("whole numbers stay whole")
def test_the_dask_store_makes_another_number_of_a_large_one(raw):
    large = 2**53 + 1
    store = raw("dask", winds(["06:00"], [large]), kind="Int64")

    found = store.join(pd.concat([asked("06:30"), asked("06:30").assign(origin="JFK")]))

    assert [int(value) for value in found["wind"].dropna()] == [2**53]


@shows("naive times are an error")
@pytest.mark.parametrize("offline", BOTH)
def test_naive_times_are_taken_for_utc(raw, offline):
    frame = asked("06:30").assign(event_timestamp=pd.to_datetime(["2013-01-01T06:30"]))

    found = raw(offline, winds(["06:00"], [1.5])).join(frame)

    assert found["wind"].tolist() == [1.5]


@shows("a view without a key")
def test_the_duckdb_store_cannot_materialise_a_view_without_a_key(raw):
    store = raw("duckdb", winds(["06:00"], [1.5]).drop(columns="origin"), keys=())

    with pytest.raises(ValueError, match="__dummy_id not found"):
        store.materialize("07:00")


@shows("materialize: what had arrived")
@shows("materialize_incremental: late rows")
@pytest.mark.parametrize("offline", BOTH)
def test_materialize_serves_what_had_not_arrived_and_the_increment_misses_what_was_late(raw, offline):
    store = raw(offline, winds(["06:00", "07:00"], [1.5, 2.5], created=at("06:00", "09:00")), created="created")
    store.materialize("08:00")
    early = store.served("EWR")
    store.write(winds(["07:30"], [9.5], created=at("08:30")))  # arrives after its time was materialised

    store.store.materialize_incremental(moment("09:00"))

    assert early == [2.5]
    assert store.served("EWR") == [2.5]


@shows("materialize replaces")
@shows("online: never an older row")
@pytest.mark.parametrize("offline", BOTH)
def test_an_older_row_overwrites_and_an_entity_not_known_yet_stays(raw, offline):
    rows = pd.concat(
        [winds(["06:00", "08:00"], [1.5, 2.5]), winds(["08:00"], [9.5]).assign(origin="JFK")], ignore_index=True
    )
    store = raw(offline, rows)
    store.materialize("09:00")

    store.materialize("07:00")

    assert store.served("EWR", "JFK") == [1.5, 9.5]


@shows("online: nothing older than ttl")
@shows("online: never materialised is an error")
def test_what_is_years_old_is_served_and_what_was_never_materialised_is_null(raw):
    store = raw("duckdb", winds(["06:00"], [1.5]))
    before = store.served("EWR")

    store.materialize("07:00")

    assert before == [None]
    assert store.served("EWR") == [1.5]  # and it is not 2013 any more


@shows("online: times as they are")
def test_the_online_store_drops_the_fraction_of_a_second(raw):
    times = pd.Series([pd.Timestamp("2013-01-01T03:00:00.250Z")])
    store = raw("duckdb", winds(["06:00"], times), kind="UnixTimestamp")
    store.materialize("07:00")

    assert store.served("EWR") == [datetime(2013, 1, 1, 3, tzinfo=UTC)]


@shows("replay as rows landed")
def test_a_source_of_feast_has_no_place_for_the_landing():
    import inspect

    import feast

    words = set(inspect.signature(feast.FileSource).parameters)

    assert {"timestamp_field", "created_timestamp_column"} <= words
    assert not [word for word in words if "land" in word]


def test_every_difference_of_the_local_stores_is_shown(request):
    shown = {marker.args[0] for item in request.session.items for marker in item.iter_markers("shows")}
    by_its_nature = {
        "materialize is all or nothing",  # Feast writes row by row: its own code says so
        "a table larger than memory allows",  # would take the memory to show
        "composite keys are kept apart",  # Spark's: tests/feast
    }

    assert {one.promise for one in DIFFERENCES} <= set(PROMISES)
    if len(shown) > 5:
        assert {one.promise for one in DIFFERENCES} - shown == by_its_nature
