"""DAGs that chance draws end on Airflow and on Prefect as they end here: every state, every try, every value."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from engine_runs.asking import ask
from engine_runs.running import ENGINES

from mlops_lab.base.clock import FakeClock
from mlops_lab.pipeline.dag import PRESETS, run_dag

sys.path.insert(0, str(Path(__file__).parent))
from drawn_dags import odd_dag, rough_dag


def given(home):
    """What each task was given: its attempt, the results of others, the params, the date."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in home.glob("*.json")}


def ours(dag, home):
    home.mkdir()
    run = run_dag(dag, logical_date="2013-10-01T06:00:00+00:00", clock=FakeClock(), home=home)
    attempts = {each.task_id: len(each.attempts) for each in run.task_instances}
    return {"state": run.state, "states": dict(run.states), "attempts": attempts, "given": given(home)}


def test_whatever_succeeds_fails_or_is_skipped_does_so_on_the_engine_too(both, homes, tmp_path, rough):
    engine, _, other = both
    words = ("state", "states", "attempts")

    here = {dag.dag_id: ours(dag, tmp_path / dag.dag_id) for dag in rough}

    assert here == {
        name: {word: getattr(other[name], word) for word in words} | {"given": given(homes(engine, name))}
        for name in here
    }


def odd_dags(rough):
    drawn = [odd_dag(500, size=500), *(odd_dag(seed) for seed in range(2 * len(rough)))]
    return list({dag.dag_id.strip("_"): dag for dag in drawn}.values())


def test_an_odd_dag_is_read_as_it_was_written(engine, rough):
    dags = odd_dags(rough)
    asked = [{"text": ENGINES[engine](dag), "dag_id": dag.dag_id} for dag in dags]

    answers = ask(engine, {"read": asked}, timeout=600)["read"]

    for dag, answer in zip(dags, answers, strict=True):
        if engine == "prefect":
            assert answer["name"] == dag.dag_id
            assert len(answer["params"]) == len(dag.params) + 1  # and the logical date
            continue
        assert answer == {
            "tasks": answer["tasks"],
            "edges": sorted(map(list, dag.edges)),
            "params": {name: param.default for name, param in dag.params.items()},
            "told": {name: [task.retries, task.trigger_rule] for name, task in dag.tasks.items()},
            "settings": {
                "schedule": PRESETS.get(dag.schedule, dag.schedule),
                "catchup": dag.catchup and dag.schedule is not None,
                "start_date": dag.start_date and dag.start_date.isoformat(),
                "tags": sorted(set(dag.tags)),
                "description": dag.description,
            },
        }
        assert sorted(answer["tasks"]) == sorted(dag.tasks)


def test_chance_draws_every_state_and_most_of_the_rules(tmp_path):
    dags = [rough_dag(seed) for seed in range(12)]

    ended = [ours(dag, tmp_path / dag.dag_id) for dag in dags]

    assert {state for each in ended for state in each["states"].values()} == {
        *("success", "failed", "skipped", "upstream_failed"),
    }
    assert {tries for each in ended for tries in each["attempts"].values()} == {0, 1, 2, 3}
    assert len({each.trigger_rule for dag in dags for each in dag.tasks.values()}) >= 10
