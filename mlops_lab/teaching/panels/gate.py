"""The gate panel: what it takes to get through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.base.errors import InvalidData, NotAllowed
from mlops_lab.models.gates import (
    FirstModel,
    Floor,
    GatePolicy,
    Measured,
    NoWorseThanChampion,
    Rule,
    SliceFloor,
    evaluate_gates,
)
from mlops_lab.models.registry import GateReport, ModelVersion
from mlops_lab.pipeline.dag import DAG, DagRun, Task, run_dag
from mlops_lab.pipeline.flights import FLIGHTS_POLICY, MODEL_NAME
from mlops_lab.teaching.drawing import draw_dag
from mlops_lab.teaching.panels.controls import RangeInput, choice, switch
from mlops_lab.teaching.panels.panel import Panel, State
from mlops_lab.teaching.panels.svg import drawn
from mlops_lab.teaching.panels.view import View

_FIGURE = "served.roc_auc"
_MEASURED, _MISSING, _NAN = "is measured", "is missing", "is NaN"
_AT = parse_utc("2014-01-01")
_SLIDERS: Mapping[str, tuple[type[Any], str, str, float, float, float]] = {
    "floor": (Floor, _FIGURE, "floor", 0.5, 0.9, 0.005),
    "slice_floor": (SliceFloor, _FIGURE, "slice floor", 0.5, 0.9, 0.005),
    "margin": (NoWorseThanChampion, _FIGURE, "margin (AUC)", 0.0, 0.05, 0.001),
    "brier_margin": (NoWorseThanChampion, "served.brier", "margin (Brier)", 0.0, 0.05, 0.001),
}
"""Which rule's bound each slider moves: kind and metric of the rule, its label, from, to and step."""


class GatePanel(Panel):
    """Move the bounds of a policy and see the verdict, the run of the pipeline, and the reason of every rule.

    The verdict is `evaluate_gates`'s on figures that were measured before, and the states are those of a real `run_dag`
    whose gate raises when the report did not pass. Nothing is trained while a control moves.

    Args:
        measured: what was measured, by the name of the model.
        policy: the demands; there is a slider for the floor, the slice floor and the margins to the champion that it
            has, and every other rule of it stays as it is.

    Raises:
        InvalidData: nothing was measured.

    >>> honest = Measured({"offline.roc_auc": 0.70, "served.roc_auc": 0.70})
    >>> leaking = Measured({"offline.roc_auc": 0.89, "served.roc_auc": 0.69})
    >>> from mlops_lab.models.gates import ServedSkew
    >>> policy = GatePolicy([Floor("served.roc_auc", 0.66), ServedSkew("roc_auc", 0.02)])
    >>> panel = GatePanel({"as_known": honest, "daily_averages": leaking}, policy=policy)
    >>> panel
    The evaluation gate: ✓ the gate passed: all 2 rules hold
    >>> panel.set(floor=0.75)
    >>> print(panel.view.line)
    the gate refused: 1 of 2 rules failed. First, floor: served.roc_auc is 0.700, below the floor of 0.750.
    >>> panel.run.states["promote"]
    'upstream_failed'
    >>> panel.set(floor=0.5, model="daily_averages")
    >>> panel.report.failures[0].rule
    'served_skew'
    """

    title: ClassVar[str] = "The evaluation gate"

    def __init__(self, measured: Mapping[str, Measured], *, policy: GatePolicy = FLIGHTS_POLICY) -> None:
        if not measured:
            raise InvalidData("there is nothing to judge: give at least one Measured with the name of its model.")
        self._measured = dict(measured)
        self._policy = policy
        first = next(iter(self._measured))
        controls: dict[str, Any] = {
            "model": choice("model", list(self._measured), first),
            "served_auc": choice("served AUC", [_MEASURED, _MISSING, _NAN], _MEASURED),
        }
        for name, (kind, metric, label, low, high, step) in _SLIDERS.items():
            bounds = [_bound(rule) for rule in policy.rules if isinstance(rule, kind) and rule.metric == metric]
            if bounds:  # a slider that moves nothing would teach that its rule does not matter
                controls[name] = RangeInput(label=label, low=low, high=high, step=step, value=bounds[0])
        super().__init__(controls | {"first_model": switch("there is no champion yet")})

    def policy(self, state: State) -> GatePolicy:
        """The policy with the bounds of a state."""
        return GatePolicy([_moved(rule, state) for rule in self._policy.rules])

    def judge(self, state: State) -> GateReport:
        """The gate's report for a state."""
        measured = self._measured[state["model"]]
        if state["served_auc"] != _MEASURED:
            figures = {name: value for name, value in measured.metrics.items() if name != _FIGURE}
            figures |= {_FIGURE: float("nan")} if state["served_auc"] == _NAN else {}
            measured = replace(measured, metrics=figures)
        champion = None if state["first_model"] or measured.champion is None else _version(1, "Production")
        challenger = _version(2 if champion else 1, "None")
        at = measured.data.at if measured.data else _AT
        return evaluate_gates(challenger, champion, self.policy(state), measured=measured, at=at)

    @property
    def report(self) -> GateReport:
        """The gate's report for the controls as they are."""
        return self.judge(self.state)

    @property
    def run(self) -> DagRun:
        """The run of the pipeline for the controls as they are."""
        return run_pipeline(self.report)[1]

    def render(self, state: State) -> View:
        """The verdict, the run with its gate red or green, and a reason for every rule."""
        report = self.judge(state)
        dag, run = run_pipeline(report)
        told = ", ".join(f"{task_id} {found}" for task_id, found in run.states.items())
        line = f"the gate passed: all {len(report.results)} rules hold"
        if not report.passed:
            first = report.failures[0]
            count = f"{len(report.failures)} of {len(report.results)} rules"
            line = f"the gate refused: {count} failed. First, {first.rule}: {first.sentence}"
        words = f"{report.table()}\ntasks: {told}"
        return View(line, "success" if report.passed else "failed", drawn(draw_dag(dag, run)), words)


