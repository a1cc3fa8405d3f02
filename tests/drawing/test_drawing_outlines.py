"""Every drawing says in words what its picture shows: who is there, in which state, after whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import DuplicateName, InvalidData, UnknownName
from mlops_lab.data.features import Entity, FeatureService, FeatureStore, FeatureView, Field, Source
from mlops_lab.pipeline.dag import DAG, DagRun, SkipTask, Task, run_dag
from mlops_lab.teaching.drawing import draw_dag, draw_lineage, draw_store
from mlops_lab.teaching.drawing.boxes import MOST_ARROWS, MOST_BOXES


def golden(text: str) -> str:
    return dedent(text).strip("\n")


def refuse() -> None:
    raise ValueError("auc 0.64 < 0.70 & skew <high>")


def nothing_to_do() -> None:
    raise SkipTask("no flights on this day")


@pytest.fixture
def dag() -> DAG:
    answers: Iterator[int] = iter([0, 0, 1])
    dag = DAG("nightly", schedule="0 2 * * *", params={"features": "as_known", "trees": 30})
    dag.add(Task("extract", lambda: 1 // next(answers), retries=3, retry_delay=timedelta(minutes=1)))
    dag.add(Task("gate", refuse, description="May it pass?"), upstream=["extract"])
    dag.add(Task("promote", lambda: None), upstream=["gate"])
    dag.add(Task("report", nothing_to_do, trigger_rule="all_done"), upstream=["extract", "promote"])
    return dag


@pytest.fixture
def run(dag: DAG) -> DagRun:
    return run_dag(dag, logical_date="2013-10-01T02:00Z", clock=FakeClock(), params={"trees": 60})


def test_a_dag_tells_its_tasks_in_running_order_with_schedule_and_params(dag: DAG) -> None:
    drawing = draw_dag(dag)

    assert drawing.outline == golden(
        """
        DAG nightly: 4 tasks, 4 edges
        schedule 0 2 * * * (UTC); params features=as_known, trees=30

        ○ extract
            up to 3 retries
        ○ gate     ← extract
            May it pass?
        ○ promote  ← gate
        ○ report   ← extract, promote
            when all_done
        """
    )


def test_a_run_tells_states_attempts_and_reasons(dag: DAG, run: DagRun) -> None:
    drawing = draw_dag(dag, run)

    assert drawing.outline == golden(
        f"""
        DAG nightly, run of 2013-10-01 02:00 UTC: success
        schedule 0 2 * * * (UTC); params trees=60 (1 more as by default)
        1 success, 1 failed, 1 upstream_failed, 1 skipped

        ✓ success          extract
            3 attempts
        ✗ failed           gate     ← extract
            {run.task("gate").why}
        ⊘ upstream_failed  promote  ← gate
            {run.task("promote").why}
        – skipped          report   ← extract, promote
            no flights on this day
        """
    )
    assert "auc 0.64 < 0.70 & skew <high>" in drawing.outline


def test_a_task_the_run_never_reached_is_told_apart_and_a_task_that_is_gone_is_named(dag: DAG, run: DagRun) -> None:
    newer = DAG("nightly")
    newer.add(Task("extract"))
    newer.add(Task("archive"), upstream=["extract"])

    outline = draw_dag(newer, run).outline

    assert "○ no_status  archive  ← extract" in outline
    assert "the run also had gate, promote, report, which the DAG no longer has" in outline


def test_a_run_of_another_dag_is_refused(run: DagRun) -> None:
    other = DAG("weekly")

    with pytest.raises(InvalidData, match="of DAG 'nightly', not of 'weekly'"):
        draw_dag(other, run)


def test_a_dag_without_tasks_and_one_with_a_required_param_can_be_drawn() -> None:
    from mlops_lab.pipeline.dag import Param

    drawing = draw_dag(DAG("empty", params={"day": Param(type="date"), "limit": Param(None, type="integer")}))

    assert drawing.outline == "DAG empty: 0 tasks, 0 edges\nno schedule; params day=required, limit=None"
    assert "<svg" in drawing.svg


def test_a_dag_of_a_thousand_tasks_is_drawn_whole() -> None:
    dag = DAG("wide")
    for number in range(MOST_BOXES):
        dag.add(Task(f"t{number}"), upstream=[f"t{number // 7}"] if number else [])

    drawing = draw_dag(dag)

    assert drawing.svg.count('class="node task"') == MOST_BOXES
    assert drawing.outline.count("\n○ ") == MOST_BOXES


def test_beyond_a_thousand_the_picture_has_a_note_and_the_outline_has_all() -> None:
    dag = DAG("vast")
    for number in range(MOST_BOXES + 234):
        dag.add(Task(f"t{number}"))

    drawing = draw_dag(dag)

    assert "… and 234 more nodes;" in drawing.svg
    assert drawing.outline.count("\n○ ") == MOST_BOXES + 234


@pytest.mark.nightly
def test_a_thicket_of_arrows_is_thinned_in_the_picture_only() -> None:
    dag = DAG("thicket")
    for number in range(80):
        dag.add(Task(f"t{number}"), upstream=[f"t{other}" for other in range(number)])

    drawing = draw_dag(dag)

    left_out = 80 * 79 // 2 - MOST_ARROWS
    assert f"… and {left_out:,} more arrows;" in drawing.svg
    assert drawing.outline.count(", t") == 79 * 78 // 2


@dataclass(frozen=True)
class Node:
    id: str
    kind: str
    title: str
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineage:
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]


def test_a_lineage_tells_every_node_with_all_its_facts() -> None:
    facts = {"rows": "218,000", "from": "2013-01-01", "to": "2013-08-31", "views": "2", "sha": "c8cf"}
    training = Node("t", "training_set", "delays, as known", facts)
    version = Node("v", "version", "delays 3", {"stage": "Production", "alias": ""})

    drawing = draw_lineage(Lineage((training, version), (("t", "v"), ("t", "v"))))

    assert drawing.outline == golden(
        """
        lineage of delays 3

        ▥ training_set  delays, as known
            rows: 218,000
            from: 2013-01-01
            to: 2013-08-31
            views: 2
            sha: c8cf
        ★ version       delays 3          ← delays, as known
            stage: Production
        """
    )
    assert "… and 2 more" in drawing.svg


def test_an_edge_to_nowhere_and_two_nodes_of_one_id_are_refused() -> None:
    node = Node("a", "run", "a")

    with pytest.raises(UnknownName, match="no node 'b' in lineage"):
        draw_lineage(Lineage((node,), (("a", "b"),)))
    with pytest.raises(DuplicateName, match="node 'a' is defined twice"):
        draw_lineage(Lineage((node, node), ()))


def test_a_store_tells_sources_entities_views_and_services(tmp_path: Path) -> None:
    airport = Entity("airport", join_keys=["origin"], description="where a flight starts")
    source = Source("asos", "asos.parquet", created_timestamp_column="created_timestamp")
    schema = [Field(name, "float64") for name in ("temp", "dewp", "wind_speed", "visibility", "precip", "pressure")]
    weather = FeatureView("weather", entities=[airport], schema=schema, ttl=timedelta(minutes=90), source=source)
    everywhere = FeatureView("sky", entities=[], schema=[Field("moon", "float64")], ttl=None, source=source)
    store = FeatureStore(tmp_path)
    store.apply([weather, everywhere, FeatureService("delays", [weather[["wind_speed"]]])])

    drawing = draw_store(store)

    assert drawing.outline == golden(
        """
        feature store: 1 source, 1 entity, 2 views, 1 service

        ▤ source   asos
            event_timestamp
            created_timestamp
        ◆ entity   airport
            origin (string)
            where a flight starts
        ▦ view     sky      ← asos
            ttl for ever
            moon (float64)
        ▦ view     weather  ← asos, airport
            ttl 90 min
            temp (float64)
            dewp (float64)
            wind_speed (float64)
            visibility (float64)
            precip (float64)
            pressure (float64)
        ◈ service  delays   ← weather
            weather:wind_speed
        """
    )


def test_an_empty_store_can_be_drawn(tmp_path: Path) -> None:
    drawing = draw_store(FeatureStore(tmp_path))

    assert drawing.outline == "feature store: 0 sources, 0 entities, 0 views, 0 services"
    assert "<svg" in drawing.svg
