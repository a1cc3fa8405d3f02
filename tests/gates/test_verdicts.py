"""Each rule's verdict as its reader gets it: the rule, the figure, the bound, and what the sentence says of them."""

# ruff: noqa: E501 (a line is a verdict)

from __future__ import annotations

import warnings
from datetime import timedelta

import pandas as pd
import pytest

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName
from mlops_lab.models.gates import (
    DATA_RULES,
    RULES,
    Calibration,
    DataProfile,
    FirstModel,
    Floor,
    Freshness,
    GatePolicy,
    Measured,
    NoWorseThanChampion,
    NullRate,
    RowCount,
    Schema,
    ServedSkew,
    SliceFloor,
    profile,
)
from mlops_lab.models.gates.measured import finite, told_apart

FLOOR = ["metric", "bound", "higher_is_better"]
NOW = parse_utc("2014-01-08")
DAY = timedelta(days=1)
SEEN = DataProfile(1200, {"temp": "number", "gust": "text"}, {"temp": 0.25, "gust": 0.8}, NOW - 7 * DAY, NOW)
BARE = DataProfile(0, {}, {}, None, NOW)


def against(figure, champion, name="auc", **options):
    measured = Measured({} if figure is None else {name: figure}, None if champion is None else {name: champion})
    return NoWorseThanChampion(name, 0.01, **options).judge(measured)


def lost(offline, served, name="auc", **options):
    figures = {f"offline.{name}": offline, f"served.{name}": served}
    return ServedSkew(name, 0.02, **options).judge(Measured({k: v for k, v in figures.items() if v is not None}))


