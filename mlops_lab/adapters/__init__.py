"""Who keeps the features, the runs and the models of a home folder: the course itself, or Feast and MLflow?

`open_feature_store`, `open_tracker` and `open_registry` give what the home folder was told to use, so that every task
in every process and every later command sees the same. All of them have the methods of `FeatureStore`, `Tracker` and
`Registry`; nothing that uses them changes.
"""

from __future__ import annotations

from mlops_lab.adapters.copying import copy_registry as copy_registry
from mlops_lab.adapters.copying import move_registry as move_registry
from mlops_lab.adapters.feast.objects import to_feast as to_feast
from mlops_lab.adapters.feast.store import FeastStore as FeastStore
from mlops_lab.pipeline.engines import Engines as Engines
from mlops_lab.pipeline.engines import choose_engines as choose_engines
from mlops_lab.pipeline.engines import engines_of as engines_of
from mlops_lab.pipeline.engines import open_feature_store as open_feature_store
from mlops_lab.pipeline.engines import open_registry as open_registry
from mlops_lab.pipeline.engines import open_tracker as open_tracker
