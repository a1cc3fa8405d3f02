"""The jobs of a workflow as they run: from queued to completed, who waits for whom, what becomes of all."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.ci.evaluation import Evaluator, evaluating
from mlops_lab.ci.expressions import ExpressionError
from mlops_lab.ci.expressions.values import Value, to_number, to_text
from mlops_lab.ci.matrix import Combination, combinations
from mlops_lab.ci.results import JobRun, StepRun
from mlops_lab.ci.run_state import Process, RunState, Sleep, Task, Wait, refused_branch
from mlops_lab.ci.steps import RunningJob, Scope, run_steps
from mlops_lab.ci.trigger import called_inputs
from mlops_lab.ci.workflow import Concurrency, Job, Workflow

_LONGEST_NAME = 100
_INTEL = ("-intel", "-large", "macos-13", "macos-12")  # GitHub's other machines with macOS have ARM
_SYSTEMS = (("windows", "Windows"), ("macos", "macOS"))


def _runner(labels: str, temp: str) -> dict[str, Value]:
    """The `runner` context of a machine of GitHub's with those labels."""
    words = labels.lower()
    system = next((name for word, name in _SYSTEMS if word in words), "Linux")
    is_own = "self-hosted" in words
    is_arm = "arm" in words or (system == "macOS" and not is_own and not any(word in words for word in _INTEL))
    return {
        "name": "Hosted Agent",
        "os": system,
        "arch": "ARM64" if is_arm else "X64",
        "temp": temp,
        "tool_cache": "/opt/hostedtoolcache",
        "environment": "self-hosted" if is_own else "github-hosted",
        "debug": "",
    }


