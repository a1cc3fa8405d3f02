"""The jobs of a workflow as they run: who waits, who is skipped, what becomes of all."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.ci.evaluation import Evaluator, evaluating
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value, to_number, to_text
from mlops_lab.ci.matrix import Combination, combinations
from mlops_lab.ci.matrix_job import MatrixJob
from mlops_lab.ci.results import JobRun
from mlops_lab.ci.run_state import Process, RunState, Task, Wait
from mlops_lab.ci.workflow import Job, Workflow

__all__ = ["JobGraph", "records_of"]

_TOLD = 5  # jobs that are named as the reason for a skip


@dataclass
class _JobState:
    job: Job
    task: Task | None = None
    runs: list[MatrixJob] = field(default_factory=list)
    finished: list[MatrixJob] = field(default_factory=list)
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
        secrets: Mapping[str, str], caller: MatrixJob | None = None, level: int = 0, above: JobGraph | None = None,
    ) -> None:  # fmt: skip
        self.state = state
        self.workflow = workflow
        self.secrets = dict(secrets)
        self.caller = caller
        self.prefix = f"{caller.name} / " if caller is not None else ""
        self.level = level
        self.above = above
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
        evaluate = Evaluator(
            self.workflow.file, on_reference=lambda path: self.state.read(path, self.contexts["github"])
        )
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
        for run in state.runs:
            run.task = self.state.scheduler.start(run.process())
        while len(state.finished) < len(state.runs):
            yield Wait()
        results = [run.result for run in state.runs]
        result = next((word for word in ("failure", "cancelled", "success") if word in results), "skipped")
        for run in state.finished:  # the last one to finish has the last word
            state.outputs.update({name: value for name, value in run.outputs.items() if value})
        state.outputs = {**dict.fromkeys(state.runs[-1].outputs, ""), **state.outputs}
        self._end(state, result, "")

    def _unknown(self, job: Job, evaluate: Evaluator, contexts: Mapping[str, Value]) -> str:
        """Which outputs an `if` or a matrix reads that nobody knows when nothing is executed, and how to tell them."""
        told = []
        read = dict.fromkeys(evaluate.paths(job.condition, contexts), "{}")
        for path, example in (
            read | dict.fromkeys(evaluate.paths_below(job.strategy.matrix, contexts), "[1, 2]")
        ).items():
            needed = next((name for name in job.needs if path[:3] == ("needs", name.lower(), "outputs")), None)
            if needed is None or len(path) < 4 or self.state.runner.real or self.jobs[needed].outputs.get(path[3]):
                continue
            node = self.jobs[needed].job.outputs.get(path[3])
            steps: dict[str, Value] = {name: {} for name in ("steps", *contexts)}
            for step in evaluate.paths(node, steps):
                if len(step) == 4 and step[0] == "steps":
                    told.append(f"--output {needed}/{step[1]}.{step[3]}='{example}'")
        return f". Say it with {' '.join(told)}: nothing was executed, so nobody knows this output" if told else ""

    def _expand(self, state: _JobState, evaluate: Evaluator, contexts: Mapping[str, Value]) -> None:
        with evaluating("strategy", state.job.id):
            strategy = self._strategy(state.job, evaluate, contexts)
        made = [Combination({}, "")]
        if "matrix" in strategy:
            matrix = strategy["matrix"]
            if not isinstance(matrix, Mapping):
                raise ExpressionError("evaluation", f"the matrix must be a mapping; it is '{to_text(matrix)}'")
            made = combinations(matrix) or made  # where all are excluded, GitHub runs the job once, without a matrix
        state.fail_fast = to_text(strategy.get("fail-fast")).lower() != "false"
        most = to_number(strategy.get("max-parallel"))
        state.parallel = most if most >= 1 else float("inf")
        for index, one in enumerate(made):
            own: dict[str, Value] = {
                **contexts,
                "matrix": one.values,
                "strategy": {
                    "fail-fast": state.fail_fast,
                    "job-index": index,
                    "job-total": len(made),
                    "max-parallel": int(most) if most >= 1 else len(made),
                },
            }
            state.runs.append(MatrixJob(self, state.job, own, suffix=one.title, unique=str(index + 1)))

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
        if not state.runs:
            self.state.moment(self.prefix + self.title_of(state.job), result, why)
        for name in self.needing.get(state.job.id, ()):
            if (task := self.jobs[name].task) is not None:
                self.state.scheduler.wake(task)
        if self.is_done and self.caller is not None:
            self.caller.wake()

    def title_of(self, job: Job) -> str:
        """A job's name before its matrix is known."""
        return job.id if job.name is None or "${{" in job.name.word else job.name.word

    def needs_of(self, names: Sequence[str]) -> dict[str, Value]:
        """Results and outputs of jobs, as `needs` and `jobs` show them."""
        return {
            name: {"result": self.jobs[name].result or "", "outputs": dict(self.jobs[name].outputs)} for name in names
        }

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
        bad: list[str] = []
        names = deque(dict.fromkeys(job.needs))
        seen = set(names)
        while names and len(bad) <= _TOLD:  # on all ways up, the nearest first
            state = self.jobs[names.popleft()]
            bad += [f"{state.job.id} ({state.result})"] if state.result != "success" else []
            names += [name for name in state.job.needs if name not in seen]
            seen.update(state.job.needs)
        return f"needs {', '.join(bad[:_TOLD])}{' and more' if len(bad) > _TOLD else ''}"

    # -- what jobs ask --------------------------------------------------------------------------------------------

    def may_start(self, job: MatrixJob) -> bool:
        """Is there a place for it under `max-parallel`?"""
        state = self.jobs[job.definition.id]
        if state.parallel == float("inf"):
            return True
        busy = [other for other in state.runs if other is not job and other.has_place and other.conclusion is None]
        job.has_place = len(busy) < state.parallel
        return job.has_place

    def completed(self, job: MatrixJob) -> None:
        """A job is done: the others may get its place, or have to stop."""
        state = self.jobs[job.definition.id]
        state.finished.append(job)
        if job.conclusion == "failure" and state.fail_fast and not job.forgiving:
            for other in state.runs:
                other.cancel(f'The strategy configuration was canceled because "{job.name}" failed')
        for other in state.runs:
            if other.status == "queued":
                other.wake()
        if state.task is not None and len(state.finished) == len(state.runs):
            self.state.scheduler.wake(state.task)

    def call(self, job: MatrixJob, callee: Workflow) -> JobGraph:
        """Start the jobs of the workflow that a job calls, with the inputs and secrets it passes.

        The caller's `env` is not passed, and `github` is the caller's.

        Raises:
            ExpressionError: an input with a value it cannot have.
        """
        known = job.contexts_of_call(callee)
        github, inputs = known["github"], known["inputs"]
        graph = JobGraph(
            self.state,
            callee,
            github=github if isinstance(github, Mapping) else {},
            inputs=inputs if isinstance(inputs, dict) else {},
            secrets=job.secrets_of_call(),
            caller=job,
            level=self.level + self.levels[job.definition.id],
            above=self,
        )
        graph.start()
        return graph

    def outputs(self) -> dict[str, str]:
        """The outputs of `on.workflow_call`, from the `jobs` context."""
        event = self.workflow.events.get("workflow_call")
        if event is None:
            return {}
        jobs: dict[str, Value] = self.needs_of(list(self.jobs))
        return Evaluator(self.workflow.file).texts(event.outputs, {**self.contexts, "jobs": jobs})

    def held_above(self, group: str) -> str:
        """Who, on the way up from here, already holds that group, and so can never let it go."""
        graph: JobGraph | None = self
        while graph is not None:
            if group.lower() in (held.lower() for held in graph.own_groups):
                return "top level workflow"
            if graph.caller is not None and group.lower() in (held.lower() for held in graph.caller.groups):
                return graph.caller.name
            graph = graph.above
        return ""

    def cancel(self, why: str) -> None:
        """Cancel the jobs of a called workflow."""
        self.cancelled = why
        for state in self.jobs.values():
            for run in state.runs:
                run.cancel(why)

    def result(self) -> str:
        """What the jobs together come to."""
        results = [state.result for state in self.jobs.values()]
        return next((word for word in ("failure", "cancelled", "success") if word in results), "skipped")