def _bound(rule: Any) -> float:
    return float(rule.margin if isinstance(rule, NoWorseThanChampion) else rule.bound)


def _moved(rule: Rule, state: State) -> Rule:
    """The rule with the bound of its slider; the demand on a first model moves with the floor."""
    for name, (kind, metric, *_) in _SLIDERS.items():
        if name in state and isinstance(rule, kind) and rule.metric == metric:
            bound = {"margin" if isinstance(rule, NoWorseThanChampion) else "bound": state[name]}
            return cast(Rule, replace(cast(Any, rule), **bound))
    if "floor" in state and isinstance(rule, FirstModel) and rule.metric == _FIGURE:
        return replace(rule, bound=state["floor"])
    return rule


def _version(number: int, stage: str) -> ModelVersion:
    """A version to put a name to; the verdict does not depend on it."""
    return ModelVersion(
        name=MODEL_NAME,
        version=number,
        run_id=f"run-{number}",
        artifact=f"sha256:{number:064d}",
        stage=stage,
        aliases=("champion",) if stage == "Production" else (),
        tags={},
        author="pipeline",
        created=_AT,
        description="",
    )


def run_pipeline(report: GateReport) -> tuple[DAG, DagRun]:
    """A real run of the pipeline's shape, in which everything but the gate is done already."""

    def gate() -> int:
        if not report.passed:
            raise NotAllowed(" ".join(result.sentence for result in report.failures))
        return len(report.results)

    dag = DAG("flights")
    upstream: list[str] = []
    for task_id, does in (
        ("train", _done),
        ("evaluate", _done),
        ("gate", gate),
        ("promote", _done),
        ("roll_out", _done),
    ):
        dag.add(Task(task_id, does), upstream=upstream)
        upstream = [task_id]
    return dag, run_dag(dag, logical_date=report.evaluated_at, clock=FakeClock(report.evaluated_at))


def _done() -> None:
    """What was made before the panel was shown is not made again."""
