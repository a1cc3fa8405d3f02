"""Which MLflow is spoken to, and what has to be there before anything is kept in it?

A SQLite file and an artifact folder in the home folder, with no server; or, given a tracking URI, a running
`mlflow server` (http://…) or a database that several machines share (postgresql://…).
"""

from __future__ import annotations

import os
import re
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from mlops_lab.base.errors import HomeError, MissingExtra, MlopsLabError
from mlops_lab.base.storage import lock_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "mlops-lab"
HISTORY_TAG = "mlops_lab.history"  # of the experiment: the id of the run that keeps the registry's history
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is away is told in seconds, not in minutes
}
_PORTS = {"http": 80, "https": 443}
_KNOCK_SECONDS = 10.0
_LOCK_KEY = 0x4D4C5247  # which advisory lock of PostgreSQL is ours
_LOCK_SECONDS = 120.0
_FIRST = threading.Lock()


class MlflowRefused(HomeError):
    """MLflow, its database or the way to it refuses. Attributes: `path` (the URI, without its password), `why`."""

    def __init__(self, uri: str, why: str) -> None:
        super().__init__(shown(uri), why)
        self.args = (f"MLflow at {self.path} refuses: {why}",)


class Connection:
    """MLflow's client, the experiment of our runs, and the run whose params are the registry's history."""

    def __init__(self, home: Path, uri: str | None) -> None:
        if find_spec("mlflow") is None:
            raise MissingExtra("mlflow")
        if uri is not None:
            _knock(uri)
        _be_quiet()  # before MLflow is imported, which reads this
        self.home = home
        self.uri = uri if uri is not None else f"sqlite:///{(home / 'mlflow.db').absolute().as_posix()}"
        # A server says where models are kept. A database cannot, and MLflow would take whatever folder one happens to
        # be in; whoever shares a database between machines gives the experiment a place that all of them reach, first.
        self._folder = None if self.uri.startswith("http") else (home / "mlartifacts").absolute()
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(home, error.strerror or str(error)) from None
        with self.in_our_words(), _FIRST, self.exclusive():
            self.client = _client(self.uri)
            self.experiment, self.history = self._experiment()

    def __repr__(self) -> str:
        return f"Connection({shown(self.uri)!r})"

    def _experiment(self) -> tuple[str, str]:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            from mlflow.exceptions import MlflowException

            # The name of an experiment is unique and its tags come with it, so that of several first users one wins.
            mine = self.client.create_run("0", run_name="registry history", tags={"mlops_lab.kind": "history"})
            where = None if self._folder is None else self._folder.as_uri()
            try:
                self.client.create_experiment(EXPERIMENT, where, tags={HISTORY_TAG: mine.info.run_id})
            except MlflowException:
                if self.client.get_experiment_by_name(EXPERIMENT) is None:
                    raise
                self.client.delete_run(mine.info.run_id)
            found = self.client.get_experiment_by_name(EXPERIMENT)
        history = (found.tags or {}).get(HISTORY_TAG) if found is not None else None
        if found is None or history is None:
            raise MlflowRefused(self.uri, f"its experiment {EXPERIMENT!r} is somebody else's, without {HISTORY_TAG}")
        return str(found.experiment_id), str(history)

    @contextmanager
    def in_our_words(self) -> Iterator[None]:
        """Whatever MLflow, the network or the database complains about, as one sentence of ours."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except ModuleNotFoundError as error:  # SQLAlchemy looks for the database's driver when it is first needed
            why = f"{error}; for PostgreSQL: pip install 'mlops-lab[postgres]' and postgresql+psycopg2://…"
            raise MlflowRefused(self.uri, why) from None
        except MlopsLabError:
            raise
        except (MlflowException, SQLAlchemyError, OSError) as error:
            said = next(iter(str(error).splitlines()), type(error).__name__)
            why = "the server does not answer any more" if "Max retries exceeded" in said else shown(said)
            raise MlflowRefused(self.uri, why) from None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One writer at a time, where the database offers a lock; a server offers none, and the history decides."""
        if self.uri.startswith("sqlite:"):
            try:
                held = ExitStack()
                held.enter_context(lock_file(self.home / "mlflow.lock", timeout=_LOCK_SECONDS))
            except BlockingIOError as error:
                raise HomeError(self.home, str(error)) from None
            with held:
                yield
        elif self.uri.startswith("postgresql"):
            with _advisory_lock(self.uri):
                yield
        else:
            yield


def _knock(uri: str) -> None:
    """See at once whether anybody listens at an address; MLflow would try for minutes, and say it in a paragraph."""
    if "://" not in uri:
        raise MlflowRefused(uri, "that is no address such as http://127.0.0.1:5000 or sqlite:////folder/mlflow.db")
    try:
        parts = urlsplit(uri)
        through_proxy = parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")
        if parts.scheme in _PORTS and not through_proxy:
            address = parts.hostname or "", parts.port or _PORTS[parts.scheme]
            socket.create_connection(address, timeout=_KNOCK_SECONDS).close()
    except (OSError, ValueError) as error:
        raise MlflowRefused(uri, f"nobody answers there ({getattr(error, 'strerror', None) or error})") from None


def make_database(path: Path) -> None:
    """Make a SQLite file with MLflow's tables and nothing in them but its experiment Default."""
    _client(f"sqlite:///{path.absolute().as_posix()}")


def _be_quiet() -> None:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def _client(uri: str) -> MlflowClient:
    """MLflow's client of an address, after the first contact."""
    _be_quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # how MLflow speaks to SQLAlchemy is between the two
        from mlflow import MlflowClient

        client = MlflowClient(uri, registry_uri=uri)
        client.get_experiment("0")
    return client


_KNOWN: dict[tuple[str, str | None, int], Connection] = {}


def connect(home: str | Path, uri: str | None = None) -> Connection:
    """The connection of this process to a home folder's MLflow; made once, because the first contact takes seconds.

    Raises:
        MissingExtra: MLflow is not installed.
        HomeError: the home folder, the database or the server refuses.
    """
    key = (str(Path(home).absolute()), uri, os.getpid())
    if key not in _KNOWN or (uri is None and not (Path(home) / "mlflow.db").exists()):
        _KNOWN[key] = Connection(Path(home), uri)
    return _KNOWN[key]


def shown(text: str) -> str:
    """The text without the password that a URI in it may hold.

    >>> shown("postgresql://lab:secret@127.0.0.1/mlflow")
    'postgresql://lab:…@127.0.0.1/mlflow'
    """
    return re.sub(r"(://[^/:@\s]*):[^@\s]*@", r"\1:…@", text)


@contextmanager
def _advisory_lock(uri: str) -> Iterator[None]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(uri, poolclass=NullPool)
    with engine.connect() as held:
        held.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
        yield  # closing the connection lets go
