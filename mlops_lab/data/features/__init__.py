"""Features as they were known: defined once, joined as of any moment for training, kept at hand for serving.

`definitions` and `source` say what there is, `selection` what of it is asked for; `plain_join` is the point-in-time
join in 22 lines, `point_in_time` the same made fast, with `columns` turning frames into whole numbers; `offline` joins;
`online` serves; `on_demand` computes; `catalogue` remembers definitions; `store` is the face of it all.
"""

from __future__ import annotations

from mlops_lab.data.features.catalogue import Applied
from mlops_lab.data.features.definitions import (
    Entity,
    FeatureService,
    FeatureView,
    Field,
    OnDemandFeatureView,
    RequestSource,
)
from mlops_lab.data.features.offline import TrainingSet
from mlops_lab.data.features.online import Materialized, OnlineResponse
from mlops_lab.data.features.source import Source
from mlops_lab.data.features.store import FeatureStore

__all__ = [
    "Applied",
    "Entity",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "Field",
    "Materialized",
    "OnDemandFeatureView",
    "OnlineResponse",
    "RequestSource",
    "Source",
    "TrainingSet",
]
