"""Every public constructor refuses a name that is none and a value of another kind, in an error of this package."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import timedelta

import pytest

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.models.gates import RULES, DataProfile, GatePolicy, Measured
from mlops_lab.models.registry import GateReport, RuleResult
from mlops_lab.models.rollout import RolloutPolicy
from mlops_lab.pipeline.dag import DAG, Param, Schedule, Task

AT = parse_utc("2014-01-01")
RESULT = {"rule": "floor", "passed": True, "figure": 0.7, "bound": 0.6, "sentence": "it is."}
REPORT = {
    "name": "late", "version": 1, "artifact": "sha256:" + "0" * 64, "results": (RuleResult(**RESULT),),
    "champion": None, "holdout": "", "evaluated_at": AT, "policy": "", "metrics": {"a": 1.0},
    "champion_metrics": None, "data": "",
}  # fmt: skip
OF_RULES = {
    "metric": "served.roc_auc", "bound": 0.5, "margin": 0.1, "slices": ["EWR"], "columns": {"a": "number"},
    "at_least": 3, "at_most": 0.5,
}  # fmt: skip
GOOD = {
    rule: {each.name: OF_RULES[each.name] for each in fields(rule) if each.name in OF_RULES} for rule in RULES.values()
} | {
    RULES["null_rate"]: {"at_most": 0.5, "columns": ["a"]},
    RULES["freshness"]: {"at_most": timedelta(days=1)},
    GatePolicy: {"rules": [RULES["floor"]("served.roc_auc", 0.5)]},
    Measured: {"metrics": {}, "champion": None, "data": None, "holdout": ""},
    DataProfile: {"rows": 1, "columns": {}, "null_rates": {}, "newest": AT, "at": AT},
    RuleResult: RESULT,
    GateReport: REPORT,
    RolloutPolicy: {each.name: each.default for each in fields(RolloutPolicy) if each.default is not MISSING},
    Param: {"default": 1, "type": "integer", "description": "", "enum": None, "minimum": None, "maximum": None},
    Task: {"task_id": "a", "description": "", "source": "", "trigger_rule": "all_success", "retries": 0},
    DAG: {"dag_id": "a", "description": "", "schedule": None, "tags": (), "catchup": False, "timezone": "UTC"},
    Schedule: {"cron": "@daily", "timezone": "UTC"},
}
#: What may be left out is None; a default may be any value.
NONE_IS_FINE = {
    ("Measured", "champion"), ("Measured", "data"), ("DataProfile", "newest"), ("RuleResult", "figure"),
    ("RuleResult", "bound"), ("GateReport", "champion"), ("GateReport", "champion_metrics"), ("NullRate", "columns"),
    ("RolloutPolicy", "shared"), ("RolloutPolicy", "max_seconds"), ("Param", "default"), ("Param", "enum"),
    ("Param", "minimum"), ("Param", "maximum"), ("DAG", "schedule"),
}  # fmt: skip
NAMES = ("metric", "name", "rule", "task_id", "dag_id", "cron", "trigger_rule", "artifact_name")


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
def test_what_cannot_be_is_refused_and_never_breaks(kind):
    kind(**GOOD[kind])
    for key in GOOD[kind]:
        wrong = [object(), b"x", [None], {None: 1}, timedelta(-1), *[""] * (key in NAMES), *[" "] * (key in NAMES)]
        if (kind.__name__, key) not in NONE_IS_FINE:
            wrong.append(None)
        if key in ("columns", "null_rates", "metrics", "champion", "champion_metrics") and kind.__name__ != "NullRate":
            wrong.remove({None: 1})  # a mapping; what is in it is for the rule to say
        for value in wrong:
            with pytest.raises(MlopsLabError):
                print(f"taken: {key} of", kind(**{**GOOD[kind], key: value}))


@pytest.mark.parametrize("metric", [None, "", " ", 3, True, b"auc"])
def test_a_rule_of_no_metric_is_refused(metric):
    for name in ("floor", "first_model", "no_worse_than_champion", "slice_floor", "calibration", "served_skew"):
        with pytest.raises(MlopsLabError, match="a metric is a name, not"):
            RULES[name](**{**GOOD[RULES[name]], "metric": metric})
