"""Is the order that of graphlib, with definition order breaking ties?"""

from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.errors import CycleError, UnknownName
from mlops_lab.pipeline.dag import DAG, Task, topological_order


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    count = draw(st.integers(0, 12))
    names = [f"t{at}" for at in draw(st.permutations(range(count)))]
    waits = {
        name: draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else [] for at, name in enumerate(names)
    }
    return {name: waits[name] for name in sorted(names)}  # definition order is not running order


def slow_order(upstream: dict[str, list[str]]) -> list[str]:
    order: list[str] = []
    while len(order) < len(upstream):
        order.append(next(n for n in upstream if n not in order and all(u in order for u in upstream[n])))
    return order


@given(graphs())
def test_the_order_is_that_of_taking_the_first_ready_name_again_and_again(upstream: dict[str, list[str]]) -> None:
    order = topological_order(upstream)

    assert order == slow_order(upstream)


@given(graphs())
def test_graphlib_accepts_the_order(upstream: dict[str, list[str]]) -> None:
    sorter = TopologicalSorter(upstream)
    sorter.prepare()
    ready = set(sorter.get_ready())

    for name in topological_order(upstream):
        assert name in ready
        sorter.done(name)
        ready |= set(sorter.get_ready())
    assert not sorter.is_active()


@given(graphs(), st.data())
def test_a_cycle_is_reported_as_a_path_whose_every_step_is_an_edge(
    graph: dict[str, list[str]], data: st.DataObject
) -> None:
    upstream = {
        **graph,
        "x": ["z"],
        "y": ["x"],
        "z": ["y", *data.draw(st.lists(st.sampled_from(sorted(graph) or ["x"])))],
    }

    with pytest.raises(CycleError) as caught:
        topological_order(upstream)

    path = caught.value.cycle
    assert path[0] == path[-1]
    assert all(before in upstream[after] for before, after in pairwise(path))
    assert list(upstream).index(path[0]) == min(list(upstream).index(name) for name in path)


@pytest.mark.slow
def test_a_chain_and_a_ring_of_twenty_thousand_tasks_do_not_recurse() -> None:
    chain = {f"t{at}": [f"t{at - 1}"] if at else [] for at in range(20_000)}

    assert topological_order(chain) == list(chain)
    with pytest.raises(CycleError) as caught:
        topological_order({**chain, "t0": ["t19999"]})
    assert len(caught.value.cycle) == 20_001


def test_a_dag_names_its_cycle_and_a_task_cannot_wait_for_itself() -> None:
    dag = DAG("loop")
    train = dag.add(Task("train"))
    gate = dag.add(Task("gate"), upstream=[train])
    gate >> train

    with pytest.raises(CycleError, match="train → gate → train"):
        dag.topological_order()
    with pytest.raises(CycleError, match="gate → gate"):
        _ = gate >> gate


def test_a_name_that_is_waited_for_and_not_there_is_refused_with_the_closest() -> None:
    with pytest.raises(UnknownName, match=r"no task .trian. in what .gate. waits for.*Did you mean .train."):
        topological_order({"train": [], "gate": ["trian"]})