class MatrixJob(RunningJob):
    """One job as it happens."""

    def __init__(
        self, graph: JobGraph, definition: Job, contexts: Mapping[str, Value], *, suffix: str, unique: str
    ) -> None:
        with evaluating("name", definition.id):
            named = Evaluator(graph.workflow.file).text(definition.name, contexts) or definition.id
        plain = definition.name is None or "${{" not in definition.name.word
        whole = f"{named} ({suffix})" if suffix and plain else named
        name = graph.prefix + (whole[:97] + "..." if plain and len(whole) > _LONGEST_NAME else whole)
        name += f" [{unique}]" if name in graph.state.jobs else ""
        super().__init__(name, definition, graph.workflow, graph.state, contexts=contexts, secrets=graph.secrets)
        self.graph = graph
        self.evaluate = self.evaluator(self.workflow.file, set)
        self.result: str | None = None
        self.reason = ""
        self.forgiving = False
        self.has_place = False
        self.started: datetime | None = None
        self.ended: datetime | None = None
        self.environment = ""
        self.groups: list[str] = []
        self.outputs: dict[str, str] = {}
        self.steps: tuple[StepRun, ...] = ()
        self.called: JobGraph | None = None
        self.state.jobs[self.name] = self

    # -- its own life ---------------------------------------------------------------------------------------------

    def process(self) -> Process:
        """From queued to completed."""
        self.state.moment(self.name, "queued")
        try:
            while not self.cancelled and not self.graph.may_start(self):
                yield Wait()
            yield from self._live()
        except ExpressionError as error:
            self.reason = str(error)
            self.conclusion = "failure"
        self._finish()

    def _live(self) -> Process:
        if self.cancelled:
            return
        self._prepare()
        yield from self._enter_groups()
        refused = "" if self._is_cancelled() else (yield from self._enter_environment())
        if refused:
            self.reason, self.conclusion = refused, "failure"
        if refused or self._is_cancelled():
            return
        self.status, self.started = "in_progress", self.now
        self.deadline = self.now + timedelta(minutes=self.minutes)
        self.state.moment(self.name, "started")
        yield from self._call() if self.definition.uses is not None else self._run()

    def _is_cancelled(self) -> bool:
        return bool(self.cancelled)

    def _prepare(self) -> None:
        evaluate, contexts, job = self.evaluate, self.contexts, self.definition
        with evaluating("runs-on", job.id):
            runs_on = evaluate.value(job.runs_on, contexts)
        if isinstance(runs_on, Mapping):
            runs_on = runs_on.get("labels") or runs_on.get("group")
        self.runs_on = ", ".join(map(to_text, runs_on)) if isinstance(runs_on, list) else to_text(runs_on)
        with evaluating("continue-on-error", job.id):
            self.forgiving = evaluate.text(job.continue_on_error, contexts).lower() == "true"
        if job.timeout_minutes is not None:
            with evaluating("timeout-minutes", job.id):
                self.minutes = evaluate.minutes(job.timeout_minutes, contexts)
        with evaluating("environment", job.id):
            self.environment = evaluate.text(job.environment, contexts)
        for key in job.unmodelled:
            self.note(f"'{key}' is read and checked, and not simulated")

    def _groups(self) -> list[tuple[Concurrency, Workflow | None]]:
        """The concurrency groups that it has to enter: its own, and that of the workflow it calls, with it."""
        callee = self.workflow.called.get(self.definition.uses or "")
        found = [(self.definition.concurrency, None), (callee.concurrency if callee is not None else None, callee)]
        return [(concurrency, named) for concurrency, named in found if concurrency is not None]

    def _enter_groups(self) -> Process:
        """Enter the concurrency groups of the job, waiting for its turn; a deadlock cancels it."""
        groups = self.state.groups
        for concurrency, callee in self._groups():
            contexts = self.contexts if callee is None else self.contexts_of_call(callee)
            with evaluating("concurrency", self.definition.id):
                group, cancel, queue = self.evaluate.concurrency(concurrency, contexts)
            holder = self.graph.held_above(group)
            if holder:
                self.cancelled = (
                    f"Canceling since a deadlock for concurrency group '{group}' was detected "
                    f"between '{holder}' and '{self.name}'"
                )
                return
            if not groups.enter(group, self.name, cancel_in_progress=cancel, queue=queue):
                self.status = "pending"
                self.state.moment(self.name, "pending", f"behind {groups.running(group)} in group '{group}'")
            self.groups.append(group)
            while not self.cancelled and groups.running(group) != self.name:
                yield Wait()

    def _enter_environment(self) -> Generator[Sleep | Wait, None, str]:
        """Wait for reviewers and timer; the result says why it may not enter, and is empty when it may."""
        if not self.environment:
            return ""
        environment = self.state.environments.get(self.environment.lower())
        if environment is None:
            self.note(f"the environment {self.environment!r} was not described; it was taken as unprotected")
            return ""
        if refused := refused_branch(environment, self.state.trigger.executing_ref):
            return refused
        self.asked_at = self.now
        ready = self.now + timedelta(minutes=environment.wait_timer)
        if environment.reviewers or environment.wait_timer:
            self.status = "waiting"
            reviewers = [f"a review by one of {', '.join(environment.reviewers)}"] if environment.reviewers else []
            timer = [f"{environment.wait_timer:g} minutes"] if environment.wait_timer else []
            self.reason = f"{environment.name} asks for {' and '.join(reviewers + timer)}"
            self.state.moment(self.name, "waiting", self.reason)
        if environment.reviewers:
            self.state.reviews.ask(self, environment)
            while not self.cancelled and not self.decision[0]:
                yield Wait()
        if self.decision[0] in ("rejected", "expired"):
            return f"rejected {self.decision[1]}" if self.decision[0] == "rejected" else self.decision[1]
        while self.now < ready and not self.cancelled:
            yield Sleep((ready - self.now) / timedelta(seconds=1))
        self.reason = ""
        self.secrets.update({} if self.state.trigger.is_untrusted else environment.secrets)
        variables = self.contexts.get("vars")
        self.contexts["vars"] = {**(variables if isinstance(variables, Mapping) else {}), **environment.variables}
        return ""

    def _run(self) -> Process:
        known = self.contexts.get("github")
        github = known if isinstance(known, Mapping) else {}
        workspace, temp = self.state.runner.places(self.name, to_text(github.get("repository")))
        contexts: dict[str, Value] = {
            **self.contexts,
            "github": {**github, "job": self.definition.id, "workspace": workspace},
            "secrets": {"GITHUB_TOKEN": "***", **self.secrets},
            "job": {"status": "success", "container": {}, "services": {}},
            "runner": _runner(self.runs_on, temp),
        }
        scope = Scope(
            self.evaluator(self.workflow.file, lambda: scope.unknown),
            contexts,
            {},
            defaults=(self.definition.defaults, self.workflow.defaults),
        )
        for layer in (self.workflow.env, self.definition.env):
            scope.env.update(scope.evaluator.texts(layer, contexts))
        self.steps = yield from run_steps(self, self.definition.steps, scope)
        self.conclusion = "cancelled" if self.cancelled else scope.status
        self.reason = self.cancelled or next(
            (run.reason for run in self.steps if run.conclusion == "failure" and run.reason), ""
        )
        everything = {**scope.all(), "job": {"status": self.conclusion}}
        for name, value in scope.evaluator.texts(self.definition.outputs, everything).items():
            if self.state.runner.conceals(value) or any(one and one in value for one in self.secrets.values()):
                self.note(f"Skip output '{name}' since it may contain secret.")
            else:
                self.outputs[name] = value

    def _call(self) -> Process:
        callee = self.workflow.called.get(self.definition.uses or "")
        if callee is None:
            outcome = self.state.runner.of_job([self.name, self.definition.id])
            self.note(f"{self.definition.uses} is of another repository; its jobs are not known")
            self.conclusion = outcome.conclusion if outcome else "success"
            self.outputs = dict(outcome.outputs) if outcome else {}
            yield Sleep(outcome.seconds if outcome else 1.0)
            return
        self.called = self.graph.call(self, callee)
        self.cancel_called = self.called.cancel
        while not self.called.is_done:
            yield Wait()
        self.conclusion = self.called.result()
        self.outputs = self.called.outputs()

    def contexts_of_call(self, callee: Workflow) -> dict[str, Value]:
        """What the called workflow sees at its top, in its concurrency group for one: its own inputs, not the caller's.

        Raises:
            ExpressionError: an input with a value it cannot have.
        """
        contexts = {**self.contexts, "secrets": {"GITHUB_TOKEN": "***", **self.secrets}}
        given = {name: self.evaluate.value(node, contexts) for name, node in self.definition.arguments.items()}
        evaluate = self.evaluator(callee.file, set)
        outer = self.graph.contexts
        known: dict[str, Value] = {"github": outer["github"], "vars": outer["vars"], "inputs": {}}
        declared = callee.events["workflow_call"].inputs
        try:
            known["inputs"] = called_inputs(declared, given, lambda node: evaluate.value(node, known))
        except MlopsLabError as error:
            raise ExpressionError("evaluation", str(error)) from None
        return known

    def secrets_of_call(self) -> dict[str, str]:
        """The secrets that it passes to the workflow it calls."""
        if self.definition.inherits_secrets:
            return self.graph.secrets
        contexts = {**self.contexts, "secrets": {"GITHUB_TOKEN": "***", **self.secrets}}
        passed = self.evaluate.texts(self.definition.secrets, contexts)
        return {name: value for name, value in passed.items() if value}

    def _finish(self) -> None:
        if self.conclusion is None:
            self.conclusion, self.reason = "cancelled", self.cancelled
        self.status, self.ended = "completed", self.now
        self.result = "success" if self.conclusion == "failure" and self.forgiving else self.conclusion
        for group in self.groups:
            self.state.leave(group, self.name)
        self.state.moment(self.name, self.conclusion, self.reason.splitlines()[0] if self.reason else "")
        self.graph.completed(self)


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
            if run.called is not None:
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
