"""Which version answers, and is it the one that was registered?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import IntegrityError, InvalidData, NotAllowed
from mlops_lab.delivery.server.scorer import Columns, Scorer, compiled_scorer, estimator_scorer, kinds_of
from mlops_lab.models.registry import ModelVersion, Registry
from mlops_lab.pipeline.engines import open_registry, open_tracker

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ServedModel", "load_served_model"]


@dataclass(frozen=True, repr=False)
class ServedModel:
    """A version in memory, ready to answer.

    Attributes: `name`, `version`, `artefact` (the fingerprint of its bytes), `service` (the feature service it learnt
    from, "" when its run does not say), `kinds` (for each feature, in order, `number` or `text`), `score` (from columns
    to probabilities), `compiled` (is `score` the fast one?).

    >>> import numpy as np
    >>> model = ServedModel("late", 2, "sha256:0", "as_known", {"hour": "number"},
    ...                     lambda columns: np.asarray(columns["hour"]) / 24)
    >>> model, model.predict({"hour": [6.0, 18.0]})
    (ServedModel(late v2, 1 features), [0.25, 0.75])
    """

    name: str
    version: int
    artefact: str
    service: str
    kinds: Mapping[str, str]
    score: Scorer
    compiled: bool = False

    def __repr__(self) -> str:
        return f"ServedModel({self.name} v{self.version}, {len(self.kinds)} features)"

    def predict(self, columns: Columns) -> list[float]:
        """The probability of yes for every row, between 0 and 1.

        Raises:
            IntegrityError: the model gave no probability, so nothing it says can be passed on.
        """
        found: np.ndarray[Any, Any] = self.score(columns)
        answer: list[float] = found.tolist()
        if not all(0.0 <= one <= 1.0 for one in answer):
            worst = next(one for one in answer if not 0.0 <= one <= 1.0)
            raise IntegrityError(f"the answer of {self.name} v{self.version}", expected="0 to 1", found=str(worst))
        return answer


def load_served_model(
    home: str | Path, name: str, *, version: int | str = "champion", archived: bool = False
) -> ServedModel:
    """Load a version from the registry of a home folder, once its bytes and its types are known to be good.

    Args:
        home: the home folder.
        name: the registered model.
        version: its number, or an alias.
        archived: may it be one that is out of Production? While a canary runs, the former version is.

    Raises:
        UnknownName: there is no such model, version or alias.
        IntegrityError: the bytes are not those that were registered.
        NotAllowed: the file holds types that are not trusted, or the version is archived.
        InvalidData: it is no classifier of one yes-or-no question.
        HomeError: the home folder cannot be read.

    >>> import tempfile
    >>> import pandas as pd
    >>> from sklearn.dummy import DummyClassifier
    >>> from mlops_lab.models.tracking import Tracker
    >>> estimator = DummyClassifier().fit(pd.DataFrame({"hour": [6, 7, 18, 19]}), [0, 0, 0, 1])
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker = Tracker(home)
    ...     run = tracker.log_run("train", artefact=tracker.artefacts.save_model(estimator), author="ada")
    ...     version = Registry(home).register_model(run, "late")
    ...     load_served_model(home, "late", version=1).predict({"hour": [8.0]})
    [0.25]
    """
    clock = SystemClock()
    registry, tracker = open_registry(home, clock=clock), open_tracker(home, clock=clock)
    try:
        found = _version(registry, name, version)
        # While a canary runs the champion is out of the stage Production, and is still the one that answers.
        if found.stage == "Archived" and not archived and "champion" not in found.aliases:
            raise NotAllowed(f"{found.name} v{found.version} is archived; what was taken out of service is not served.")
        estimator = tracker.artefacts.load_model(found.artefact)
        params = tracker.get_run(found.run_id).params
    finally:
        registry.close()
        tracker.close()
    classes = getattr(estimator, "classes_", ())
    if len(classes) != 2 or not hasattr(estimator, "predict_proba") or not hasattr(estimator, "feature_names_in_"):
        raise InvalidData(
            f"{found.name} v{found.version} is no classifier of a yes-or-no question that knows its columns."
        )
    fast = compiled_scorer(estimator)
    return ServedModel(
        found.name,
        found.version,
        found.artefact,
        str(params.get("feature_service", "")),
        kinds_of(estimator),
        fast or estimator_scorer(estimator),
        compiled=fast is not None,
    )


def _version(registry: Registry, name: str, version: int | str) -> ModelVersion:
    if isinstance(version, int):
        return registry.get_model_version(name, version)
    return registry.get_by_alias(name, version)
