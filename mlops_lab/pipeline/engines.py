"""The engines of a home folder: who keeps its features, and who its runs and models.

The choice is a small file of the home folder, `engines.json`. The adapters are found by name in a table, and imported
when they are asked for: the core knows of their names only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mlops_lab.base.clock import Clock
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, MissingExtra, UnknownName
from mlops_lab.base.storage import write_atomically
from mlops_lab.data.features import FeatureStore
from mlops_lab.models.registry import Registry
from mlops_lab.models.tracking import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterable


FEATURE_ENGINES = ("embedded", "feast")
REGISTRY_ENGINES = ("embedded", "mlflow")
_FILE = "engines.json"
# What opens a part of a home folder with an engine: module and name. Another engine is another line.
_ADAPTERS = {
    ("feature store", "feast"): "mlops_lab.adapters.feast.store:FeastStore",
    ("tracker", "mlflow"): "mlops_lab.adapters.mlflow.tracker:MlflowTracker",
    ("registry", "mlflow"): "mlops_lab.adapters.mlflow.registry:MlflowRegistry",
    ("connection", "mlflow"): "mlops_lab.adapters.mlflow.connection:connect",
}


def _adapter(part: str, engine: str) -> Any:
    module, _, name = _ADAPTERS[part, engine].partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class Engines:
    """Who keeps what. `registry` keeps runs and models alike; `registry_uri` is MLflow's, None for the home folder's.

    >>> Engines(registry="mlflow")
    Engines(features='embedded', registry='mlflow', registry_uri=None)
    """

    features: str = "embedded"
    registry: str = "embedded"
    registry_uri: str | None = None


def engines_of(home: str | Path) -> Engines:
    """The engines of a home folder; the embedded ones unless it was told otherwise.

    Raises:
        IntegrityError: the file that says so is damaged.
        HomeError: it cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     engines_of(home)
    Engines(features='embedded', registry='embedded', registry_uri=None)
    """
    path = Path(home) / _FILE
    try:
        found = json.loads(path.read_text("utf-8"))
        engines = Engines(**found)
        _check("features engine", engines.features, FEATURE_ENGINES)
        _check("registry engine", engines.registry, REGISTRY_ENGINES)
    except (FileNotFoundError, NotADirectoryError):
        return Engines()
    except OSError as error:
        raise HomeError(home, error.strerror or str(error)) from None
    except (ValueError, TypeError, UnknownName) as error:
        raise IntegrityError(_FILE, expected="the engines of a home folder", found=str(error)) from None
    return engines


def choose_engines(
    home: str | Path, *, features: str | None = None, registry: str | None = None, registry_uri: str | None = None
) -> Engines:
    """Tell a home folder which engines to use from now on; what is left out stays as it is.

    A home folder that keeps something already keeps its engine: features are defined again elsewhere, and a registry
    is copied, not left behind.

    Args:
        home: the home folder; it is made when there is none.
        features: one of `FEATURE_ENGINES`.
        registry: one of `REGISTRY_ENGINES`.
        registry_uri: MLflow's tracking URI, such as http://127.0.0.1:5000; a SQLite file of the home folder if None.

    Raises:
        UnknownName: there is no such engine.
        MissingExtra: the engine is not installed.
        InvalidData: the home folder has content of another engine, or a URI that no engine asks for.
        HomeError: MLflow does not answer at that URI.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     choose_engines(home, registry="mlfow")
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no registry engine 'mlfow'; there is: embedded, mlflow. Did you mean 'mlflow'?
    """
    home, before = Path(home), engines_of(home)
    chosen = before
    if features is not None:
        chosen = replace(chosen, features=_check("features engine", features, FEATURE_ENGINES))
    if registry is not None:
        uri = registry_uri if registry_uri is not None else before.registry_uri if registry == before.registry else None
        chosen = replace(chosen, registry=_check("registry engine", registry, REGISTRY_ENGINES), registry_uri=uri)
    elif registry_uri is not None:
        chosen = replace(chosen, registry_uri=registry_uri)
    if chosen.registry_uri is not None and chosen.registry != "mlflow":
        raise InvalidData(f"registry_uri is {chosen.registry_uri!r}, but only the registry engine mlflow has one.")
    for engine in (chosen.features, chosen.registry):
        if engine != "embedded" and find_spec(engine) is None:
            raise MissingExtra(engine)
    if chosen.features != before.features and _keeps_features(home):
        raise InvalidData(
            f"the home folder {home} keeps its features with {before.features}; choose another home folder for"
            f" {chosen.features}: features are defined and materialised again there, there is nothing to copy."
        )
    if (chosen.registry, chosen.registry_uri) != (before.registry, before.registry_uri) and _keeps_versions(home):
        raise InvalidData(
            f"the home folder {home} keeps its registry with {before.registry}; copy it, history included, with:"
            f" mlops-lab registry copy --to {chosen.registry}"
        )
    if chosen != before:
        if chosen.registry_uri is not None:
            connect = _adapter("connection", chosen.registry)
            connect(home, chosen.registry_uri)  # a wrong address is told now, and not remembered
        save_engines(home, chosen)
    return chosen


def save_engines(home: Path, engines: Engines) -> None:
    """Write the choice down, whole or not at all."""
    try:
        write_atomically(home / _FILE, json.dumps(asdict(engines), indent=2))
    except OSError as error:
        raise HomeError(home, error.strerror or str(error)) from None


def has_registry(home: str | Path) -> bool:
    """Does this home folder have a registry, or know where one is? Looking makes none."""
    return engines_of(home).registry != "embedded" or (Path(home) / "registry.db").exists()


def open_feature_store(home: str | Path, *, clock: Clock) -> FeatureStore:
    """The feature store of a home folder, with the engine that it was told to use."""
    engine = engines_of(home).features
    if engine == "embedded":
        return FeatureStore(home, clock=clock)
    return cast(FeatureStore, _adapter("feature store", engine)(Path(home).absolute(), clock=clock))


def open_tracker(home: str | Path, *, clock: Clock, engines: Engines | None = None) -> Tracker:
    """The log of runs of a home folder, with the engine that it was told to use."""
    engines = engines_of(home) if engines is None else engines
    if engines.registry == "embedded":
        return Tracker(home, clock=clock)
    return cast(Tracker, _adapter("tracker", engines.registry)(home, clock=clock, uri=engines.registry_uri))


def open_registry(home: str | Path, *, clock: Clock, engines: Engines | None = None) -> Registry:
    """The registry of a home folder, with the engine that it was told to use."""
    engines = engines_of(home) if engines is None else engines
    if engines.registry == "embedded":
        return Registry(home, clock=clock)
    return cast(Registry, _adapter("registry", engines.registry)(home, clock=clock, uri=engines.registry_uri))


def _check(what: str, name: str, known: Iterable[str]) -> str:
    if name not in known:
        raise UnknownName(what, name, known)
    return name


def _keeps_features(home: Path) -> bool:
    return (home / "features.db").exists() or (home / "feast").exists()


def _keeps_versions(home: Path) -> bool:
    if engines_of(home).registry != "embedded":
        return True
    kept: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("tracking.db", lambda: _any_run(home)),
        ("registry.db", lambda: _any_event(home)),
    )
    return any((home / name).exists() and filled() for name, filled in kept)


def _any_run(home: Path) -> bool:
    with closing(Tracker(home)) as tracker:
        return bool(tracker.search_runs(limit=1))


def _any_event(home: Path) -> bool:
    with closing(Registry(home)) as registry:
        return bool(registry.history())