VERDICTS = [
    (lambda: Floor("auc", 0.65).judge(Measured({"auc": 0.7})), "floor", True, 0.7, 0.65, "auc is 0.700, at or above the floor of 0.650."),
    (lambda: Floor("rmse", 2).judge(Measured({"rmse": 1.5})), "floor", True, 1.5, 2, "rmse is 1.500, at or below the ceiling of 2.000."),
    (lambda: Floor("rmse", 2).judge(Measured({"rmse": 3})), "floor", False, 3, 2, "rmse is 3.000, above the ceiling of 2.000."),
    (lambda: Floor("r2", -0.5).judge(Measured({"r2": -0.6})), "floor", False, -0.6, -0.5, "r2 is -0.600, below the floor of -0.500."),
    (lambda: Floor("ms", 9).judge(Measured({"ms": 5.0})), "floor", False, None, 9, "Nobody said whether more of ms is better; say higher_is_better in the policy."),
    (lambda: Floor("ms", 9, False).judge(Measured({"ms": 5.0})), "floor", True, 5, 9, "ms is 5.000, at or below the ceiling of 9.000."),
    (lambda: Floor("ms", 9, True).judge(Measured({"ms": 5.0})), "floor", False, 5, 9, "ms is 5.000, below the floor of 9.000."),
    (lambda: Floor("auc", 0.6).judge(Measured({})), "floor", False, None, 0.6, "auc was not measured; what was not measured cannot pass."),
    (lambda: Floor("auc", 0.6).judge(Measured({"auc": "x"})), "floor", False, None, 0.6, "auc is x, which is not a measurement; what was not measured cannot pass."),
    (lambda: FirstModel("auc", 0.6).judge(Measured({"auc": 0.5})), "first_model", False, 0.5, 0.6, "This is the first model: auc is 0.500, below the floor of 0.600."),
    (lambda: FirstModel("auc", 0.6).judge(Measured({}, {})), "first_model", True, None, 0.6, "There is a champion to be compared with."),
    (lambda: FirstModel("ms", 9, False).judge(Measured({"ms": 5.0})), "first_model", True, 5, 9, "This is the first model: ms is 5.000, at or below the ceiling of 9.000."),
    (lambda: against(0.7, None), "no_worse_than_champion", True, None, 0.01, "There is no champion to be compared with yet."),
    (lambda: against(None, 0.7), "no_worse_than_champion", False, None, 0.01, "auc was not measured; what was not measured cannot pass."),
    (lambda: against(0.7, float("nan")), "no_worse_than_champion", False, None, 0.01, "auc of the champion was not measured on this holdout."),
    (lambda: against(0.7, 0.7), "no_worse_than_champion", True, 0, 0.01, "auc is 0.700 against 0.700 of the champion: no difference, within the margin of 0.010."),
    (lambda: against(0.695, 0.7), "no_worse_than_champion", True, 0.005, 0.01, "auc is 0.695 against 0.700 of the champion: 0.005 worse, within the margin of 0.010."),
    (lambda: against(0.69, 0.7), "no_worse_than_champion", True, 0.01, 0.01, "auc is 0.690 against 0.700 of the champion: 0.010 worse, within the margin of 0.010."),
    (lambda: against(0.6974, 0.6948), "no_worse_than_champion", True, -0.0026, 0.01, "auc is 0.6974 against 0.6948 of the champion: 0.0026 better, and 0.0100 worse would be allowed."),
    (lambda: against(0.65, 0.7), "no_worse_than_champion", False, 0.05, 0.01, "auc is 0.650 against 0.700 of the champion: 0.050 worse, more than the margin of 0.010."),
    (lambda: against(0.75, 0.7), "no_worse_than_champion", True, -0.05, 0.01, "auc is 0.750 against 0.700 of the champion: 0.050 better, and 0.010 worse would be allowed."),
    (lambda: against(1.5, 1.0, "rmse"), "no_worse_than_champion", False, 0.5, 0.01, "rmse is 1.500 against 1.000 of the champion: 0.500 worse, more than the margin of 0.010."),
    (lambda: against(0.5, 1.0, "rmse"), "no_worse_than_champion", True, -0.5, 0.01, "rmse is 0.500 against 1.000 of the champion: 0.500 better, and 0.010 worse would be allowed."),
    (lambda: against(5.0, 1.0, "ms"), "no_worse_than_champion", False, None, 0.01, "Nobody said whether more of ms is better; say higher_is_better in the policy."),
    (lambda: against(5.0, 1.0, "ms", higher_is_better=True), "no_worse_than_champion", True, -4, 0.01, "ms is 5.000 against 1.000 of the champion: 4.000 better, and 0.010 worse would be allowed."),
    (lambda: SliceFloor("auc", 0.6, ["EWR", "JFK"]).judge(Measured({"auc.EWR": 0.5, "auc.JFK": 0.4})), "slice_floor", False, 0.4, 0.6, "The worst of 2 slices is JFK: auc is 0.400, below the floor of 0.600."),
    (lambda: SliceFloor("rmse", 2, ["EWR", "JFK"]).judge(Measured({"rmse.EWR": 3, "rmse.JFK": 1})), "slice_floor", False, 3, 2, "The worst of 2 slices is EWR: rmse is 3.000, above the ceiling of 2.000."),
    (lambda: SliceFloor("auc", 0.6, ["EWR"]).judge(Measured({"auc.EWR": 0.6})), "slice_floor", True, 0.6, 0.6, "The worst of 1 slices is EWR: auc is 0.600, at or above the floor of 0.600."),
    (lambda: SliceFloor("auc", 0.6, ["EWR"]).judge(Measured({})), "slice_floor", False, None, 0.6, "auc.EWR was not measured; what was not measured cannot pass."),
    (lambda: SliceFloor("ms", 9, ["EWR"]).judge(Measured({"ms.EWR": 3})), "slice_floor", False, None, 9, "Nobody said whether more of ms is better; say higher_is_better in the policy."),
    (lambda: SliceFloor("ms", 9, ["EWR"], False).judge(Measured({"ms.EWR": 3})), "slice_floor", True, 3, 9, "The worst of 1 slices is EWR: ms is 3.000, at or below the ceiling of 9.000."),
    (lambda: Calibration(0.05).judge(Measured({"served.calibration_error": 0.02})), "calibration", True, 0.02, 0.05, "served.calibration_error is 0.020, at or below the ceiling of 0.050."),
    (lambda: Calibration(0.05, "ece").judge(Measured({})), "calibration", False, None, 0.05, "ece was not measured; what was not measured cannot pass."),
    (lambda: lost(0.7, 0.69), "served_skew", True, 0.01, 0.02, "auc falls from 0.700 offline to 0.690 as served: 0.010 lost, within the 0.020 allowed."),
    (lambda: lost(0.9, 0.6), "served_skew", False, 0.3, 0.02, "auc falls from 0.900 offline to 0.600 as served: 0.300 lost, more than the 0.020 allowed."),
    (lambda: lost(0.9124, 0.6216), "served_skew", False, 0.2908, 0.02, "auc falls from 0.9124 offline to 0.6216 as served: 0.2908 lost, more than the 0.0200 allowed."),
    (lambda: lost(0.6, 0.7), "served_skew", True, -0.1, 0.02, "auc rises from 0.600 offline to 0.700 as served: 0.000 lost, within the 0.020 allowed."),
    (lambda: lost(0.7, 0.7), "served_skew", True, 0, 0.02, "auc is 0.700 offline and 0.700 as served: 0.000 lost, within the 0.020 allowed."),
    (lambda: lost(1.0, 2.0, "rmse"), "served_skew", False, 1, 0.02, "rmse rises from 1.000 offline to 2.000 as served: 1.000 lost, more than the 0.020 allowed."),
    (lambda: lost(2.0, 1.0, "rmse"), "served_skew", True, -1, 0.02, "rmse falls from 2.000 offline to 1.000 as served: 0.000 lost, within the 0.020 allowed."),
    (lambda: lost(None, 0.7), "served_skew", False, None, 0.02, "offline.auc was not measured; what was not measured cannot pass."),
    (lambda: lost(0.7, None), "served_skew", False, None, 0.02, "served.auc was not measured; what was not measured cannot pass."),
    (lambda: lost(1.0, 2.0, "ms"), "served_skew", False, None, 0.02, "Nobody said whether more of ms is better; say higher_is_better in the policy."),
    (lambda: lost(1.0, 2.0, "ms", higher_is_better=True), "served_skew", True, -1, 0.02, "ms rises from 1.000 offline to 2.000 as served: 0.000 lost, within the 0.020 allowed."),
    (lambda: Schema({"temp": "number"}).judge(Measured({}, data=SEEN)), "schema", True, 0, 0, "All 1 agreed columns are there with the agreed kind."),
    (lambda: Schema({"gust": "number", "hour": "time"}).judge(Measured({}, data=SEEN)), "schema", False, 2, 0, "2 of 2 columns not as agreed: gust is text, not number, hour is missing."),
    (lambda: Schema({"a": "text"}).judge(Measured({})), "schema", False, None, 0, "Nobody looked at the data; what was not looked at cannot pass."),
    (lambda: RowCount(1000).judge(Measured({}, data=SEEN)), "row_count", True, 1200, 1000, "1,200 rows, at least the 1,000 agreed."),
    (lambda: RowCount(2000).judge(Measured({}, data=SEEN)), "row_count", False, 1200, 2000, "1,200 rows, fewer than the 2,000 agreed."),
    (lambda: RowCount(0).judge(Measured({}, data=BARE)), "row_count", True, 0, 0, "0 rows, at least the 0 agreed."),
    (lambda: RowCount(3).judge(Measured({})), "row_count", False, None, 3, "Nobody looked at the data; what was not looked at cannot pass."),
    (lambda: NullRate(0.3, ["temp"]).judge(Measured({}, data=SEEN)), "null_rate", True, 0.25, 0.3, "25.0 % of temp are missing, no more than the 30.0 % agreed."),
    (lambda: NullRate(0.5).judge(Measured({}, data=SEEN)), "null_rate", False, 0.8, 0.5, "80.0 % of gust are missing, more than the 50.0 % agreed."),
    (lambda: NullRate(1.0, ["hour"]).judge(Measured({}, data=SEEN)), "null_rate", True, 1, 1, "100.0 % of hour are missing, no more than the 100.0 % agreed."),
    (lambda: NullRate(0.5).judge(Measured({}, data=BARE)), "null_rate", False, None, 0.5, "There are no columns; nothing can pass."),
    (lambda: NullRate(0.5).judge(Measured({})), "null_rate", False, None, 0.5, "Nobody looked at the data; what was not looked at cannot pass."),
    (lambda: Freshness(7 * DAY).judge(Measured({}, data=SEEN)), "freshness", True, 7, 7, "The newest row is 7.0 days old, not older than the 7.0 days agreed."),
    (lambda: Freshness(DAY / 2).judge(Measured({}, data=SEEN)), "freshness", False, 7, 0.5, "The newest row is 7.0 days old, older than the 0.5 days agreed."),
    (lambda: Freshness(DAY).judge(Measured({}, data=BARE)), "freshness", False, None, 1, "No row says when it happened; nothing shows it is fresh."),
    (lambda: Freshness(DAY).judge(Measured({}, data=DataProfile(1, {}, {}, NOW + DAY, NOW))), "freshness", False, -1, 1, "The newest row lies 1.0 days in the future."),
    (lambda: Freshness(DAY).judge(Measured({})), "freshness", False, None, 1, "Nobody looked at the data; what was not looked at cannot pass."),
]  # fmt: skip


