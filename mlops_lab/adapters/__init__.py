"""Who keeps the features, the runs and the models of a home folder: the course itself, or Feast and MLflow?

`open_feature_store`, `open_tracker` and `open_registry` give what the home folder was told to use, so that every task
in every process and every later command sees the same. All of them have the methods of `FeatureStore`, `Tracker` and
`Registry`; nothing that uses them changes.
"""

from __future__ import annotations

from mlops_lab.adapters.copying import Copied, copy_registry, move_registry
from mlops_lab.adapters.feast.differences import Difference, conformance, differences_of
from mlops_lab.adapters.feast.objects import to_feast
from mlops_lab.adapters.feast.store import FeastStore
from mlops_lab.pipeline.engines import (
    FEATURE_ENGINES,
    REGISTRY_ENGINES,
    Engines,
    choose_engines,
    engines_of,
    has_registry,
    open_feature_store,
    open_registry,
    open_tracker,
)

__all__ = [
    "FEATURE_ENGINES",
    "REGISTRY_ENGINES",
    "Copied",
    "Difference",
    "Engines",
    "FeastStore",
    "choose_engines",
    "conformance",
    "copy_registry",
    "differences_of",
    "engines_of",
    "has_registry",
    "move_registry",
    "open_feature_store",
    "open_registry",
    "open_tracker",
    "to_feast",
]
