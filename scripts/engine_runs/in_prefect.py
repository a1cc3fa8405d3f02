"""What does Prefect make of a file? Runs in a process of its own, in Prefect's environment: JSON in, JSON out."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine_runs.asking import end_with_parent
from engine_runs.prefect_service import deploy_and_serve

__all__ = ["main"]

_PATIENCE = 240
_STATES = {
    "Completed": "success",
    "Failed": "failed",
    "TimedOut": "failed",
    "Skipped": "skipped",
    "SkippedByRule": "skipped",
    "UpstreamFailed": "upstream_failed",
}


def run(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run the flow of a file once, with Prefect's own server in this machine, and tell what became of it."""
    flow, began = _flow(asked, folder), time.monotonic()
    date = {} if asked["logical_date"] is None else {"logical_date": datetime.fromisoformat(asked["logical_date"])}
    os.environ["MLOPS_LAB_HOME"] = asked["home"]
    runner = _dask() if asked.get("runner") == "dask" else None
    chosen = flow if runner is None else flow.with_options(task_runner=runner)
    try:
        state = chosen(**asked["params"], **date, return_state=True)
    except TypeError as error:  # how Prefect refuses an unknown parameter
        return {"refused": f"{type(error).__name__}: {error}"}
    seconds = time.monotonic() - began
    if asked.get("brief"):
        return {"state": _word(state), "seconds": seconds}
    if state.is_failed() and "parameters" in (state.message or ""):
        return {"refused": " ".join(state.message.split())}
    return {**_record(state.state_details.flow_run_id), "state": _word(state), "seconds": seconds}


def _flow(asked: dict[str, Any], folder: Path) -> Any:
    from prefect import Flow

    name = f"flow_{asked['dag_id'].replace('-', '_').replace('.', '_')}"
    path = folder / f"{name}.py"
    path.write_text(asked["text"], "utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return next(each for each in vars(module).values() if isinstance(each, Flow))


def read(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What Prefect reads in a file: the name of the flow, and what it takes for the default of each parameter."""
    flow = _flow(asked, folder)
    return {"name": flow.name, "params": {name: str(each) for name, each in flow.validate_parameters({}).items()}}


def _dask() -> Any:
    """A task runner whose workers are processes of their own, each in the folder that Dask gives it."""
    from prefect.client.orchestration import get_client
    from prefect_dask import DaskTaskRunner

    with get_client(sync_client=True) as client:  # or each worker would start a server of its own
        os.environ["PREFECT_API_URL"] = str(client.api_url)
    return DaskTaskRunner(
        cluster_kwargs={"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    )


def run_answered(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run the flow of a file; each time that it asks, the next of the people answers. How it ended."""
    questions: list[str] = []
    people = threading.Thread(target=_answer, args=(asked["answers"], questions), name="people", daemon=True)
    people.start()
    return {**run(asked, folder), "questions": questions}


def _answer(answers: list[dict[str, Any]], questions: list[str]) -> None:
    """What people do who are asked: find the flow that is paused, over the server's API, and resume it."""
    import httpx
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        url = str(client.api_url).rstrip("/")
    paused = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
    left = list(answers)
    while left:
        time.sleep(0.5)
        with suppress(httpx.HTTPError):  # a server that is busy is asked again
            found = httpx.post(f"{url}/flow_runs/filter", json=paused, timeout=60).raise_for_status().json()
            for each in found[:1]:
                resume = f"{url}/flow_runs/{each['id']}/resume"
                told = httpx.post(resume, json={"run_input": left[0]}, timeout=60).raise_for_status().json()
                if told["status"] == "ACCEPT":
                    questions.append(each["state"]["name"])
                    left.pop(0)


def _word(state: Any) -> str:
    return _STATES.get(str(state.name), str(state.name).lower())


def _record(flow_run_id: Any) -> dict[str, Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import TaskRunSort

    with get_client(sync_client=True) as client:
        only, told = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])), False
        found: list[Any] = []
        until = time.monotonic() + _PATIENCE
        while not told and time.monotonic() < until:  # the server writes what it is told a little later
            found, offset = [], 0
            while page := client.read_task_runs(
                flow_run_filter=only, sort=TaskRunSort.ID_DESC, limit=200, offset=offset
            ):
                found, offset = [*found, *page], offset + len(page)
            told = all(each.state is not None and each.state.is_final() for each in found)
            time.sleep(0 if told else 0.5)
        if not told:
            raise TimeoutError(f"Prefect's server has not written the states of {len(found)} tasks in {_PATIENCE} s")
        params = client.read_flow_run(flow_run_id).parameters
        history = {each.id: client.read_task_run_states(each.id) for each in found if each.run_count > 1}
    found.sort(key=lambda each: str(each.start_time))  # a task that waited for an answer has two runs
    names = {each.id: each.name.rsplit("-", 1)[0] for each in found}
    ran = [each for each in found if each.state.name not in ("UpstreamFailed", "SkippedByRule")]
    edges = {
        (names[source.id], names[each.id])
        for each in found
        for sources in each.task_inputs.values()
        for source in sources
        if getattr(source, "id", None) in names
    }
    return {
        "run_id": str(flow_run_id),
        "tasks": sorted(set(names.values())),
        "edges": sorted(map(list, edges)),
        "params": {name: value for name, value in params.items() if name != "logical_date"},
        "order": [names[each.id] for each in sorted(ran, key=lambda each: (str(each.start_time), names[each.id]))],
        "states": {names[each.id]: _word(each.state) for each in found},
        "attempts": {
            name: sum(each.run_count for each in ran if names[each.id] == name)
            for name in dict.fromkeys(names.values())
        },
        "waits": {names[key]: _waits(states) for key, states in history.items()},
    }


def _waits(states: list[Any]) -> list[float]:
    ordered = sorted(states, key=lambda each: each.timestamp)
    pairs = ((before, after) for before, after in pairwise(ordered) if before.name == "AwaitingRetry")
    return [round((after.timestamp - before.timestamp).total_seconds(), 1) for before, after in pairs]


def dates(asked: list[Any]) -> list[list[str]]:
    """The dates that Prefect's cron schedule gives from a moment on, that moment included."""
    import asyncio

    from prefect.server.schemas.schedules import CronSchedule

    async def each(cron: str, zone: str, start: str, count: int) -> list[str]:
        schedule = CronSchedule(cron=cron, timezone=zone)
        found = await schedule.get_dates(n=count, start=datetime.fromisoformat(start))
        return [datetime.fromisoformat(date.isoformat()).astimezone(UTC).isoformat() for date in found]

    return [asyncio.run(each(*one)) for one in asked]


def main(job: str, answer: str) -> None:
    """Do what the file `job` asks for and write the file `answer`."""
    import prefect

    end_with_parent()
    asked, folder = json.loads(Path(job).read_text("utf-8")), Path(job).parent
    found: dict[str, Any] = {"version": prefect.__version__, "dates": dates(asked.get("dates", []))}
    found["read"] = [read(each, folder) for each in asked.get("read", [])]
    if asked.get("runs"):
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:  # this starts the server, so that no run pays for it
            client.hello()
    if "deploy" in asked:
        found["deployed"] = deploy_and_serve(asked["deploy"], folder)
    found["runs"] = [
        run_answered(each, folder) if each.get("answers") else run(each, folder) for each in asked.get("runs", [])
    ]
    Path(answer).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
