"""What a feature store promises, held against every store by the same test."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from mlops_lab.adapters.feast.differences import PROMISES
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError, UnknownName
from mlops_lab.data.features import Entity, FeatureService, FeatureView, Field, Source

AIRPORT = Entity("airport", join_keys=["origin"])


def promise(name):
    assert name in PROMISES, name
    return pytest.mark.promise(name)


def at(*clock_times):
    """Moments of one day in UTC."""
    return pd.to_datetime([f"2013-01-01T{each}Z" for each in clock_times], format="ISO8601")


def view_of(rows, *, ttl=timedelta(hours=3), dtype="float64", entities=(AIRPORT,), name="weather", **source):
    schema = [Field("wind", dtype)]
    return FeatureView(name, entities=list(entities), schema=schema, ttl=ttl, source=Source(name, rows, **source))


def winds(event, wind, **more):
    """Rows of the airport EWR."""
    return pd.DataFrame({"origin": ["EWR"] * len(wind), "event_timestamp": at(*event), "wind": wind, **more})


def asked(*clock_times, origin="EWR"):
    return pd.DataFrame({"origin": [origin] * len(clock_times), "event_timestamp": at(*clock_times)})


def known(store, entity_df, feature="weather:wind"):
    """The values of the feature, None for null."""
    found = store.get_historical_features(entity_df, features=[feature]).frame[feature.partition(":")[2]]
    return [None if pd.isna(value) else value for value in found]


def served(store, *origins, **options):
    rows = [{"origin": origin} for origin in origins]
    return store.get_online_features(rows, features=["weather:wind"], **options).to_dict()["wind"]


@promise("visible from its event time until it is as old as ttl, both included")
def test_a_row_is_visible_from_its_event_time_until_it_is_as_old_as_ttl(store):
    store.apply(view_of(winds(["06:00"], [1.5])))
    moments = asked("05:59:59.999999", "06:00", "09:00", "09:00:00.000001")

    found = known(store, moments)

    assert found == [None, 1.5, 1.5, None]


@promise("no ttl means for ever")
def test_a_row_without_ttl_is_visible_for_ever(store):
    store.apply(view_of(winds(["06:00"], [1.5]), ttl=None))
    years_later = asked("06:00").assign(event_timestamp=pd.to_datetime(["2099-01-01T00:00Z"]))

    found = known(store, years_later)

    assert found == [1.5]


@promise("ttl of zero means that very moment")
def test_a_ttl_of_zero_means_that_very_moment(store, outcome):
    view = view_of(winds(["06:00"], [1.5]), ttl=timedelta(0))

    if outcome == "refused":
        with pytest.raises(InvalidDefinition, match="ttl of zero, which Feast reads as for ever"):
            store.apply(view)
        return
    store.apply(view)

    assert known(store, asked("06:00", "06:00:00.000001")) == [1.5, None]


@promise("not visible before created_timestamp")
def test_a_row_is_not_visible_before_it_was_created(store):
    rows = winds(["06:00", "07:00"], [1.5, 2.5], created=at("06:30", "08:00"))
    store.apply(view_of(rows, created_timestamp_column="created"))

    found = known(store, asked("06:15", "06:30", "07:30", "08:00"))

    assert found == [None, 1.5, 1.5, 2.5]


@promise("the newest row counts, also where its value is null")
def test_the_newest_row_counts_although_its_value_is_null(store):
    store.apply(view_of(winds(["06:00", "07:00"], [1.5, None])))

    found = known(store, asked("06:30", "07:30"))

    assert found == [1.5, None]


@promise("ties: newest created, then last written")
def test_of_rows_of_one_event_time_the_newest_created_counts_then_the_last_written(store):
    """Forty rows a key: small tables look right by chance."""
    count = 40
    created = [f"05:{(7 * place) % count // 2:02}" for place in range(count)]
    rows = winds(["06:00"] * count, [float(place) for place in range(count)], created=at(*created))
    store.apply(view_of(rows, created_timestamp_column="created"))
    last = max(range(count), key=lambda place: (created[place], place))

    found = known(store, asked("06:00", "08:00"))

    assert found == [last, last]


@promise("ties: newest created, then last written")
def test_of_rows_of_one_event_time_the_last_written_counts_where_nothing_says_when_they_were_created(store):
    store.apply(view_of(winds(["06:00"] * 30, [float(place) for place in range(30)])))

    found = known(store, asked("06:00"))

    assert found == [29.0]


@promise("ties: a correction known later")
def test_a_correction_counts_from_when_it_was_known(store, outcome):
    rows = winds(["06:00", "06:00"], [1.5, 9.5], created=at("06:00", "07:00"))
    store.apply(view_of(rows, created_timestamp_column="created"))

    if outcome == "refused":
        with pytest.raises(InvalidData, match=r"rows that correct earlier ones .* use offline='duckdb'"):
            known(store, asked("06:30", "07:00"))
        return

    assert known(store, asked("06:30", "07:00")) == [1.5, 9.5]


@promise("every entity row comes back")
def test_every_entity_row_comes_back_although_nothing_was_known(store):
    store.apply(view_of(winds(["06:00"], [1.5])))
    store.apply(view_of(winds(["06:00"], [7.5]), ttl=None, name="other"))
    moments = asked("05:00", "06:30", "23:00")

    found = store.get_historical_features(
        moments, features=["weather:wind", "other:wind"], full_feature_names=True
    ).frame

    assert [None if pd.isna(value) else value for value in found["weather__wind"]] == [None, 1.5, None]
    assert [None if pd.isna(value) else value for value in found["other__wind"]] == [None, 7.5, 7.5]


@promise("every entity row comes back")
def test_no_entity_rows_give_no_rows_of_the_declared_types(store):
    store.apply(view_of(winds(["06:00"], [1.5])))

    found = store.get_historical_features(asked("06:00").iloc[:0], features=["weather:wind"]).frame

    assert list(found.columns) == ["origin", "event_timestamp", "wind"]
    assert len(found) == 0


@promise("duplicates come back")
def test_entity_rows_of_one_key_and_time_come_back_each_with_its_own_columns(store):
    store.apply(view_of(winds(["06:00"], [1.5])))
    moments = asked("06:30", "06:30", "06:30").assign(label=[0, 1, 1])

    found = store.get_historical_features(moments, features=["weather:wind"]).frame

    assert found["label"].tolist() == [0, 1, 1]
    assert found["wind"].tolist() == [1.5, 1.5, 1.5]


@promise("in the order given")
def test_entity_rows_come_back_in_their_order_whatever_their_index(store):
    store.apply(view_of(winds(["06:00", "07:00"], [1.5, 2.5])))
    moments = asked("07:30", "05:00", "06:30", "08:00")
    moments.index = ["b", "a", "a", "c"]

    found = store.get_historical_features(moments, features=["weather:wind"]).frame

    assert found.index.tolist() == [0, 1, 2, 3]
    assert found["event_timestamp"].tolist() == moments["event_timestamp"].tolist()
    assert found["wind"].fillna(-1).tolist() == [2.5, -1, 1.5, 2.5]


@promise("the caller's frame is never changed")
def test_the_callers_frame_is_never_changed(store):
    store.apply(view_of(winds(["06:00"], [1.5])))
    moments = asked("07:30", "06:30")
    moments["event_timestamp"] = moments["event_timestamp"].dt.tz_convert("America/New_York")
    before = moments.copy(deep=True)

    store.get_historical_features(moments, features=["weather:wind"])

    pd.testing.assert_frame_equal(moments, before)


@promise("a null key matches nothing")
def test_a_null_key_matches_nothing_not_even_another_null(store):
    rows = winds(["06:00", "06:00"], [1.5, 2.5])
    rows["origin"] = ["EWR", None]
    store.apply(view_of(rows))
    moments = asked("06:30", "06:30").assign(origin=[None, "EWR"])
    store.materialize("2013-01-01T06:30Z")

    found = known(store, moments)

    assert found == [None, 1.5]
    assert served(store, None, "EWR") == [None, 1.5]


@promise("composite keys")
def test_a_key_of_several_columns_matches_as_a_whole(store):
    entity = Entity("seat", join_keys=["origin", "row"], value_type="string")
    rows = pd.DataFrame(
        {"origin": ["EWR", "EWR"], "row": ["1", "2"], "event_timestamp": at("06:00", "06:00"), "wind": [1.5, 2.5]}
    )
    store.apply(view_of(rows, entities=[entity]))
    moments = pd.DataFrame(
        {"origin": ["EWR", "EWR", "JFK"], "row": ["2", "1", "1"], "event_timestamp": at("07:00", "07:00", "07:00")}
    )

    found = known(store, moments)

    assert found == [2.5, 1.5, None]


@promise("composite keys are kept apart")
def test_keys_that_read_the_same_when_written_together_are_kept_apart(store):
    entities = [Entity("first", join_keys=["a"]), Entity("second", join_keys=["b"], value_type="int64")]
    rows = pd.DataFrame({"a": ["x1", "x"], "b": [1, 11], "event_timestamp": at("06:00", "06:00"), "wind": [1.5, 2.5]})
    store.apply(view_of(rows, entities=entities))
    moments = pd.DataFrame({"a": ["x", "x1"], "b": [11, 1], "event_timestamp": at("07:00", "07:00")})

    found = known(store, moments)

    assert found == [2.5, 1.5]


@promise("a view without a key")
def test_a_view_without_a_key_describes_everybody(store):
    rows = winds(["06:00", "07:00"], [1.5, 2.5]).drop(columns="origin")
    store.apply(view_of(rows, entities=[]))
    store.materialize("2013-01-01T06:30Z")

    found = known(store, asked("05:00", "06:30", "07:30"))

    assert found == [None, 1.5, 2.5]
    assert served(store, "EWR", "JFK") == [1.5, 1.5]


@promise("time zones become UTC")
def test_times_of_any_zone_are_compared_as_moments(store):
    rows = winds(["06:00"], [1.5])
    rows["event_timestamp"] = rows["event_timestamp"].dt.tz_convert("Asia/Kolkata")
    store.apply(view_of(rows))
    moments = asked("05:59", "06:01")
    moments["event_timestamp"] = moments["event_timestamp"].dt.tz_convert("America/New_York")

    found = store.get_historical_features(moments, features=["weather:wind"]).frame

    assert found["wind"].fillna(-1).tolist() == [-1, 1.5]
    assert str(found["event_timestamp"].dt.tz) == "UTC"


@promise("naive times are an error")
def test_a_time_without_a_zone_is_an_error(store):
    store.apply(view_of(winds(["06:00"], [1.5])))
    moments = asked("06:30").assign(event_timestamp=pd.to_datetime(["2013-01-01T06:30"]))

    with pytest.raises(InvalidData, match="has no time zone"):
        known(store, moments)


@promise("times in nanoseconds")
@pytest.mark.parametrize("late", ["entity", "source"])
def test_times_may_be_as_fine_as_a_nanosecond(store, outcome, late):
    fine, round_ = "06:00:00.000000001", "06:00:00.000001"
    event, moment = (round_, fine) if late == "entity" else (fine, round_)
    store.apply(view_of(winds([event], [1.5])))

    if outcome == "refused":
        with pytest.raises(InvalidData, match="times finer than a microsecond"):
            known(store, asked(moment))
        return

    assert known(store, asked(moment)) == ([None] if late == "entity" else [1.5])


@promise("whole numbers stay whole")
def test_whole_numbers_stay_whole_beside_an_unknown_one(store, outcome):
    large = 2**53 + 1
    store.apply(view_of(winds(["06:00"], pd.array([large], dtype="Int64")), dtype="int64"))

    if outcome == "refused":
        with pytest.raises(InvalidData, match=r"whole numbers beyond 2\*\*53"):
            known(store, asked("05:00", "06:30"))
        return

    assert known(store, asked("05:00", "06:30")) == [None, large]


@promise("types are as declared")
@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int64", 7),
        ("float64", 2.5),
        ("string", "Zürich"),
        ("bool", True),
        ("timestamp", pd.Timestamp("2013-01-01T03:00Z")),
    ],
)
def test_each_type_comes_back_as_itself_and_null_as_null(store, dtype, value):
    kind = {"int64": "Int64", "bool": "boolean", "string": object, "float64": "float64"}
    values = pd.Series([value, None], dtype=kind.get(dtype, "datetime64[us, UTC]"))
    rows = winds(["06:00", "07:00"], values)
    store.apply(view_of(rows, dtype=dtype))
    store.materialize("2013-01-01T06:30Z")

    column = store.get_historical_features(asked("06:30", "07:30"), features=["weather:wind"]).frame["wind"]

    expected = {"int64": "Int64", "bool": "boolean", "float64": "float64", "timestamp": "datetime64[ns, UTC]"}
    assert column.dtype == expected.get(dtype, pd.Series(["text"]).dtype)
    assert column.isna().tolist() == [False, True]
    assert column[0] == value
    assert served(store, "EWR", "JFK") == [value, None]


@promise("errors name what was meant")
def test_an_unknown_feature_is_an_error_that_names_the_closest(store):
    store.apply(view_of(winds(["06:00"], [1.5])))

    with pytest.raises(UnknownName, match="Did you mean 'wind'"):
        known(store, asked("06:30"), "weather:wnd")


@promise("errors name what was meant")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.rename(columns={"origin": "orign"}), "no column 'origin' .* The nearest there is 'orign'"),
        (lambda frame: frame.assign(origin=[1]), "column 'origin' of the entity frame must be text"),
        (lambda frame: frame.assign(event_timestamp=["06:00"]), "must hold times with a time zone"),
        (lambda frame: frame.assign(event_timestamp=pd.NaT), "event_timestamp"),
        (lambda frame: frame.assign(wind=0.0), "'wind' already"),
    ],
    ids=["missing key", "key of another type", "text for a time", "no time", "a column named like the feature"],
)
def test_an_entity_frame_that_cannot_be_joined_is_an_error_that_says_why(store, change, told):
    store.apply(view_of(winds(["06:00"], [1.5])))

    with pytest.raises(InvalidData, match=told):
        known(store, change(asked("06:30")))


@promise("errors name what was meant")
def test_a_source_that_is_not_as_declared_is_an_error(store):
    store.apply(view_of(winds(["06:00"], ["strong"])))

    with pytest.raises(InvalidData, match="column 'wind' of source 'weather' of view 'weather' must be numbers"):
        known(store, asked("06:30"))


@promise("services, projections, full names")
def test_a_service_gives_the_features_of_its_parts_under_their_names(store):
    rows = winds(["06:00"], [1.5], rain=[0.5])
    schema = [Field("wind", "float64"), Field("rain", "float64")]
    view = FeatureView("weather", entities=[AIRPORT], schema=schema, ttl=None, source=Source("weather", rows))
    service = FeatureService("delays", [view[["rain"]]])
    store.apply([view, service])

    short = store.get_historical_features(asked("06:30"), features="delays")
    full = store.get_historical_features(asked("06:30"), features=service, full_feature_names=True)

    assert (short.features, short.service, short.views) == (("rain",), "delays", ("weather",))
    assert full.frame["weather__rain"].tolist() == [0.5]


@promise("replay as rows landed")
def test_replay_gives_what_had_landed_and_the_join_what_the_timestamps_say(store):
    rows = winds(["06:00", "07:00"], [1.5, 2.5], landed=at("06:10", "09:00"))
    store.apply(view_of(rows, landed_column="landed"))
    moments = asked("06:05", "07:30", "09:00")

    replayed = store.replay(moments, features=["weather:wind"]).frame["wind"]

    assert known(store, moments) == [1.5, 2.5, 2.5]
    assert replayed.fillna(-1).tolist() == [-1, 1.5, 2.5]


@promise("online equals offline")
@pytest.mark.parametrize("until", ["05:00", "06:00", "06:30", "07:00", "09:30", "23:00"])
def test_what_is_served_is_what_the_join_gives_at_that_moment(store, until):
    rows = pd.DataFrame(
        {
            "origin": ["EWR", "EWR", "EWR", "JFK", "LGA"],
            "event_timestamp": at("05:30", "06:00", "06:00", "06:30", "02:00"),
            "created": at("05:30", "06:00", "06:00", "07:00", "02:00"),
            "wind": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )
    store.apply(view_of(rows, created_timestamp_column="created"))
    origins = ["EWR", "JFK", "LGA", "BOS"]
    moments = pd.DataFrame({"origin": origins, "event_timestamp": at(*[until] * 4)})
    store.materialize(f"2013-01-01T{until}Z")

    found = served(store, *origins)

    assert found == known(store, moments)


@promise("materialize: what had arrived")
def test_a_row_that_had_not_arrived_is_not_served(store):
    rows = winds(["06:00", "07:00"], [1.5, 2.5], created=at("06:00", "08:00"))
    store.apply(view_of(rows, created_timestamp_column="created"))

    store.materialize("2013-01-01T07:30Z")

    assert served(store, "EWR") == [1.5]


@promise("materialize replaces")
def test_materialize_of_an_earlier_moment_takes_back_what_was_not_known(store):
    rows = pd.concat([winds(["06:00", "08:00"], [1.5, 2.5]), winds(["08:00"], [9.5]).assign(origin="JFK")])
    store.apply(view_of(rows))
    later = store.materialize("2013-01-01T09:00Z")
    before = served(store, "EWR", "JFK")

    earlier = store.materialize("2013-01-01T07:00Z")

    assert before == [2.5, 9.5]
    assert served(store, "EWR", "JFK") == [1.5, None]
    assert (dict(later.rows), dict(earlier.rows)) == ({"weather": 2}, {"weather": 1})
    with pytest.raises(InvalidData, match=r"is materialised until .* to go back in time"):
        store.materialize_incremental("2013-01-01T06:30Z")


@promise("materialize_incremental: late rows")
def test_a_row_that_arrives_after_its_time_was_materialised_is_not_missed(store):
    rows = winds(["06:00", "06:30"], [1.5, 2.5], created=at("06:00", "08:00"))
    store.apply(view_of(rows, created_timestamp_column="created"))
    store.materialize("2013-01-01T07:00Z")

    done = store.materialize_incremental("2013-01-01T08:00Z")
    again = store.materialize_incremental("2013-01-01T08:30Z")

    assert served(store, "EWR") == [2.5]
    assert (done.rows["weather"], again.rows["weather"]) == (1, 0)


@promise("online: never an older row")
def test_an_older_row_does_not_take_the_place_of_a_newer_one(store):
    store.apply(view_of(winds(["07:00"], [2.5])))
    store.materialize("2013-01-01T07:30Z")
    store.apply(view_of(winds(["06:00"], [1.5])))

    store.materialize_incremental("2013-01-01T08:00Z")

    assert served(store, "EWR") == [2.5]


@promise("online: nothing older than ttl")
def test_what_is_older_than_ttl_is_not_served(store):
    store.apply(view_of(winds(["06:00"], [1.5])))
    store.materialize("2013-01-01T08:00Z")

    found = [
        served(store, "EWR", at=f"2013-01-01T{moment}Z") for moment in ("08:00", "09:00", "09:00:00.000001", "23:00")
    ]

    assert found == [[1.5], [1.5], [None], [None]]


@promise("online: never materialised is an error")
def test_asking_for_what_was_never_materialised_is_an_error(store):
    store.apply(view_of(winds(["06:00"], [1.5])))

    with pytest.raises(InvalidData, match=r"was never materialised; call materialize\(until\) first"):
        served(store, "EWR")


@promise("online: never materialised is an error")
def test_asking_for_a_moment_before_the_materialised_one_is_an_error(store):
    store.apply(view_of(winds(["06:00"], [1.5])))
    store.materialize("2013-01-01T08:00Z")

    with pytest.raises(InvalidData, match=r"cannot show it as of .* for the past, use get_historical_features"):
        served(store, "EWR", at="2013-01-01T07:00Z")


@promise("online: times as they are")
def test_a_time_is_served_to_the_microsecond(store, outcome):
    fine = pd.Timestamp("2013-01-01T03:00:00.250000Z")
    store.apply(view_of(winds(["06:00"], pd.Series([fine])), dtype="timestamp"))

    if outcome == "refused":
        with pytest.raises(InvalidData, match="times finer than a second, which Feast's online store drops"):
            store.materialize("2013-01-01T06:30Z")
        return
    store.materialize("2013-01-01T06:30Z")

    assert served(store, "EWR") == [fine]


@promise("definitions are kept for the next process")
def test_what_was_applied_and_materialised_is_there_for_the_next_process(store, reopen):
    view = view_of(winds(["06:00"], [1.5]))
    service = FeatureService("delays", [view])
    first = store.apply([view, service])
    store.materialize("2013-01-01T06:30Z")

    other = reopen()

    assert first.created == ("entity airport", "feature view weather", "feature service delays")
    assert other.list_feature_views() == [view]
    assert other.get_feature_service("delays") == service
    assert other.apply([view, service]).unchanged == first.created
    assert served(other, "EWR") == [1.5]
    assert str(other.describe("weather")["materialised_until"]) == "2013-01-01 06:30:00+00:00"


@promise("definitions are kept for the next process")
def test_a_view_that_means_something_else_asks_to_be_materialised_again(store):
    store.apply(view_of(winds(["06:00"], [1.5])))
    store.materialize("2013-01-01T06:30Z")
    store.apply(view_of(winds(["06:00"], ["strong"]), dtype="string"))

    with pytest.raises(MlopsLabError, match=r"has changed since it was materialised; call materialize\(until\) again"):
        served(store, "EWR")

    store.materialize("2013-01-01T06:30Z")
    assert served(store, "EWR") == ["strong"]


@promise("whole numbers stay whole")
def test_a_large_key_beside_a_null_one_is_still_that_key(store):
    keys, number = [2**53, 2**53 + 1], Entity("number", value_type="int64")
    rows = pd.DataFrame({"number": keys, "event_timestamp": at("06:00", "06:00"), "wind": [1.0, 2.0]})
    store.apply(view_of(rows, entities=[number]))
    frame = pd.DataFrame({"number": pd.array([*keys, None], "Int64"), "event_timestamp": at("07:00", "07:00", "07:00")})

    assert known(store, frame) == [1.0, 2.0, None]


@promise("a pushed row is served, and never before its time")
def test_a_pushed_row_is_served_until_a_newer_one_and_never_before_its_time(store):
    store.apply(view_of(winds(["06:00"], [1.5]), ttl=None))
    store.materialize("2013-01-01T07:00Z")
    late, early = winds(["08:00"], [9.0]), winds(["05:00"], [3.0])

    pushed = [store.push("weather", late), store.push("weather", early), store.push("weather", late)]
    after = served(store, "EWR"), served(store, "EWR", at="2013-01-01T07:30Z"), served(store, "EWR", "LGA")
    store.materialize_incremental("2013-01-01T09:00Z")

    assert pushed == [1, 0, 0]
    assert after == ([9.0], [None], [9.0, None])
    assert served(store, "EWR") == [9.0]
    with pytest.raises(InvalidData, match="which is after now"):
        store.push("weather", winds(["08:00"], [0.0]).assign(event_timestamp=pd.Timestamp("2200-01-01", tz="UTC")))
    store.materialize("2013-01-01T09:00Z")
    assert served(store, "EWR") == [1.5]  # the source never had what was pushed


@promise("a pushed row is served, and never before its time")
def test_a_row_may_be_pushed_before_anything_is_materialised(store):
    store.apply(view_of(winds(["06:00"], [1.5])))

    store.push("weather", winds(["08:00"], [9.0]))

    assert served(store, "EWR") == [9.0]


@promise("a deleted view is gone with its online rows")
def test_a_deleted_view_is_gone_with_its_online_rows_unless_a_service_needs_it(store, reopen):
    kept, gone = view_of(winds(["06:00"], [1.5])), view_of(winds(["06:00"], [2.5]), name="other")
    store.apply([kept, gone, FeatureService("delays", [kept])])
    store.materialize("2013-01-01T07:00Z")
    known(store, asked("07:00"), feature="other:wind")

    store.delete_feature_view("other")

    assert [view.name for view in reopen().list_feature_views()] == ["weather"]
    assert served(store, "EWR") == [1.5]
    with pytest.raises(UnknownName, match="no feature view 'other'"):
        known(store, asked("07:00"), feature="other:wind")
    with pytest.raises(InvalidDefinition, match="service delays"):
        store.delete_feature_view("weather")
    store.apply(view_of(winds(["06:00"], [4.5]), name="other"))
    assert store.materialized_until("other") is None
    assert known(store, asked("07:00"), feature="other:wind") == [4.5]


def test_every_promise_has_a_test(request):
    asked_for = {
        item.get_closest_marker("promise").args[0]
        for item in request.session.items
        if item.get_closest_marker("promise") is not None
    }
    shown_elsewhere = {"a table larger than memory allows", "materialize is all or nothing"}

    assert asked_for <= set(PROMISES)
    if len(request.session.items) > 30:
        assert set(PROMISES) - asked_for <= shown_elsewhere
