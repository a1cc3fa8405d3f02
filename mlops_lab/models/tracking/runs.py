"""Runs: what was tried, with which parameters, on which data, with what result."""

from __future__ import annotations

import json
import math
import numbers
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mlops_lab.base.clock import Clock, SystemClock, parse_utc, to_utc
from mlops_lab.base.display import Listing, facts, html_table, shown
from mlops_lab.base.errors import IntegrityError, InvalidData, UnknownName
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.base.storage import Database, jsonable
from mlops_lab.models.tracking.artifacts import ArtifactStore

if TYPE_CHECKING:
    import pandas as pd


Scalar: TypeAlias = str | int | float | bool | None

_LONGEST = 10_000  # characters; a longer text is a file in the wrong place


def check_text(value: Any, what: str, *, needed: bool = False) -> str:
    """The text itself, if it is text that can be stored and shown.

    Raises:
        InvalidData: no text, blank although needed, too long, or with characters that cannot be shown.
    """
    if not isinstance(value, str):
        raise InvalidData(f"{what} is text, not {type(value).__name__}: {value!r}.")
    if needed and not value.strip():
        raise InvalidData(f"{what} is needed, and it was left blank.")
    if len(value) > _LONGEST:
        raise InvalidData(f"{what} has {len(value)} characters; at most {_LONGEST} are kept.")
    odd = [sign for sign in value if unicodedata.category(sign) in {"Cc", "Cs"} and sign not in "\n\t"]
    if odd:
        raise InvalidData(f"{what} holds a character that cannot be stored as text: {odd[0]!r}.")
    return value


def check_texts(values: Mapping[str, str] | None, what: str) -> dict[str, str]:
    """Named texts, such as tags, as a dictionary of its own.

    Raises:
        InvalidData: a name or a value is no text.
    """
    return {
        check_text(key, f"the name of a {what}", needed=True): check_text(value, f"{what} {key!r}")
        for key, value in named(values, what).items()
    }


def named(values: Mapping[str, Any] | None, what: str) -> Mapping[str, Any]:
    """The values by name; none are no names.

    >>> named(["c"], "parameter")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: each parameter has a name: {name: value, …}, not list.

    Raises:
        InvalidData: these have no names.
    """
    if values is None or isinstance(values, Mapping):
        return values or {}
    raise InvalidData(f"each {what} has a name: {{name: value, …}}, not {type(values).__name__}.")


def scalar(key: str, value: Any) -> Scalar:
    """A parameter's value as a plain Python scalar; a NumPy scalar becomes one.

    Raises:
        InvalidData: a list, a dictionary or an object.
    """
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
    if isinstance(plain, str):
        return check_text(str(plain), f"parameter {key!r}")
    if plain is None or isinstance(plain, bool):
        return plain
    if isinstance(plain, int):
        return int(plain)
    if isinstance(plain, float):
        return float(plain)
    raise InvalidData(
        f"parameter {key!r} is a {type(value).__name__}; parameters are text, numbers, true or false, or None, so"
        " write it as text."
    )


def figure(key: str, value: Any) -> float:
    """A metric's value as a float; NaN and infinity stay what they are.

    >>> figure("auc", 1)
    1.0

    Raises:
        InvalidData: this is no real number.
    """
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
    if isinstance(plain, bool) or not isinstance(plain, numbers.Real):
        raise InvalidData(f"metric {key!r} is {value!r}; a metric is one real number.")
    try:
        return float(plain)
    except OverflowError:
        raise InvalidData(f"metric {key!r} is too large for a floating-point number.") from None


def spoken(value: Any) -> Any:
    """The value that `jsonable(value, nan="tagged")` wrote down."""
    return float(value["float"]) if isinstance(value, dict) else value


_SCHEMA = """
CREATE TABLE runs (run_id TEXT PRIMARY KEY, name TEXT NOT NULL, started TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX runs_by_name ON runs (name, started);
CREATE TRIGGER runs_stay BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'a run is written once'); END;
CREATE TRIGGER runs_are_kept BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'a run is never deleted'); END;
"""