def records_of(graph: JobGraph) -> list[JobRun]:
    """All jobs as values, level by level; a called workflow's jobs behind the one that calls them."""
    found: list[JobRun] = []
    for name in sorted(graph.jobs, key=lambda name: graph.levels[name]):
        state = graph.jobs[name]
        level = graph.level + graph.levels[name]
        needs = tuple(one for needed in state.job.needs for one in _names(graph, needed))
        if not state.runs:
            status = "completed" if state.result is not None else "queued"
            title = graph.prefix + graph.title_of(state.job)
            found.append(JobRun(name, title, status, state.result, state.result, state.reason, needs, level=level))
        for run in state.runs:
            found.append(_record(run, level, needs))
            if isinstance(run.called, JobGraph):
                found += records_of(run.called)
    return found


def _names(graph: JobGraph, name: str) -> list[str]:
    state = graph.jobs[name]
    return [run.name for run in state.runs] or [graph.prefix + graph.title_of(state.job)]


def _record(run: MatrixJob, level: int, needs: tuple[str, ...]) -> JobRun:
    matrix = run.contexts.get("matrix")
    return JobRun(
        id=run.definition.id,
        name=run.name,
        status=run.status,
        conclusion=run.conclusion,
        result=run.result,
        reason=run.reason,
        needs=needs,
        matrix=dict(matrix) if isinstance(matrix, Mapping) else {},
        environment=run.environment,
        outputs=run.outputs,
        steps=run.steps,
        runs_on=run.runs_on,
        level=level,
        started=run.started,
        ended=run.ended,
    )
