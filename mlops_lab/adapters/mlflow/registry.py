"""Which model is in Production, kept in MLflow: the same rules and history, and MLflow's own registry says the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from mlops_lab.adapters.mlflow.connection import MlflowRefused, connect
from mlops_lab.adapters.mlflow.history import MlflowHistory, NotNewest
from mlops_lab.adapters.mlflow.models import MlflowArtifacts, find_run
from mlops_lab.adapters.mlflow.tables import compare, show
from mlops_lab.adapters.mlflow.tracker import MlflowTracker
from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.errors import InvalidData
from mlops_lab.models.registry import ModelVersion, Registry
from mlops_lab.models.tracking import Run

_TRIES = 200
_LONGEST_KEY = 250
_P = ParamSpec("_P")
_R = TypeVar("_R")


def _until_first(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decide again, on what is there now, when somebody else has written first."""

    @wraps(method)
    def trying(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for _ in range(_TRIES):
            try:
                return method(*args, **kwargs)
            except NotNewest:
                continue
        raise MlflowRefused("", f"others write faster than {method.__name__} can decide; it was tried {_TRIES} times")

    return trying


class MlflowRegistry(Registry):
    """The registered models of an MLflow registry, with the methods and the rules of `Registry`.

    The history is kept in MLflow and decides; stages (deprecated there since 2.9), aliases, tags, the gate report and
    the approval are shown in MLflow's own registry (https://mlflow.org/docs/latest/ml/model-registry), where
    `models:/late_flights@champion` finds the champion. Whoever changes them there, past the gate, changes nothing that
    is read here, and `verify` says so.

    Differently from the embedded registry: a version's run has to be in the same MLflow, an alias has no dot, and tags
    that begin with mlops_lab. are taken.


    Raises:
        MissingExtra: MLflow is not installed.
        HomeError: the home folder, the database or the server refuses.
        IntegrityError: the history is damaged.
    """

    def __init__(self, home: str | Path, *, clock: Clock | None = None, uri: str | None = None) -> None:
        self.home = Path(home)
        self.clock = SystemClock() if clock is None else clock
        self._mlflow = connect(home, uri)
        self.artifacts = MlflowArtifacts(home, self._mlflow)
        self._history = MlflowHistory(self._mlflow, show=lambda tables, names: show(self._mlflow, tables, names))
        self._runs = MlflowTracker(home, clock=self.clock, uri=uri)
        self._database = self._history  # type: ignore[assignment]  # it has the methods that the registry uses

    def __repr__(self) -> str:
        return "MlflowRegistry()"

    def verify(self, *, head: str | None = None) -> int:
        """Read everything again, tell it again, and compare it with MLflow's own registry; the number of events.

        Raises:
            IntegrityError: with the first event at fault, or what MLflow says differently.
        """
        self._history.read_again()
        count = super().verify(head=head)
        with self._history.reading() as tables, self._mlflow.in_our_words():
            compare(self._mlflow, tables)
        return count

    @_until_first
    def register_model(
        self,
        run: Run,
        name: str,
        *,
        author: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Make the run's model the next version; see `Registry.register_model`.

        Raises:
            InvalidData: the run is not in this MLflow, or a tag begins with mlops_lab.
        """
        for key in tags or {}:
            _check_tag(key)
        if isinstance(run, Run) and run.artifact is not None:
            with self._mlflow.in_our_words():
                known = find_run(self._mlflow, str(run.run_id)) is not None
            if not known:
                raise InvalidData(f"run {run.run_id[:8]} is not in this MLflow; log it there first, and register that.")
        return super().register_model(run, name, author=author, description=description, tags=tags)

    @_until_first
    def set_alias(self, name: str, alias: str, version: int, *, actor: str = "unknown", why: str = "") -> ModelVersion:
        """Point an alias to a version; see `Registry.set_alias`.

        Raises:
            InvalidData: MLflow does not take the alias.
        """
        if isinstance(alias, str) and not re.fullmatch(r"[\w-]*", alias, re.ASCII) and re.fullmatch(r"[\w.-]+", alias):
            raise InvalidData(f"{alias!r} cannot be an alias in MLflow: only letters, digits, dashes and underscores.")
        return super().set_alias(name, alias, version, actor=actor, why=why)

    @_until_first
    def set_tag(
        self, name: str, version: int, key: str, value: str, *, actor: str = "unknown", why: str = ""
    ) -> ModelVersion:
        """Set one tag of a version; see `Registry.set_tag`.

        Raises:
            InvalidData: the key begins with mlops_lab.
        """
        _check_tag(key)
        return super().set_tag(name, version, key, value, actor=actor, why=why)

    # What writes in one transaction is decided again as a whole; `promote` finds its own first steps done.
    set_policy = _until_first(Registry.set_policy)
    request_approval = _until_first(Registry.request_approval)
    approve = _until_first(Registry.approve)
    reject = _until_first(Registry.reject)
    delete_alias = _until_first(Registry.delete_alias)
    record_event = _until_first(Registry.record_event)
    record_gate_report = _until_first(Registry.record_gate_report)
    transition_stage = _until_first(Registry.transition_stage)
    promote = _until_first(Registry.promote)
    rollback = _until_first(Registry.rollback)


def _check_tag(key: str) -> None:
    odd = isinstance(key, str) and not re.fullmatch(r"[\w\- :][\w.\- :]*(/[\w\- :][\w.\- :]*)*", key)
    if odd or str(key).startswith("mlops_lab.") or len(str(key)) > _LONGEST_KEY:
        raise InvalidData(
            f"{key!r} cannot be the name of a tag in MLflow: up to {_LONGEST_KEY} letters, digits, dots, dashes, colons"
            " and slashes; what begins with mlops_lab. is taken."
        )
