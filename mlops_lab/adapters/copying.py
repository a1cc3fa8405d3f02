"""How does a registry move to another engine with its whole history, and back?

Runs and models are logged again (their ids are made of their content, so they stay), and every event is written again
at the end of the other history: the same events give the same hashes, or the copy is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import IntegrityError, InvalidData, UnknownName
from mlops_lab.models.registry import Event, Registry
from mlops_lab.models.registry.history import append
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.engines import REGISTRY_ENGINES, engines_of, open_registry, open_tracker, save_engines

_STEP = 20  # events in one transaction of the other history


@dataclass(frozen=True)
class Copied:
    """What is now in the other registry, how much of it was written this time, and the hash both histories end in.

    >>> Copied(runs=1, events=4, head="sha256:0")
    Copied(runs=1, events=4, head='sha256:0')
    """

    runs: int
    events: int
    head: str


def move_registry(home: str | Path, *, to: str, uri: str | None = None, clock: Clock | None = None) -> Copied:
    """Copy the runs and the registry of a home folder to another engine, and use that one from now on.

    The former engine's files stay as they are. Moving back goes on where they end, when the other history is theirs
    with more at its end.

    Raises:
        UnknownName: there is no such engine.
        InvalidData: it is the engine in use, or the other registry has a history of its own.
        MissingExtra: the engine is not installed.
        IntegrityError: the registry does not verify, before or after.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     move_registry(home, to="embedded")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: the registry of this home folder is kept by embedded already.
    """
    if to not in REGISTRY_ENGINES:
        raise UnknownName("registry engine", to, REGISTRY_ENGINES)
    home, before = Path(home), engines_of(home)
    after = replace(before, registry=to, registry_uri=uri)
    if after == before or (to == before.registry == "embedded"):
        raise InvalidData(f"the registry of this home folder is kept by {to} already.")
    if uri is not None and to != "mlflow":
        raise InvalidData(f"a URI is MLflow's, and the registry is to be kept by {to}.")
    clock = SystemClock() if clock is None else clock
    with ExitStack() as stack:
        source = stack.enter_context(closing(open_registry(home, clock=clock)))
        runs = stack.enter_context(closing(open_tracker(home, clock=clock)))
        target = stack.enter_context(closing(open_registry(home, clock=clock, engines=after)))
        others = stack.enter_context(closing(open_tracker(home, clock=clock, engines=after)))
        copied = copy_registry(source, target, runs=runs, target_runs=others)
    save_engines(home, after)
    return copied


def copy_registry(source: Registry, target: Registry, *, runs: Tracker, target_runs: Tracker) -> Copied:
    """Copy all runs, their models and the whole history; what is there already is not copied again.

    Raises:
        InvalidData: the target's history is not the beginning of the source's.
        IntegrityError: the source does not verify, or the copy's hashes are not the source's.

    >>> import tempfile
    >>> from mlops_lab.base.clock import FakeClock
    >>> with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other, ExitStack() as stack:
    ...     (a, b), (c, d) = [
    ...         [stack.enter_context(closing(kind(home, clock=FakeClock()))) for kind in (Registry, Tracker)]
    ...         for home in (one, other)
    ...     ]
    ...     run = b.log_run("train", artifact=b.artifacts.put_bytes(b"model"), author="ada")
    ...     version = a.register_model(run, "late")
    ...     copied = copy_registry(a, c, runs=b, target_runs=d)
    ...     print(copied.runs, copied.events, copied.head == a.head(), c.get_model_version("late", 1) == version)
    1 1 True True
    """
    source.verify()
    events, there = source.history(), target.history()
    if [event.hash for event in there] != [event.hash for event in events[: len(there)]]:
        raise InvalidData(
            f"the other registry has a history of its own ({len(there)} events) that is not the beginning of this one"
            f" ({len(events)} events); copy into an empty one."
        )
    kept = runs.search_runs(order_by="started ASC")
    for run in kept:
        if run.artifact is not None and run.artifact not in target_runs.artifacts:
            target_runs.artifacts.put_bytes(runs.artifacts.get_bytes(run.artifact))
        values = {key: value for key, value in vars(run).items() if key not in ("run_id", "name")}
        again = target_runs.log_run(run.name, **values)
        if again.run_id != run.run_id:
            raise IntegrityError("a copied run", expected=run.run_id, found=again.run_id)
    for artifact in {version.artifact for version in source.search()}:
        if artifact not in target.artifacts:
            target.artifacts.put_bytes(source.artifacts.get_bytes(artifact))
    for part in _parts(events[len(there) :]):
        _write(target, part)
    target.verify(head=source.head())
    return Copied(len(kept), len(events) - len(there), target.head())


def _parts(events: tuple[Event, ...]) -> Iterator[tuple[Event, ...]]:
    for start in range(0, len(events), _STEP):
        yield events[start : start + _STEP]


def _write(target: Registry, events: tuple[Event, ...]) -> None:
    with target._database.transaction() as connection:
        for event in events:
            written = append(connection, event)
            if written.hash != event.hash:
                raise IntegrityError(f"event {event.seq} of the copy", expected=event.hash, found=written.hash)
