"""What does every Prefect flow file begin with, and which names does that use up?"""

from __future__ import annotations

__all__ = ["OPENING", "USED"]

OPENING = '''
import os
{date}from importlib import import_module
from inspect import signature
from operator import attrgetter
from pathlib import Path
{typing}
from prefect import allow_failure, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.runtime import flow_run, task_run
{cron}from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import {pydantic}


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
    from mlops_lab.clock import SystemClock, parse_utc
    from mlops_lab.dag import SkipTask
    from mlops_lab.dag.rules import decide

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
        "run_id": run["run_id"],
    }
    asked = signature(function).parameters.values()
    if not any(each.kind is each.VAR_KEYWORD for each in asked):
        words = {each.name: words[each.name] for each in asked if each.name in words}
    try:
        return {"state": "success", "result": function(**{**words, **given})}
    except SkipTask as skip:
        return Completed(name="Skipped", message=str(skip), data={"state": "skipped", "result": None})


def state_of(failure):
    """The state of a task that ended with an exception."""
    return "upstream_failed" if isinstance(failure, NotRun) else "failed"


def result(ended):
    """What an upstream task returned; None when it did not succeed."""
    return ended["result"] if isinstance(ended, dict) else None


def may_retry(task, task_run, state):
    """Whatever failed is tried again, except what was not run or says that trying again cannot help."""
    from mlops_lab.dag import FailTask

    return not isinstance(state.data, (FailTask, NotRun))
'''
USED = {
    *("os", "date", "import_module", "signature", "attrgetter", "Path", "Annotated", "Literal", "allow_failure"),
    *("flow", "task", "NO_CACHE", "flow_run", "task_run", "Cron", "Completed", "Failed", "AwareDatetime", "Field"),
    *("FlowRunContext", "ThreadPoolTaskRunner"),
    *("NotRun", "start", "step", "state_of", "result", "may_retry", "run", "logical_date", "self"),
    *("str", "int", "float", "bool"),
}
