"""An MLflow server and a PostgreSQL of the tests' own: on this machine only, in temporary folders, always ended."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

HERE = "feast-mlflow" in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(",")
REASON = "python start.py test-engines feast-mlflow runs it"
PATIENCE = 240  # seconds that a server may need for its first answer on a machine that is busy with other things


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents and not HERE:
            item.add_marker(pytest.mark.skip(reason=REASON))


def free_port():
    """A port that nobody listens on, chosen by the system."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


@contextmanager
def running(command, *, ready, log, **options):
    """The program, once `ready` says so; it and what it started are gone afterwards."""
    with open(log, "wb") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True, **options
        )
        try:
            until = time.monotonic() + PATIENCE
            while not ready():
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{command[0]} did not start: {Path(log).read_text('utf-8', 'replace')[-2000:]}")
                time.sleep(0.2)
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def mlflow_server(folder, backend=None):
    """The address of an `mlflow server` that keeps everything in the folder, or its tables in `backend`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", backend or f"sqlite:///{(folder / 'server.db').as_posix()}",
        "--artifacts-destination", (folder / "artifacts").as_uri(),
    ]  # fmt: skip

    def ready():
        with suppress(OSError):
            return urllib.request.urlopen(f"{address}/health", timeout=5).status == 200  # noqa: S310  our own
        return False

    quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    quiet["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # six more processes that nobody here asks for
    with running(command, ready=ready, log=folder / "server.log", cwd=folder, env=quiet):
        yield address


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a running MLflow server."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def own_server():
    """Starts a server that the test may stop: `with own_server(folder) as address`."""
    return mlflow_server


def postgres_folder():
    """Where Debian, or whoever is on the path, keeps PostgreSQL's programs; None where it is not installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    first = found[-1] if found else shutil.which("initdb")
    return None if first is None else Path(first).parent


@pytest.fixture(scope="session")
def postgres(place_for_others):
    """The URI of an empty database on a PostgreSQL of its own."""
    programs = postgres_folder()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    psycopg2 = pytest.importorskip("psycopg2")
    user = "nobody" if os.getuid() == 0 else None  # PostgreSQL refuses to be run by root
    who = {"user": user} if user else {}
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=place_for_others() if user else None))
    try:
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir()
        if user:
            shutil.chown(data, user)
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "lab", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True, capture_output=True, cwd=folder, **who,
        )  # fmt: skip
        port = free_port()
        address = f"postgresql://lab@127.0.0.1:{port}/postgres"

        def ready():
            with suppress(psycopg2.OperationalError):
                psycopg2.connect(address).close()
                return True
            return False

        command = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data]
        with running(command, ready=ready, log=folder / "postgres.log", cwd=folder, **who):
            yield address.replace("postgresql:", "postgresql+psycopg2:")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
