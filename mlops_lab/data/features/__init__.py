"""Features as they were known: defined once, joined as of any moment for training, kept at hand for serving.

`definitions` and `source` say what there is; `visibility` is the point-in-time join on whole numbers, with `columns`,
`times` and `keys` turning frames into those; `offline` joins; `online` serves; `catalogue` remembers definitions;
`store` is the face of it all.
"""

from __future__ import annotations

from mlops_lab.data.features.catalogue import Applied
from mlops_lab.data.features.definitions import Entity, FeatureService, FeatureView, Field
from mlops_lab.data.features.online import Materialized, OnlineResponse
from mlops_lab.data.features.source import Source
from mlops_lab.data.features.store import FeatureStore
from mlops_lab.data.features.training_set import TrainingSet

__all__ = [
    "Applied",
    "Entity",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "Field",
    "Materialized",
    "OnlineResponse",
    "Source",
    "TrainingSet",
]
