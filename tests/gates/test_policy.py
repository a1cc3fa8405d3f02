"""A policy is data: it goes to a file and back, and says what it does not understand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidDefinition, MlopsLabError, UnknownName
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.models.gates import (
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
    evaluate_gates,
)
from mlops_lab.models.registry import ModelVersion, RuleResult

NOW = parse_utc("2014-01-01")
EVERY_RULE = GatePolicy(
    [
        Floor("served.roc_auc", 0.65),
        FirstModel("served.roc_auc", 0.6),
        NoWorseThanChampion("served.roc_auc", 0.01),
        SliceFloor("served.roc_auc", 0.6, slices=("EWR", "JFK")),
        Calibration(0.1),
        ServedSkew("roc_auc", 0.02),
        Schema({"temp": "number"}),
        RowCount(10),
        NullRate(0.5, columns=("temp",)),
        Freshness(timedelta(days=2)),
    ]
)


def _version(number: int) -> ModelVersion:
    return ModelVersion(
        name="late",
        version=number,
        run_id=f"run-{number}",
        artifact="sha256:" + str(number) * 64,
        stage="None",
        aliases=(),
        tags={},
        author="ada",
        created=NOW,
        description="",
    )


def test_every_rule_survives_a_file() -> None:
    assert {rule.rule for rule in EVERY_RULE.rules} == set(RULES)
    assert GatePolicy.from_dict(EVERY_RULE.to_dict()) == EVERY_RULE


@pytest.mark.parametrize(
    ("found", "says"),
    [
        pytest.param({"rules": [{"rule": "flor", "metric": "a", "bound": 1}]}, "Did you mean 'floor'?", id="rule"),
        pytest.param({"rules": [{"rule": "floor", "metrik": "a", "bound": 1}]}, "Did you mean 'metric'?", id="setting"),
        pytest.param({"rules": [{"rule": "floor", "metric": "a"}]}, "it takes: metric, bound", id="missing-setting"),
        pytest.param(
            {"rules": [{"rule": "floor", "metric": "a", "bound": "high"}]}, "must be a number", id="text-bound"
        ),
        pytest.param({"rules": [{"metric": "a"}]}, "has no name", id="nameless"),
        pytest.param({"rules": []}, "at least one rule", id="empty"),
        pytest.param({"rules": {}}, "a list called 'rules'", id="not-a-list"),
        pytest.param([], "a list called 'rules'", id="not-a-mapping"),
        pytest.param(None, "a list called 'rules'", id="nothing"),
        pytest.param({"rules": [{"rule": "floor", "metric": "a", "bound": 1}], "rule": 1}, "setting", id="stray"),
        pytest.param({"rules": [{"rule": "null_rate", "at_most": "x"}]}, "from 0 to 1", id="null-rate-text"),
        pytest.param({"rules": [{"rule": "schema", "columns": ["a"]}]}, "", id="schema-list"),
        pytest.param(
            {"rules": [{"rule": "slice_floor", "metric": "a", "bound": 1, "slices": 3}]}, "", id="slices-number"
        ),
        pytest.param({"rules": [{"rule": "floor", "metric": 3, "bound": 1}]}, "", id="metric-number"),
    ],
)
def test_a_file_that_is_no_policy_is_refused_in_one_line(found: object, says: str) -> None:
    with pytest.raises(MlopsLabError) as refused:
        GatePolicy.from_dict(found)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_object_that_is_no_rule_is_refused() -> None:
    with pytest.raises(UnknownName):
        GatePolicy([object()])  # type: ignore[list-item]


def test_all_rules_are_judged_also_after_the_first_failure() -> None:
    report = evaluate_gates(_version(1), None, EVERY_RULE, measured=Measured({}), at=NOW)

    assert not report.passed
    assert len(report.results) == len(EVERY_RULE.rules)


def test_a_champion_without_figures_cannot_be_beaten() -> None:
    policy = GatePolicy([Floor("served.roc_auc", 0.6), NoWorseThanChampion("served.roc_auc", 0.01)])

    report = evaluate_gates(_version(2), _version(1), policy, measured=Measured({"served.roc_auc": 0.9}), at=NOW)

    assert [result.passed for result in report.results] == [True, False]
    assert report.champion == 1


def test_figures_of_a_champion_that_is_not_there_are_ignored() -> None:
    policy = GatePolicy([FirstModel("served.roc_auc", 0.95)])
    measured = Measured({"served.roc_auc": 0.9}, champion={"served.roc_auc": 0.1})

    assert not evaluate_gates(_version(1), None, policy, measured=measured, at=NOW).passed


def test_a_first_model_under_a_policy_without_a_floor_is_refused() -> None:
    policy = GatePolicy([NoWorseThanChampion("served.roc_auc", 0.01)])

    report = evaluate_gates(_version(1), None, policy, measured=Measured({"served.roc_auc": 0.9}), at=NOW)

    assert not report.passed
    assert report.results[-1] == RuleResult(
        "first_model",
        False,
        None,
        None,
        "There is no champion to be compared with, and the policy has no floor: nothing says this is good.",
    )


def test_the_report_names_the_very_version_and_bytes_it_judged() -> None:
    report = evaluate_gates(_version(3), None, EVERY_RULE, measured=Measured({}), at=NOW)

    assert (report.name, report.version, report.artifact) == ("late", 3, _version(3).artifact)


def test_an_empty_policy_cannot_be_made() -> None:
    with pytest.raises(InvalidDefinition):
        GatePolicy([])


def test_a_rule_cannot_be_slipped_into_a_policy_or_taken_out_after_it_was_made():
    rules = [Floor("served.roc_auc", 0.65)]
    policy = GatePolicy(rules)
    before = policy.fingerprint

    rules.clear()

    assert policy.rules == (Floor("served.roc_auc", 0.65),)
    assert policy.fingerprint == before


def test_a_report_holds_everything_it_was_judged_by():
    one, two = (
        ModelVersion(
            name="late", version=number, run_id="r", artifact=f"sha256:{number}", stage="None", aliases=(), tags={},
            author="ada", created=NOW, description="",
        )
        for number in (1, 2)
    )  # fmt: skip
    policy = GatePolicy([Floor("served.roc_auc", 0.65), NoWorseThanChampion("served.roc_auc", 0.01)])
    measured = Measured({"served.roc_auc": 0.7, "word": True}, {"served.roc_auc": 0.69}, holdout="sha256:h")

    report = evaluate_gates(two, one, policy, measured=measured, at=NOW)
    first = evaluate_gates(one, None, policy, measured=measured, at=NOW)
    seen = DataProfile(3, {"temp": "number"}, {"temp": 0.0}, NOW, NOW)
    looked_at = evaluate_gates(two, one, policy, measured=replace(measured, data=seen), at=NOW)

    assert (report.name, report.version, report.artifact, report.champion) == ("late", 2, "sha256:2", 1)
    assert (report.holdout, report.evaluated_at, report.policy) == ("sha256:h", NOW, policy.fingerprint)
    assert (report.metrics, report.champion_metrics) == ({"served.roc_auc": 0.7}, {"served.roc_auc": 0.69})
    assert looked_at.data == fingerprint_json(seen.to_dict())
    assert (report.data, report.passed, [each.rule for each in report.results]) == (
        "", True, ["floor", "no_worse_than_champion"],
    )  # fmt: skip
    assert (first.champion, first.champion_metrics) == (None, None)
