"""How is an engine asked to do something, in a process and an environment of its own that leave nothing behind?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mlops_lab.adapters.comparison import python_of
from mlops_lab.base.errors import MlopsLabError

__all__ = ["ask", "end_with_parent"]

SCRIPTS = Path(__file__).resolve().parents[1]
_QUIET = {
    "airflow": {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    },
    "prefect": {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        # Its own server needs a minute for the first start on a small machine; twenty seconds are the default.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    },
}


@cache
def _airflow_database(python: str, timeout: float) -> bytes:
    """Airflow's database before its first run. Making one takes ten seconds, so a process makes it once."""
    with tempfile.TemporaryDirectory(prefix="airflow-", ignore_cleanup_errors=True) as home:
        said = _run([python, "-m", "airflow", "db", "migrate"], _variables("airflow", home), home, timeout)
        made = Path(home, "airflow.db")
        if not made.is_file():
            raise MlopsLabError(f"airflow made no database: {said[-2000:].strip()}")
        return made.read_bytes()


def _variables(engine: str, home: str | Path) -> dict[str, str]:
    """The environment of an engine's process: none of its settings on this machine, and nothing sent anywhere."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PREFECT", "PYTEST"))}
    path = os.pathsep.join(each for each in (str(SCRIPTS), kept.get("PYTHONPATH")) if each)
    return {**kept, **_QUIET[engine], f"{engine.upper()}_HOME": str(home), "PYTHONPATH": path}


def ask(engine: str, job: Mapping[str, Any], *, timeout: float = 600) -> dict[str, Any]:
    """What the engine answers to a job (see `in_airflow` and `in_prefect`), from a folder that is gone afterwards.

    The engine's home is in that folder, nothing is sent anywhere, and every process that it started is ended: after
    the answer, an error or `timeout` seconds.

    >>> ask("nowhere", {})
    Traceback (most recent call last):
    mlops_lab.base.errors.MissingExtra: nowhere is not installed; install it with: pip install 'mlops-lab[nowhere]'

    Raises:
        MissingExtra: the engine is not installed.
        MlopsLabError: it gave no answer; the message has its last words.
    """
    python, began = python_of(engine), time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{engine}-", ignore_cleanup_errors=True) as folder:
        home, asked, answered = Path(folder, "home"), Path(folder, "job.json"), Path(folder, "answer.json")
        home.mkdir()
        asked.write_text(json.dumps(job), "utf-8")
        if engine == "airflow" and job.get("runs"):
            (home / "airflow.db").write_bytes(_airflow_database(python, timeout))
        doing = [python, "-m", f"engine_runs.in_{engine}", str(asked), str(answered)]
        said = _run(doing, _variables(engine, home), folder, timeout - (time.monotonic() - began))
        if not answered.is_file():
            raise MlopsLabError(f"{engine} gave no answer: {said[-2000:].strip()}")
        found: dict[str, Any] = json.loads(answered.read_text("utf-8"))
        return found


def _run(command: list[str], variables: Mapping[str, str], folder: str, timeout: float) -> str:
    """Run to the end, or to the timeout; what it said. Its whole group of processes is ended either way."""
    log = Path(folder, "said.txt")
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(variables), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(max(timeout, 1))
        except subprocess.TimeoutExpired:
            said.write(b"\nno end within the time that was given")
        finally:
            if os.name == "nt":
                process.kill()
            else:
                with suppress(ProcessLookupError):  # nobody is left
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return log.read_text("utf-8", "replace")


def end_with_parent() -> None:
    """End this process and its group once its parent has died: an engine started for one answer leaves nothing."""
    if os.name == "nt":
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.killpg(os.getpgid(0), signal.SIGKILL)

    if os.getpgid(0) == os.getpid():  # else the group is somebody else's
        threading.Thread(target=watch, name="end with parent", daemon=True).start()
