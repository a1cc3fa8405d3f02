"""In which order do the jobs of a workflow run, and which do not run at all?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.ci.evaluation import Evaluator, evaluating
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value, to_number, to_text
from mlops_lab.ci.legs import Leg
from mlops_lab.ci.matrix import MatrixLeg, matrix_legs
from mlops_lab.ci.run_state import RunState
from mlops_lab.ci.scheduling import Process, Task, Wait
from mlops_lab.ci.workflow import Concurrency, Job, Workflow

__all__ = ["JobGraph"]


@dataclass
class _JobState:
    job: Job
    task: Task | None = None
    legs: list[Leg] = field(default_factory=list)
    finished: list[Leg] = field(default_factory=list)
    result: str | None = None
    reason: str = ""
    story: set[str | None] = field(default_factory=set)
    outputs: dict[str, str] = field(default_factory=dict)
    parallel: float = float("inf")
    fail_fast: bool = True


class JobGraph:
    """The jobs of one workflow as they happen: of the run's own, or of one that a job calls."""

    def __init__(
        self, state: RunState, workflow: Workflow, *, github: Mapping[str, Value], inputs: Mapping[str, Value],
        secrets: Mapping[str, str], caller: Leg | None = None, level: int = 0,
    ) -> None:  # fmt: skip
        self.state = state
        self.workflow = workflow
        self.secrets = dict(secrets)
        self.caller = caller
        self.prefix = f"{caller.name} / " if caller is not None else ""
        self.level = level
        self.contexts: dict[str, Value] = {
            "github": dict(github),
            "inputs": dict(inputs),
            "vars": dict(state.variables),
        }
        self.jobs = {name: _JobState(job) for name, job in workflow.jobs.items()}
        self.levels = {name: number for number, names in enumerate(workflow.levels()) for name in names}
        self.needing: dict[str, list[str]] = {}
        for job in workflow.jobs.values():
            for needed in job.needs:
                self.needing.setdefault(needed, []).append(job.id)
        self.open = len(self.jobs)
        self.cancelled = ""
        self.own_groups: list[str] = []

    def start(self) -> None:
        """Start all jobs; those that need others wait."""
        for state in self.jobs.values():
            state.task = self.state.scheduler.start(self._process(state))

    @property
    def is_done(self) -> bool:
        """Are all jobs completed?"""
        return self.open == 0

    # -- one job --------------------------------------------------------------------------------------------------

    def _process(self, state: _JobState) -> Process:
        job = state.job
        while any(self.jobs[needed].result is None for needed in job.needs):
            yield Wait()
        state.story = self._story(job)
        contexts = {**self.contexts, "needs": self.needs_of(job.needs)}
        evaluate = Evaluator(self.workflow.file, workspace=None, on_reference=lambda _: None)
        try:
            with evaluating("if", job.id):
                wanted = evaluate.condition(job.condition, contexts, self._status(job))
            if not wanted:
                by_itself = self._status(job) == "success" or evaluate.looks_past_status(job.condition, contexts)
                why = f"if: {job.condition.word.strip()}" if job.condition is not None and by_itself else ""
                self._end(state, "skipped", why or self._why_not(job))
                return
            self._expand(state, evaluate, contexts)
        except ExpressionError as error:
            self._end(state, "failure", str(error) + self._unknown(job, evaluate, contexts))
            return
        except MlopsLabError as error:
            line = f"{self.workflow.file} (Line: {job.line}, Col: {job.column})"
            self._end(state, "failure", f"Error when evaluating 'strategy' for job '{job.id}'. {line}: {error}")
            return
        for leg in state.legs:
            leg.task = self.state.scheduler.start(leg.process())
        while len(state.finished) < len(state.legs):
            yield Wait()
        results = [leg.result for leg in state.legs]
        result = next((word for word in ("failure", "cancelled", "success") if word in results), "skipped")
        for leg in state.finished:  # the last one to finish has the last word
            state.outputs.update({name: value for name, value in leg.outputs.items() if value})
        state.outputs = {**dict.fromkeys(state.legs[-1].outputs, ""), **state.outputs}
        self._end(state, result, "")

    def _unknown(self, job: Job, evaluate: Evaluator, contexts: Mapping[str, Value]) -> str:
        """Which outputs a matrix reads that nobody knows when nothing is executed, and how to tell them."""
        told = []
        for path in evaluate.paths_below(job.strategy.matrix, contexts):
            needed = next((name for name in job.needs if path[:3] == ("needs", name.lower(), "outputs")), None)
            if needed is None or len(path) < 4 or self.state.performer.real or self.jobs[needed].outputs.get(path[3]):
                continue
            node = self.jobs[needed].job.outputs.get(path[3])
            steps: dict[str, Value] = {name: {} for name in ("steps", *contexts)}
            for step in evaluate.paths(node, steps):
                if len(step) == 4 and step[0] == "steps":
                    told.append(f"--output {needed}/{step[1]}.{step[3]}='[1, 2]'")
        return f" {' '.join(told)} would say it: nothing was executed, so that nobody knows this output" if told else ""

    def _expand(self, state: _JobState, evaluate: Evaluator, contexts: Mapping[str, Value]) -> None:
        with evaluating("strategy", state.job.id):
            strategy = self._strategy(state.job, evaluate, contexts)
        legs = [MatrixLeg({}, "")]
        if "matrix" in strategy:
            matrix = strategy["matrix"]
            if not isinstance(matrix, Mapping):
                raise ExpressionError("evaluation", f"the matrix must be a mapping; it is '{to_text(matrix)}'")
            legs = matrix_legs(matrix) or legs  # where all are excluded, GitHub runs the job once, without a matrix
        state.fail_fast = to_text(strategy.get("fail-fast")).lower() != "false"
        most = to_number(strategy.get("max-parallel"))
        state.parallel = most if most >= 1 else float("inf")
        for index, leg in enumerate(legs):
            own: dict[str, Value] = {
                **contexts,
                "matrix": leg.values,
                "strategy": {
                    "fail-fast": state.fail_fast,
                    "job-index": index,
                    "job-total": len(legs),
                    "max-parallel": int(most) if most >= 1 else len(legs),
                },
            }
            state.legs.append(Leg(self, state.job, own, suffix=leg.title, unique=str(index + 1)))

    @staticmethod
    def _strategy(job: Job, evaluate: Evaluator, contexts: Mapping[str, Value]) -> Mapping[str, Value]:
        node = job.strategy
        if not node.whole:
            parts = {"matrix": node.matrix, "fail-fast": node.fail_fast, "max-parallel": node.max_parallel}
            return {name: evaluate.value(part, contexts) for name, part in parts.items() if part is not None}
        value = evaluate.value(node.matrix, contexts)
        if not isinstance(value, Mapping):
            raise ExpressionError("evaluation", f"the strategy must be a mapping; it is '{to_text(value)}'")
        return value

    def _end(self, state: _JobState, result: str, why: str) -> None:
        state.result, state.reason = result, why
        self.open -= 1
        if not state.legs:
            self.state.moment(self.prefix + self.title_of(state.job), result, why)
        for name in self.needing.get(state.job.id, ()):
            if (task := self.jobs[name].task) is not None:
                self.state.scheduler.wake(task)
        if self.is_done and self.caller is not None:
            self.caller.wake()

    def title_of(self, job: Job) -> str:
        """A job's name before it has legs."""
        return job.id if job.name is None or "${{" in job.name.word else job.name.word

    def needs_of(self, names: Sequence[str]) -> dict[str, Value]:
        """Results and outputs of jobs, as `needs` and `jobs` show them."""
        return {
            name: {"result": self.jobs[name].result or "", "outputs": dict(self.jobs[name].outputs)} for name in names
        }

    def level_of(self, job: Job) -> int:
        """How far down a job is, counted through the callers."""
        return self.level + self.levels[job.id]

    def _ancestors(self, job: Job) -> list[_JobState]:
        """All jobs on the ways up: `success()` looks at every one of them, not only at the nearest."""
        names: dict[str, None] = {}
        queue = list(job.needs)
        while queue:
            name = queue.pop(0)
            if name not in names:
                names[name] = None
                queue += self.jobs[name].job.needs
        return [self.jobs[name] for name in names]

    def _story(self, job: Job) -> set[str | None]:
        """The results of all ancestors; each job hands on what it has seen."""
        parents = [self.jobs[name] for name in job.needs]
        return {parent.result for parent in parents}.union(*(parent.story for parent in parents))

    def _status(self, job: Job) -> str:
        if self.state.cancelled or self.cancelled:
            return "cancelled"
        results = self._story(job)
        if "failure" in results:
            return "failure"
        return "success" if results <= {"success"} else "skipped"

    def _why_not(self, job: Job) -> str:
        if cancelled := self.state.cancelled or self.cancelled:
            return cancelled
        bad = [f"{state.job.id} ({state.result})" for state in self._ancestors(job) if state.result != "success"]
        return f"needs {', '.join(bad)}"

    # -- what legs ask --------------------------------------------------------------------------------------------

    def may_start(self, leg: Leg) -> bool:
        """Is there a place for it under `max-parallel`?"""
        state = self.jobs[leg.job.id]
        busy = [other for other in state.legs if other is not leg and other.has_place and other.conclusion is None]
        leg.has_place = len(busy) < state.parallel
        return leg.has_place

    def completed(self, leg: Leg) -> None:
        """A leg is done: the others may get its place, or have to stop."""
        state = self.jobs[leg.job.id]
        state.finished.append(leg)
        if leg.conclusion == "failure" and state.fail_fast and not leg.forgiving:
            for other in state.legs:
                other.cancel(f'The strategy configuration was canceled because "{leg.name}" failed')
        for other in state.legs:
            if other.status == "queued":
                other.wake()
        if state.task is not None and len(state.finished) == len(state.legs):
            self.state.scheduler.wake(state.task)

    def groups_of(self, job: Job) -> list[tuple[Concurrency, Workflow | None]]:
        """The concurrency groups that a job has to enter: its own, and that of the workflow it calls, with it."""
        callee = self.workflow.called.get(job.uses) if job.uses else None
        found = [(job.concurrency, None), (callee.concurrency if callee is not None else None, callee)]
        return [(concurrency, named) for concurrency, named in found if concurrency is not None]

    def held_above(self, group: str) -> str:
        """Who, on the way up from here, already holds that group, and so can never let it go."""
        graph: JobGraph | None = self
        while graph is not None:
            if group.lower() in (held.lower() for held in graph.own_groups):
                return "top level workflow"
            if graph.caller is not None and group.lower() in (held.lower() for held in graph.caller.groups):
                return graph.caller.name
            graph = graph.caller.graph if graph.caller is not None else None
        return ""

    def cancel(self, why: str) -> None:
        """Cancel the jobs of a called workflow."""
        self.cancelled = why
        for state in self.jobs.values():
            for leg in state.legs:
                leg.cancel(why)

    def result(self) -> str:
        """What the jobs together come to."""
        results = [state.result for state in self.jobs.values()]
        return next((word for word in ("failure", "cancelled", "success") if word in results), "skipped")
