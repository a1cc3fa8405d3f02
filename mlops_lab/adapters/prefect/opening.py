"""What does every Prefect flow file begin with, and which names does that use up?"""

from __future__ import annotations

OPENING = '''
import os
{date}from importlib import import_module
from inspect import signature
from operator import attrgetter
from pathlib import Path
{monotonic}{typing}
from prefect import allow_failure, flow, {pause}task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
{input}from prefect.runtime import flow_run, task_run
{cron}from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import {pydantic}
{answer}

class NotRun(Exception):
    """Why a task was not run: one upstream failed."""


def start(task, run, *upstream):
    """Submit a task that judges for itself how those upstream ended; Prefect would not start it after a failure."""
    if isinstance(FlowRunContext.get().task_runner, ThreadPoolTaskRunner):
        return task.submit(run, *(allow_failure(each) for each in upstream))
    # Other runners, Dask's for one, do not find futures inside allow_failure, so this waits for what they hold.
    return task.submit(run, *(each.result(raise_on_failure=False) for each in upstream))


def step(source, rule, run, upstream, /, **given):
    """Ask the trigger rule, then run `module:function`; what it asks for beside `given` is this run's own."""
    from mlops_lab.base.clock import SystemClock, parse_utc
    from mlops_lab.pipeline.dag import SkipTask
    from mlops_lab.pipeline.dag.rules import decide

    states = [each["state"] if isinstance(each, dict) else state_of(each) for each in upstream]
    verdict = decide(rule, states)
    why = f"{rule}, but: {', '.join(states)}"
    if verdict == "upstream_failed":
        return Failed(name="UpstreamFailed", message=why, data=NotRun(why))
    if verdict == "skipped":
        return Completed(name="SkippedByRule", message=why, data={"state": "skipped", "result": None})
    module, _, name = source.partition(":")
    function = attrgetter(name)(import_module(module))
    function = getattr(function, "function", function)  # a Task holds its function
    words = {
        "logical_date": parse_utc(run["logical_date"]),
        "params": dict(run["params"]),
        "clock": SystemClock(),
        "home": Path(os.environ["MLOPS_LAB_HOME"]),
        "attempt": task_run.run_count,
        "run_id": run["run_id"],{decision}
    }
    asked = signature(function).parameters.values()
    if not any(each.kind is each.VAR_KEYWORD for each in asked):
        words = {each.name: words[each.name] for each in asked if each.name in words}
    try:
        return {"state": "success", "result": function(**{**words, **given})}
    except SkipTask as skip:
        return Completed(name="Skipped", message=str(skip), data={"state": "skipped", "result": None})
{waiting}

def state_of(failure):
    """The state of a task that ended with an exception."""
    return "upstream_failed" if isinstance(failure, NotRun) else "failed"


def result(ended):
    """What an upstream task returned; None when it did not succeed."""
    return ended["result"] if isinstance(ended, dict) else None


def may_retry(task, task_run, state):
    """Whatever failed is tried again, except what was not run or says that trying again cannot help."""
    from mlops_lab.pipeline.dag import FailTask

    return not isinstance(state.data, (FailTask, NotRun))
'''
APPROVAL = {
    "{pause}": "pause_flow_run, ",
    "{monotonic}": "from time import monotonic\n",
    "{input}": "from prefect.input import RunInput\n",
    "{answer}": '\nWAITING = {"state": "waiting", "result": None}\nPATIENCE = 3 * 24 * 3600  # seconds in all\n',
    "{decision}": '\n        "decision": run.get("decision"),',
    "{waiting}": """    except Exception as refused:
        if not getattr(refused, "waiting", False):
            raise
        return Completed(name="Waiting", message=str(refused), data=WAITING)
""",
    "{ask}": '''


class Decision(RunInput):
    """What somebody answers whom the flow waits for. Prefect's own server does not know who that is."""

    approved: bool
    by: str
    comment: str = ""


def ask(task, run, *upstream):
    """Start a task that may wait for somebody's yes; then the flow pauses, and starts it again with the Decision."""
    ended = start(task, run, *upstream)
    until = monotonic() + PATIENCE
    while ended.result(raise_on_failure=False) == WAITING:
        decision = pause_flow_run(wait_for_input=Decision, timeout=max(1, int(until - monotonic())))
        ended = start(task, {**run, "decision": decision.model_dump()}, *upstream)
    return ended''',
}
"""What a file holds beside that when a task may wait for somebody's yes; the marks are those of `OPENING`."""

USED = {
    *("os", "date", "import_module", "signature", "attrgetter", "Path", "Annotated", "Literal", "allow_failure"),
    *("flow", "task", "NO_CACHE", "flow_run", "task_run", "Cron", "Completed", "Failed", "AwareDatetime", "Field"),
    *("FlowRunContext", "ThreadPoolTaskRunner"),
    *("pause_flow_run", "RunInput", "Decision", "WAITING", "ask", "decision", "monotonic", "PATIENCE"),
    *("NotRun", "start", "step", "state_of", "result", "may_retry", "run", "logical_date", "self"),
    *("params", "moment", "wait_for", "return_state"),  # names in the flow, and two that Prefect keeps for itself
}
