"""How does Airflow run as a service of this machine, with people who answer what it asks? In Airflow's environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from engine_runs.service import end, free_ports, until

__all__ = ["run_and_answer", "service"]

_PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
_OVER = ("success", "failed")


class Person:
    """Somebody who has logged in to Airflow's API."""

    def __init__(self, url: str, name: str) -> None:
        import httpx

        self._client = httpx.Client(base_url=url, timeout=60)
        token = self._client.post("/auth/token", json={"username": name, "password": name}).raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"

    def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """What Airflow's stable API answers."""
        answer = self._client.request(method, f"/api/v2{path}", json=body or None)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def service(people: list[str], home: str, dags: Path) -> Iterator[dict[str, Person]]:
    """Airflow's four parts on ports of their own, until the end of the block; each of the people is logged in."""
    ports = free_ports(3)
    url = f"http://localhost:{ports[0]}"
    passwords = Path(os.environ["AIRFLOW_HOME"], "passwords.json")
    passwords.write_text(json.dumps({name: name for name in people}), "utf-8")
    settings = {
        "MLOPS_LAB_HOME": home,
        "AIRFLOW__API_AUTH__JWT_SECRET": token_hex(64),  # the parts read different ones from a new airflow.cfg
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__PORT": str(ports[0]),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:admin" for name in people),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports[1]),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports[2]),
    }
    started = [
        subprocess.Popen([sys.executable, "-m", "airflow", part], env={**os.environ, **settings}) for part in _PARTS
    ]
    try:
        until(lambda: _answers(url), "Airflow to come up", started)
        yield {name: Person(url, name) for name in people}
    finally:
        end(*started)


def _answers(url: str) -> bool:
    import httpx

    try:
        health = httpx.get(f"{url}/api/v2/monitor/health", timeout=30)
    except httpx.TransportError:
        return False
    return health.is_success and all(
        health.json()[part]["status"] == "healthy" for part in ("scheduler", "dag_processor", "triggerer")
    )


def run_and_answer(asked: dict[str, Any], dags: Path) -> dict[str, Any]:
    """Trigger the DAG of a file; each time that it asks, the next of the people answers. How it ended."""
    dag, answers = asked["dag_id"], asked["answers"]
    people = sorted({each["by"] for each in answers})
    began, questions = time.monotonic(), []
    with service(people, asked["home"], dags) as logged_in:
        someone = logged_in[people[0]]
        until(lambda: _known(someone, dag), f"the DAG {dag}")
        body = {"logical_date": asked["logical_date"], "conf": asked["params"]}
        run = someone.ask("POST", f"/dags/{dag}/dagRuns", **body)["dag_run_id"]
        path = f"/dags/{dag}/dagRuns/{run}"
        for answer in answers:
            found = until(lambda: _open_or_over(someone, path), "the question")
            if isinstance(found, str):
                break
            questions.append(found["subject"])
            task = found["task_instance"]["task_id"]
            logged_in[answer["by"]].ask(
                "PATCH",
                f"{path}/taskInstances/{task}/-1/hitlDetails",
                chosen_options=["Approve" if answer["approved"] else "Reject"],
                params_input={},
            )
        state = until(lambda: _over(someone, path), "the end of the run")
        states = _states(someone, path)
        if state == "failed":  # why is in Airflow's log only, which goes with the service
            logs = {task: someone.ask("GET", f"{path}/taskInstances/{task}/logs/1") for task in states}
            Path(asked["home"], "airflow.json").write_text(json.dumps(logs, indent=1), "utf-8")
    return {"state": state, "states": states, "questions": questions, "seconds": time.monotonic() - began}


def _known(someone: Person, dag: str) -> bool:
    errors = someone.ask("GET", "/importErrors")["import_errors"]
    if errors:
        raise RuntimeError(f"import error: {errors[0]['stack_trace'][-1000:]}")
    return any(each["dag_id"] == dag for each in someone.ask("GET", "/dags")["dags"])


def _over(someone: Person, path: str) -> str:
    state = str(someone.ask("GET", path)["state"])
    return state if state in _OVER else ""


def _open_or_over(someone: Person, path: str) -> Any:
    found = someone.ask("GET", f"{path}/hitlDetails?response_received=false")["hitl_details"]
    return found[0] if found else _over(someone, path)


def _states(someone: Person, path: str) -> dict[str, str]:
    found = someone.ask("GET", f"{path}/taskInstances")["task_instances"]
    return {each["task_id"]: str(each["state"]) for each in found}