@pytest.mark.parametrize(("found", "rule", "passed", "figure", "bound", "told"), VERDICTS)
def test_a_verdict_holds_the_figure_the_bound_and_says_so(found, rule, passed, figure, bound, told):
    found = found()

    assert (found.rule, found.passed, found.bound) == (rule, passed, bound)
    assert found.figure is None if figure is None else found.figure == pytest.approx(figure)
    assert found.sentence == told


def test_a_profile_tells_kinds_gaps_and_age():
    hours = pd.to_datetime(["2014-01-01T05:00Z", "2014-01-02T05:00Z"])
    frame = pd.DataFrame({"at": hours, "temp": [1.5, None], "late": [True, False], "origin": ["EWR", "JFK"], 5: [1, 2]})

    found, other = profile(frame, NOW, timestamp="at"), profile(frame, NOW)

    assert found == DataProfile(
        2,
        {"at": "time", "temp": "number", "late": "bool", "origin": "text", "5": "number"},
        {"at": 0.0, "temp": 0.5, "late": 0.0, "origin": 0.0, "5": 0.0},
        parse_utc("2014-01-02T05:00Z"),
        NOW,
    )
    assert other.newest is None
    assert DataProfile.from_dict(found.to_dict()) == found
    assert found.to_dict() == {
        "rows": 2, "columns": dict(found.columns), "null_rates": dict(found.null_rates),
        "newest": "2014-01-02T05:00:00+00:00", "at": "2014-01-08T00:00:00+00:00",
    }  # fmt: skip
    assert profile(frame.head(0), NOW, timestamp="at").null_rates["temp"] == 0.0
    finer = frame.assign(at=hours.as_unit("ns") + pd.Timedelta(1, "ns"))
    with warnings.catch_warnings(action="error"):  # that a date has no nanoseconds is nothing to be told
        assert profile(finer, NOW, timestamp="at").newest == found.newest
    with pytest.raises(InvalidData, match="no time zone") as naive:
        profile(frame.assign(at=hours.tz_localize(None)), NOW, timestamp="at")
    assert naive.value.column == "at"
    with pytest.raises(InvalidData, match="column 'temp' has no time zone"):
        profile(frame, NOW, timestamp="temp")
    agreed = {"temp": "number"}
    schema = Schema(agreed)
    agreed.clear()
    assert schema.columns == {"temp": "number"}


