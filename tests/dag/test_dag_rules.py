"""Does every trigger rule decide as Airflow's documentation says?"""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from mlops_lab.pipeline.dag.rules import TRIGGER_RULES, decide

S, F, U, K = "success", "failed", "upstream_failed", "skipped"

# Parent states → what becomes of the task. Checked once against Airflow 3.2.2's own trigger_rule_dep.py over every
# combination of up to four parents.
TABLE = {
    "all_success": {S: "run", F: U, U: U, K: K, (S, S): "run", (S, F): U, (S, K): K, (F, K): U, (F, U): U},
    "all_failed": {S: K, F: "run", U: "run", K: K, (F, U): "run", (F, S): K, (F, K): K},
    "all_done": {S: "run", F: "run", U: "run", K: "run", (S, F): "run", (F, K): "run"},
    "all_done_min_one_success": {S: "run", F: U, U: U, K: K, (S, F): "run", (S, K): K, (F, U): U},
    "all_skipped": {S: K, F: K, U: K, K: "run", (K, K): "run", (K, S): K, (K, F): K},
    "one_success": {S: "run", F: U, U: U, K: K, (S, F): "run", (F, K): U, (K, K): K, (S, K): "run"},
    "one_failed": {S: K, F: "run", U: "run", K: K, (S, F): "run", (S, S): K, (S, K): K, (K, U): "run"},
    "one_done": {S: "run", F: "run", U: K, K: K, (S, K): "run", (U, K): K, (F, U): "run"},
    "none_failed": {S: "run", F: U, U: U, K: "run", (S, K): "run", (K, K): "run", (F, K): U},
    "none_failed_min_one_success": {S: "run", F: U, U: U, K: K, (S, K): "run", (K, K): K, (F, S): U},
    "none_skipped": {S: "run", F: "run", U: "run", K: K, (S, F): "run", (S, K): K},
    "always": {S: "run", F: "run", U: "run", K: "run", (F, K): "run"},
}
ROWS = [
    pytest.param(rule, (states,) if isinstance(states, str) else states, outcome, id=f"{rule}-{states}-{outcome}")
    for rule, row in TABLE.items()
    for states, outcome in row.items()
]


@pytest.mark.parametrize(("rule", "states", "outcome"), ROWS)
def test_a_rule_decides_as_airflow_does(rule: str, states: tuple[str, ...], outcome: str) -> None:
    assert decide(rule, states) == outcome


def test_the_table_knows_every_rule() -> None:
    assert set(TABLE) == set(TRIGGER_RULES)


@pytest.mark.parametrize("rule", TRIGGER_RULES)
def test_the_order_of_the_parents_does_not_matter_and_no_parents_means_run(rule: str) -> None:
    for states in combinations_with_replacement([S, F, U, K], 3):
        assert decide(rule, states) == decide(rule, states[::-1])
    assert decide(rule, []) == "run"
