"""The drawing of a DAG, and of how one run of it went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from mlops_lab.base.errors import InvalidData
from mlops_lab.teaching.drawing.boxes import Box, draw_boxes
from mlops_lab.teaching.drawing.style import Look, state_look
from mlops_lab.teaching.drawing.words import plain

if TYPE_CHECKING:
    from mlops_lab.pipeline.dag import DAG, DagRun, Task, TaskInstance
    from mlops_lab.teaching.drawing.drawing import Drawing


_PLANNED = Look("○", "", "#f7f7f7", "#808080")  # a task outside any run has no state


def draw_dag(dag: DAG, run: DagRun | None = None, *, direction: Literal["LR", "TB"] = "LR") -> Drawing:
    """The tasks of a DAG in running order, with the states of a run where one is given.

    States have Airflow's words and each is told by mark, word, border and fill. A task that the run has no instance of
    is in state `no_status`. More than one attempt is said in the box, the reason of a state in the outline and as
    tooltip; of the params of a run those that are not the default. Reference:
    https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/tasks.html

    Args:
        dag: What to draw; tasks need no function.
        run: A run of that DAG.
        direction: "LR" from left to right, "TB" from top to bottom, as in Airflow's setting `orientation`.

    Raises:
        CycleError: the tasks wait for each other.
        InvalidData: the run is of another DAG.

    >>> from mlops_lab.pipeline.dag import DAG, Task
    >>> dag = DAG("nightly", schedule="@daily", params={"trees": 30})
    >>> train = dag.add(Task("train", retries=2))
    >>> gate = dag.add(Task("gate"), upstream=["train"])
    >>> draw_dag(dag)
    DAG nightly: 2 tasks, 1 edge
    schedule @daily (UTC); params trees=30
    <BLANKLINE>
    ○ train
        up to 2 retries
    ○ gate   ← train
    """
    if run is not None and run.dag_id != dag.dag_id:
        raise InvalidData(
            f"the run {run.run_id!r} is of DAG {run.dag_id!r}, not of {dag.dag_id!r}; draw it with its own."
        )
    instances = {each.task_id: each for each in run.task_instances} if run is not None else {}
    boxes = [
        _box(dag.tasks[task_id], instances.get(task_id), has_run=run is not None) for task_id in dag.topological_order()
    ]
    edges = dag.edges
    schedule = f"schedule {dag.schedule} ({dag.timezone})" if dag.schedule else "no schedule"
    defaults = {name: param.default for name, param in dag.params.items()}
    values = defaults if run is None else _chosen(run.params, defaults)
    params = ", ".join(f"{name}={_shown(value)}" for name, value in values.items())
    left = len(run.params) - len(values) if run is not None else 0
    params += (f" ({left:,} more as by default)" if params else "as by default") if left else ""
    about = [schedule + (f"; params {params}" if params else "")]
    title = f"DAG {dag.dag_id}: {_count(len(boxes), 'task')}, {_count(len(edges), 'edge')}"
    if run is not None:
        counts = Counter(str(each.state) for each in instances.values())
        outcome = ", ".join(f"{count} {state}" for state, count in counts.items())
        title = f"DAG {dag.dag_id}, run of {run.logical_date:%Y-%m-%d %H:%M} UTC: {run.state}"
        about.append(outcome or "no task ran")
        gone = [task_id for task_id in instances if task_id not in dag.tasks]
        about += [f"the run also had {', '.join(gone)}, which the DAG no longer has"] if gone else []
    return draw_boxes(title, boxes, edges=edges, about=about, direction=direction)


_LESSONS = {
    "01": ("build_training_set", "materialize"),
    "02": ("build_training_set", "train"),
    "03": ("evaluate", "gate"),
    "04": ("register", "approve", "promote"),
    "06": ("gate", "approve"),
    "07": ("materialize", "roll_out"),
    "08": ("build_training_set", "register", "promote", "roll_out"),
    "09": ("build_training_set", "train", "register", "evaluate", "gate", "promote"),
}


def draw_map(notebook: str) -> Drawing:
    """The eleven tasks of the flights pipeline, with those that a notebook is about lit; 00 and 05 are about all.

    >>> print(draw_map("03").title)
    You are in notebook 03: evaluate, gate
    """
    from mlops_lab.pipeline.flights import flights_pipeline

    dag = flights_pipeline()
    here = _LESSONS.get(notebook, dag.topological_order())
    named = "the whole pipeline" if len(here) == len(dag.tasks) else ", ".join(here)
    quiet, lit = Look("·", "", "#f7f7f7", "#808080"), Look("●", "here", "#cde3f2", "#0072b2", "bold")
    boxes = [Box(name, lit if name in here else quiet) for name in dag.topological_order()]
    return draw_boxes(f"You are in notebook {notebook}: {named}", boxes, edges=dag.edges)


def _box(task: Task, instance: TaskInstance | None, *, has_run: bool) -> Box:
    if not has_run:
        lines = [f"up to {_count(task.retries, 'retry')}"] if task.retries else []
        lines += [f"when {task.trigger_rule}"] if task.trigger_rule != "all_success" else []
        facts = (task.description,) if task.description else ()
        return Box(task.task_id, _PLANNED, lines=tuple(lines), facts=facts)
    if instance is None:
        return Box(task.task_id, state_look(None), state="no_status")
    tries = len(instance.attempts)
    return Box(
        task.task_id,
        state_look(instance.state),
        state=instance.state,
        remark=f"{tries} attempts" if tries > 1 else "",
        facts=(instance.why,) if instance.why else (),
    )


def _chosen(params: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """What a run was given that is not the default: what differs is not to be looked for among what does not."""
    return {name: value for name, value in params.items() if name not in defaults or defaults[name] != value}


def _shown(value: object) -> str:
    return plain(value) if isinstance(value, str | int | float | bool) or value is None else "required"


def _count(number: int, thing: str) -> str:
    plural = thing.removesuffix("y") + "ies" if thing.endswith("y") else thing + "s"
    return f"{number:,} {thing if number == 1 else plural}"