@dataclass(frozen=True, repr=False)
class Run:
    """One finished attempt: what went in, what came out, who and when. Times are UTC.

    `inputs` maps a role to a fingerprint, such as `{"training_set": "sha256:…"}`; `artifact` is the fingerprint of
    the model's bytes, or None. A metric may be NaN or infinite: it is kept as it was measured.

    >>> from mlops_lab.base.clock import parse_utc
    >>> day = parse_utc("2014-01-01")
    >>> run = Run(run_id="0" * 32, name="late", params={"c": 1.0}, metrics={"auc": 0.7}, tags={}, inputs={},
    ...           artifact=None, author="ada", started=day, ended=day)
    >>> run, run.metrics["auc"]
    (Run(late, 00000000, auc=0.7), 0.7)
    """

    run_id: str
    name: str
    params: dict[str, Scalar] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    artifact: str | None = None
    author: str = ""
    started: datetime = field(kw_only=True)
    ended: datetime = field(kw_only=True)

    def __repr__(self) -> str:
        figures = "".join(f", {key}={value:.4g}" for key, value in sorted(self.metrics.items())[:3])
        return f"Run({self.name}, {self.run_id[:8]}{figures})"

    def row(self) -> dict[str, str]:
        """The run as one line of a table: its name, tags and first figures; ids differ from machine to machine."""
        figures = {key: f"{value:.3f}" for key, value in sorted(self.metrics.items()) if key.count(".") == 1}
        return {"run": self.name, "author": self.author, **self.tags, **figures}

    def line(self) -> str:
        """The same as a line of text."""
        told = ", ".join(f"{key} {value}" for key, value in self.row().items() if key != "run" and value)
        return f"{self.name}: {told}"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        title = f"{self.name}, by {self.author}" if self.author else self.name
        params = {key: str(value) for key, value in self.params.items()}
        kinds = sorted({key.partition(".")[0] for key in self.metrics if "." in key})
        names = dict.fromkeys(key.partition(".")[2] for key in self.metrics if "." in key)
        found = {name: [self.metrics.get(f"{kind}.{name}") for kind in kinds] for name in names}
        rows = [(name, *("" if one is None else f"{one:.3f}" for one in figures)) for name, figures in found.items()]
        told = [f"  {name}: {value}" for name, value in params.items()]
        told += [f"  {name}: {', '.join(map(' '.join, zip(kinds, row, strict=True)))}" for name, *row in rows]
        tables = [facts(title, params), *[html_table("metrics", ("", *kinds), rows)] * bool(rows)]
        return shown("\n".join([title, *told]), *tables)

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON values; figures JSON has no word for are written as {"float": "nan"}."""
        return {
            "name": self.name,
            "params": jsonable(self.params, nan="tagged"),
            "metrics": jsonable(self.metrics, nan="tagged"),
            "tags": dict(self.tags),
            "inputs": dict(self.inputs),
            "artefact": self.artifact,  # as version 0.1 spelled it: the id is made of this
            "author": self.author,
            "started": self.started.isoformat(),
            "ended": self.ended.isoformat(),
        }


class Tracker:
    """The log of runs of one home folder, in `tracking.db`, beside the `artifacts` they made.

    Like MLflow tracking (https://mlflow.org/docs/latest/tracking), simplified: a run is logged once, when it has
    ended, and never changed; its id is made of its content, so logging the same run again (a retried task) gives
    the same run, not a second one.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker = Tracker(home, clock=FakeClock())
    ...     run = tracker.log_run("late", params={"c": 1.0}, metrics={"auc": 0.7041}, author="ada")
    ...     same = tracker.log_run("late", params={"c": 1.0}, metrics={"auc": 0.7041}, author="ada")
    ...     print(run, run == same, tracker.get_run(run.run_id) == run, tracker.search_runs(name="late"))
    ...     tracker.close()
    Run(late, 92257ebb, auc=0.7041) True True (Run(late, 92257ebb, auc=0.7041),)

    Raises:
        HomeError: the home folder cannot be read or written.
        IntegrityError: `tracking.db` is damaged.
    """

    def __init__(self, home: str | Path, *, clock: Clock | None = None, create: bool = True) -> None:
        """`create=False` makes no file before the first run is logged."""
        self.home = Path(home)
        self.clock = SystemClock() if clock is None else clock
        self.artifacts = ArtifactStore(home)
        self._database = Database(
            self.home / "tracking.db", kind="run log", application_id=0x4D4C5452, version=1, schema=_SCHEMA,
            create=create,
        )  # fmt: skip

    def __repr__(self) -> str:
        return "Tracker()"

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._database.close()

    def log_run(
        self,
        name: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        artifact: str | None = None,
        author: str = "",
        started: datetime | None = None,
        ended: datetime | None = None,
        example: pd.DataFrame | None = None,
    ) -> Run:
        """Log one run; on disk, for good, when this returns.

        `params` are JSON scalars, `metrics` real numbers, `tags` and `inputs` text. Times default to now. `example`
        is a few rows as the model reads them, for a tracker that keeps a signature with a model, as MLflow's does;
        it is no part of the run, and this tracker does not keep it.

        Raises:
            InvalidData: a value of another kind, a time without a zone, an end before its start.
            UnknownName: the artifact is not in the store; save it first.
            HomeError: the disk refuses.
        """
        given, measured = named(params, "parameter").items(), named(metrics, "metric").items()
        now = self.clock.now()
        began = now if started is None else to_utc(started)
        finished = max(began, now) if ended is None else to_utc(ended)
        if finished < began:
            raise InvalidData(f"run {name!r} ends at {finished.isoformat()}, before it starts at {began.isoformat()}.")
        if artifact is not None and artifact not in self.artifacts:
            raise UnknownName("artifact", artifact, self.artifacts)
        run = Run(
            run_id="",
            name=check_text(name, "the name of a run", needed=True),
            params={check_text(key, "a parameter's name"): scalar(key, value) for key, value in given},
            metrics={check_text(key, "a metric's name"): figure(key, value) for key, value in measured},
            tags=check_texts(tags, "tag"),
            inputs=check_texts(inputs, "input"),
            artifact=artifact,
            author=check_text(author, "an author").strip(),
            started=began,
            ended=finished,
        )
        run = Run(**{**vars(run), "run_id": _run_id(run)})
        self._keep(run, example)
        return run

    def get_run(self, run_id: str) -> Run:
        """The run of this id, verified against it.

        Raises:
            UnknownName: no such run.
            IntegrityError: the run's content is not what its id was made of.
        """
        found, known = self._found(str(run_id))
        if found is None:
            raise UnknownName("run", run_id, known)
        return read_run(str(run_id), found)

    def search_runs(
        self,
        *,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        order_by: str = "started DESC",
        limit: int | None = None,
    ) -> tuple[Run, ...]:
        """The runs of a name, or with these tags, in an order: newest first unless told otherwise.

        `order_by` is `started`, `ended`, `name`, `metrics.NAME` or `params.NAME`, then ASC or DESC, as in MLflow's
        `search_runs`; a run without that figure, or with NaN, comes last either way. Ties go by run id.

        Raises:
            InvalidData: an order or a limit that means nothing.
        """
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise InvalidData(f"limit is {limit!r}; give a whole number from 0 up, or nothing for all runs.")
        kept = (read_run(run_id, body) for run_id, body in self._each(name))
        runs = [run for run in kept if named(tags, "tag").items() <= run.tags.items()]
        return Listing(in_order(runs, order_by)[:limit])

    def _keep(self, run: Run, example: pd.DataFrame | None) -> None:  # noqa: ARG002  what the table has no room for
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?) ON CONFLICT (run_id) DO NOTHING",
                (run.run_id, run.name, run.started.isoformat(), write_run(run)),
            )

    def _found(self, run_id: str) -> tuple[str | None, list[str]]:
        """What was written of a run; where there is none, some of the ids there are."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT body FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            if row is not None:
                return str(row[0]), []
            rows = connection.execute("SELECT run_id FROM runs ORDER BY run_id LIMIT 1000")
            return None, [each[0] for each in rows]

    def _each(self, name: str | None) -> list[tuple[str, str]]:
        """The ids of all runs, or of those of a name, in order, each with what was written of it."""
        with self._database.reading() as connection:
            where, values = ("WHERE name = ?", (name,)) if name is not None else ("", ())
            rows = connection.execute(f"SELECT run_id, body FROM runs {where} ORDER BY run_id", values)  # noqa: S608
            return [tuple(row) for row in rows]


def _run_id(run: Run) -> str:
    return fingerprint_json(run.to_dict()).removeprefix("sha256:")[:32]


def write_run(run: Run) -> str:
    """The run as a line of JSON, its id left out: the id is made of this."""
    return json.dumps(run.to_dict(), ensure_ascii=False, allow_nan=False)


def read_run(run_id: str, text: str) -> Run:
    """The run that `write_run` wrote, verified against its id.

    Raises:
        IntegrityError: the content is not what the id was made of.
    """
    try:
        body = json.loads(text)
        figures = {kind: {key: spoken(value) for key, value in body[kind].items()} for kind in ("params", "metrics")}
        times = {key: parse_utc(body[key]) for key in ("started", "ended")}
        artifact = body.pop("artefact")
        run = Run(**{**body, **figures, **times, "artifact": artifact, "run_id": run_id})
        found = _run_id(run)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IntegrityError(f"run {run_id}", expected="its content", found=str(error)) from None
    if found != run.run_id:
        raise IntegrityError(f"run {run.run_id}", expected=run.run_id, found=found)
    return run


_ORDER = re.compile(r"\s*(started|ended|name|(metrics|params)\.(.+?))(?:\s+(ASC|DESC))?\s*", re.IGNORECASE)


def in_order(runs: Iterable[Run], order_by: str) -> list[Run]:
    """The runs sorted by `started`, `ended`, `name`, `metrics.NAME` or `params.NAME`, ASC or DESC.

    What has no value there, or NaN, comes last either way; ties keep the order given.

    Raises:
        InvalidData: the order is none of these.
    """
    match = _ORDER.fullmatch(str(order_by))
    if match is None:
        raise InvalidData(
            f"cannot order runs by {order_by!r}; write started, ended, name, metrics.NAME or params.NAME, then ASC or"
            " DESC."
        )
    column, kind, key, direction = match.groups()

    def value(run: Run) -> Any:
        return getattr(run, kind.lower()).get(key) if kind else getattr(run, column.lower())

    there = [run for run in runs if not _is_missing(value(run))]
    missing = [run for run in runs if _is_missing(value(run))]
    # Parameters of one name may be of several kinds in different runs: numbers come before text.
    there.sort(key=lambda run: _comparable(value(run)), reverse=(direction or "ASC").upper() == "DESC")
    return there + missing


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _comparable(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value
