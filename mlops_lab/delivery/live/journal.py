"""What did both models say of each request, so that a crash loses nothing the watch has to judge?"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from mlops_lab.base.errors import HomeError, NotAllowed

__all__ = ["Entry", "Journal", "alone"]


@dataclass(frozen=True)
class Entry:
    """One request at the door.

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


@contextmanager
def alone(home: str | Path, event: int, what: str) -> Iterator[None]:
    """Hold a rollout for this process: two watches would judge each other's answers.

    The lock is an empty SQLite file held by a transaction; the system lets go of it when the process dies.

    Raises:
        NotAllowed: another process holds it.
        HomeError: the home folder cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home, alone(home, 9, "v2"), alone(home, 9, "v2"):  # doctest: +ELLIPSIS
    ...     pass
    Traceback (most recent call last):
    mlops_lab.base.errors.NotAllowed: v2: another process is rolling it out; see: mlops-lab rollout status, ...
    """
    path, held = Path(home) / "rollouts" / f"{int(event)}.lock", None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        held.execute("BEGIN EXCLUSIVE")
    except (OSError, sqlite3.Error) as error:
        if held is not None:
            held.close()
        if getattr(error, "sqlite_errorname", "") == "SQLITE_BUSY":
            why = "another process is rolling it out; see: mlops-lab rollout status, and end it with: rollout stop"
            raise NotAllowed(f"{what}: {why}") from None
        raise HomeError(home, f"rollouts/{path.name}: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield
    finally:
        held.close()
