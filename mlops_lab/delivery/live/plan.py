"""Which versions may answer now and with which share; and what both models said, so that a crash loses nothing.

The registry's history is the only truth, wherever the home folder keeps it. The router asks before each answer leaves
it. That costs some microseconds where it is a SQLite file, the course's own or MLflow's, because SQLite says in one
word whether anything was written since (https://www.sqlite.org/pragma.html#pragma_data_version). A server or another
database is asked for the end of its history each time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import HomeError
from mlops_lab.delivery.server import RequestError
from mlops_lab.models.rollout import answered_by_challenger, deployment_of, promotion_of
from mlops_lab.pipeline.engines import engines_of, open_registry

_KEY = 256  # characters


@dataclass(frozen=True)
class Plan:
    """Who answers.

    Attributes: `champion` (None for a first model), `challenger` (None when no rollout is running), `weight` (percent
    for the challenger), `state` (of the rollout: `running`, `finished`, `rolled_back`, `stopped`, or `none`),
    `shadow` (is the challenger only asked, and never heard?).

    >>> plan = Plan(champion=1, challenger=2, weight=5, state="running")
    >>> plan.allows(2), plan.without_challenger().allows(2)
    (True, False)
    """

    champion: int | None
    challenger: int | None
    weight: int = 0
    state: str = "none"
    shadow: bool = False

    def allows(self, version: int) -> bool:
        """May an answer of this version leave the router?"""
        return version == self.champion or (version == self.challenger and not self.shadow)

    def answers(self, key: str) -> int:
        """The version that answers this key.

        Raises:
            RequestError: nobody does.
        """
        opened = self.champion is None or bool(answered_by_challenger([key], self.weight)[0])
        if self.challenger is not None and opened:
            return self.challenger
        if self.champion is None:
            raise RequestError(503, "NoServer", "no version is in Production; there is nobody to answer.")
        return self.champion

    def other(self, version: int) -> int:
        """The one beside this version; itself, when it is alone."""
        others = [one for one in (self.champion, self.challenger) if one is not None and one != version]
        return others[0] if others else version

    def instead(self, version: int) -> int:
        """Who answers in place of a version that cannot; itself, when nobody else may."""
        other = self.other(version)
        return other if self.allows(other) else version

    def without_challenger(self) -> Plan:
        """The same with nobody but the champion."""
        return self if self.champion is None else replace(self, challenger=None, weight=0)


class Routing:
    """The plan of one model as the registry of a home folder has it at this moment.

    >>> import tempfile
    >>> from mlops_lab.models.registry import Registry
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Registry(home)
    ...     Routing(home, "late").now()
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no registered model 'late'; there is: none.
    """

    def __init__(self, home: str | Path, name: str, *, shadow: bool = False) -> None:
        """Read nothing yet.

        Args:
            home: the home folder.
            name: the registered model.
            shadow: is the challenger only asked, and never heard?
        """
        self.name = name
        self._home = Path(home)
        self._shadow = shadow
        self._registry = open_registry(home, clock=SystemClock())
        self._file = _registry_file(self._home)
        self._watching: sqlite3.Connection | None = None
        self._seen: int | str | None = None
        self._plan: Plan | None = None
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Plan] | None = None

    def __repr__(self) -> str:
        return f"Routing({self.name})"

    def now(self) -> Plan:
        """The plan of this moment.

        While the registry cannot be read nobody knows whether the challenger was taken back, so only the champion is
        trusted.

        Raises:
            UnknownName: there is no such model.
            NotAllowed: no version of it was ever in Production.
            HomeError: the registry cannot be read, and never could.
        """
        try:
            seen = self._version()
            if self._plan is None or seen != self._seen:
                self._plan, self._seen = self._read(), seen
        except (sqlite3.Error, HomeError) as error:
            self._forget()
            if self._plan is None:
                raise HomeError(self._home, f"the registry: {error}") from None
            return self._plan.without_challenger()
        return self._plan

    async def look(self) -> Plan:
        """The plan as it was after this was called, without making anybody wait who does not ask.

        A server or a database on the network takes its time; one question to it answers all who were waiting when it
        was put.
        """
        if self._file is not None:
            return self.now()
        if self._next is None:
            self._next = asyncio.create_task(self._ask())
        return await asyncio.shield(self._next)

    async def _ask(self) -> Plan:
        async with self._turn:
            self._next = None  # whoever comes from here on asks again
            return await asyncio.to_thread(self.now)

    def close(self) -> None:
        """Close the registry."""
        self._forget()
        self._registry.close()

    def _version(self) -> int | str:
        if self._file is None:
            return self._registry.head()
        if self._watching is None:
            place = self._file.absolute().as_uri()
            self._watching = sqlite3.connect(
                f"{place}?mode=ro", uri=True, timeout=0.1, isolation_level=None, check_same_thread=False
            )
            weakref.finalize(self, self._watching.close)  # for whoever forgets to
            self._seen = None  # what a new connection counts from is its own affair
        return int(self._watching.execute("PRAGMA data_version").fetchone()[0])

    def _read(self) -> Plan:
        promotion = promotion_of(self._registry, self.name)
        found = deployment_of(self._registry, promotion)
        champion, challenger = promotion.archived_version, promotion.version
        state = "none" if found is None else found.state
        present = self._registry.get_production(self.name)
        if state == "running" and (present is None or present.version != promotion.version):
            state = "rolled_back"  # just now: the rollout's own line of the history comes next
        if state == "running" and found is not None:
            if self._shadow:
                return Plan(champion, challenger, 0, "running", shadow=True)
            return Plan(champion, challenger, 100 if champion is None else found.weight, "running")
        if state == "finished":
            return Plan(challenger, None, 0, state)
        if state in ("rolled_back", "stopped"):
            return Plan(champion if present is None else present.version, None, 0, state)
        if present is not None and present.version not in (champion, challenger):
            return Plan(present.version, None, 0, state)
        if champion is None:  # a first model whose rollout has not begun: there is nobody else
            return Plan(challenger, None, 0, state)
        return Plan(champion, None, 0, state)

    def _forget(self) -> None:
        if self._watching is not None:
            with suppress(sqlite3.Error):
                self._watching.close()
        self._watching, self._seen = None, None


def _registry_file(home: Path) -> Path | None:
    """The SQLite file that every event is written to; None where a server or another database keeps them."""
    engines = engines_of(home)
    if engines.registry == "embedded":
        return home / "registry.db"
    scheme, _, place = (engines.registry_uri or f"sqlite:///{home / 'mlflow.db'}").partition(":///")
    return Path(place) if scheme == "sqlite" else None


@dataclass(frozen=True)
class Entry:
    """One request through the router.

    Attributes: `key`, `answered_by` (the version whose answer the client got), `challenger` and `champion` (the
    probabilities; None where that model did not answer), `seconds` (how long the challenger took, None without it).

    >>> Entry("2013-12-01-UA-1545-EWR", 1, challenger=0.31, champion=0.24, seconds=0.004).answered_by
    1
    """

    key: str
    answered_by: int
    challenger: float | None
    champion: float | None
    seconds: float | None


def bounded_key(key: str) -> str:
    """The key, or its fingerprint where it is longer than a journal should keep for each request.

    >>> bounded_key("2013-12-01-UA-1545-EWR"), len(bounded_key("x" * 1_000_000))
    ('2013-12-01-UA-1545-EWR', 64)
    """
    return key if len(key) <= _KEY else hashlib.sha256(key.encode()).hexdigest()


class Journal:
    """The entries of one rollout, a line each, in `home/rollouts/`.

    A line that a crash cut off is left out when it is read again, and what it was about is asked again.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home, Journal(home, 9) as journal:
    ...     journal.write(Entry("a", 1, 0.31, 0.24, 0.004))
    ...     [entry.key for entry in Journal(home, 9)]
    ['a']
    """

    def __init__(self, home: str | Path, event: int) -> None:
        """Read nothing yet; `event` is the history's number of the promotion."""
        self.path = Path(home) / "rollouts" / f"{int(event)}.jsonl"
        self._file: IO[str] | None = None

    def __repr__(self) -> str:
        return f"Journal({self.path.name})"

    def __iter__(self) -> Iterator[Entry]:
        """Every entry that was written whole, oldest first."""
        try:
            lines = self.path.read_text("utf-8").split("\n")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise HomeError(self.path.parent.parent, f"{self.path.name}: {error}") from None
        for line in lines[:-1]:
            try:
                yield Entry(**json.loads(line))
            except (ValueError, TypeError):  # cut off by a crash, and another line begun after it
                continue

    def write(self, entry: Entry) -> None:
        """Add an entry; in the hands of the system when this returns, so that only a dying machine loses it."""
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("a", encoding="utf-8")
                self._file.write("\n")  # ends a line that a crash may have cut off
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()
        except OSError as error:
            raise HomeError(self.path.parent.parent, error.strerror or str(error)) from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):  # what does not fit on a full disk was told when it was written
                self._file.close()
            self._file = None