def test_a_measurement_and_a_profile_say_what_is_in_them():
    assert repr(Measured({"a": 1.0}, {"a": 2.0}, SEEN)) == "Measured(metrics=1, champion=yes, data=yes)"
    assert repr(SEEN) == "DataProfile(rows=1,200, columns=2)"
    assert Measured({"a": 1}).figure("a") == 1.0
    assert [finite(value) for value in (1, True, "1", float("inf"), None, 10**400)] == [
        1.0,
        None,
        None,
        None,
        None,
        None,
    ]
    assert told_apart(0.5, 0.5) == ("0.500", "0.500")
    assert told_apart(0.50001, 0.5) == ("0.50001", "0.50000")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Floor("a", float("nan")), "the bound of a floor must be a number from -inf to inf, not nan."),
        (lambda: FirstModel("a", "x"), "the bound for a first model must be a number from -inf to inf, not 'x'."),
        (lambda: NoWorseThanChampion("a", -1), "the margin to the champion must be a number from 0 to inf, not -1."),
        (lambda: SliceFloor("a", None, ["x"]), "the bound of a slice floor must be a number from -inf to inf, not None."),
        (lambda: SliceFloor("a", 1, "EWR"), "a slice floor names the slices that must be measured, for example [EWR, JFK, LGA]."),
        (lambda: Calibration(1.01), "the bound of the calibration error must be a number from 0 to 1, not 1.01."),
        (lambda: ServedSkew("a", -0.1), "the bound of the skew must be a number from 0 to inf, not -0.1."),
        *((lambda kind=kind: kind("a", 1, higher_is_better=1), "higher_is_better is 1; say True or False, or nothing for a known metric.") for kind in (Floor, FirstModel)),
        *((lambda kind=kind: kind("a", 1, higher_is_better="no"), "higher_is_better is 'no'; say True or False, or nothing for a known metric.") for kind in (NoWorseThanChampion, ServedSkew)),
        (lambda: SliceFloor("a", 1, ["x"], higher_is_better=0), "higher_is_better is 0; say True or False, or nothing for a known metric."),
        (lambda: Schema(["a"]), "a schema maps column names to kinds, for example {temp: number}."),
        (lambda: Schema({"a": "nmber"}), "column 'a' cannot be of kind 'nmber'; kinds: number, text, bool, time. Did you mean 'number'?"),
        (lambda: Schema({"a": 5}), "column 'a' cannot be of kind 5; kinds: number, text, bool, time."),
        (lambda: RowCount(True), "a row count is a whole number of at least 0, not True."),
        (lambda: RowCount(-1), "a row count is a whole number of at least 0, not -1."),
        (lambda: NullRate(1.1), "a null rate is a share from 0 to 1, not 1.1."),
        (lambda: NullRate(0.5, "gust"), "a null rate names its columns in a list: [gust], not 'gust'."),
        (lambda: Freshness(5), "an age is a duration of at least 0, not 5."),
        (lambda: Freshness(-DAY), "an age is a duration of at least 0, not datetime.timedelta(days=-1)."),
        (lambda: GatePolicy(5), "a policy takes a list of rules, not int."),
        (lambda: GatePolicy.from_dict({"rules": [{"rule": "floor", "metric": 3, "bound": 1}]}), "rule 1 (floor): a metric is a name, not 3."),
        (lambda: GatePolicy.from_dict({"rules": [{"rule": "row_count", "at_least": 1}, {}]}), "rule 2 of the policy has no name; write it as 'rule: floor', for example."),
        (lambda: GatePolicy.from_dict({"rules": [{"rule": "floor", "metric": "a"}]}), "rule 1 (floor) is incomplete or has a wrong type; it takes: metric, bound, higher_is_better."),
    ],
)  # fmt: skip
def test_a_demand_that_cannot_be_says_what_is_wrong_with_it(make, told):
    with pytest.raises(InvalidDefinition) as refused:
        make()

    assert str(refused.value) == told


def test_bounds_at_the_very_edge_are_demands():
    assert (Calibration(1.0).bound, Calibration(0).bound, NullRate(0).at_most, NullRate(1).at_most) == (1.0, 0, 0, 1)
    assert (RowCount(0).at_least, Freshness(timedelta(0)).at_most, NoWorseThanChampion("a", 0).margin) == (
        0,
        timedelta(0),
        0,
    )
    assert Schema({"a": "bool"}).columns == {"a": "bool"}
    assert NullRate(0.5, ["a"]).columns == ("a",)


def test_a_policy_is_written_in_plain_values_and_names_what_it_does_not_know():
    policy = GatePolicy([Floor("a", 1, False), Freshness(2 * DAY), SliceFloor("a", 1, ["x"]), Schema({"a": "text"})])

    assert policy.to_dict() == {
        "rules": [
            {"rule": "floor", "metric": "a", "bound": 1, "higher_is_better": False},
            {"rule": "freshness", "at_most": 172800.0},
            {"rule": "slice_floor", "metric": "a", "bound": 1, "slices": ["x"]},
            {"rule": "schema", "columns": {"a": "text"}},
        ]
    }
    assert GatePolicy.from_dict(policy.to_dict()).fingerprint == policy.fingerprint
    assert repr(policy) == "GatePolicy(floor, freshness, slice_floor, schema)"
    assert {kind.rule for kind in DATA_RULES} == {"schema", "row_count", "null_rate", "freshness"} <= set(RULES)
    for document, asked, known, where in (
        ({"rules": [{"rule": "flor"}]}, ("rule", "flor"), RULES, "the policy"),
        ({"rules": [], "rule": 1}, ("setting", "rule"), ["rules"], "the policy"),
        ({"rules": [{"rule": "floor", "bnd": 1}]}, ("setting", "bnd"), FLOOR, "rule 'floor'"),
    ):
        with pytest.raises(UnknownName) as refused:
            GatePolicy.from_dict(document)
        assert ((refused.value.kind, refused.value.name), set(refused.value.options)) == (asked, set(known))
        assert refused.value.where == where
    with pytest.raises(UnknownName, match="no rule 'int'; there is: Calibration, FirstModel, Floor, "):
        GatePolicy([5])
