"""Features as they were known: defined once, joined as of any moment for training, kept at hand for serving.

`definitions` and `source` say what there is, `selection` what of it is asked for and computed on demand;
`point_in_time` is the join, in 22 plain lines and made fast, with `columns` turning frames into whole numbers;
`offline` joins; `online` serves; `catalogue` remembers definitions; `store` is the face of it all.
"""

from __future__ import annotations

from mlops_lab.data.features.catalogue import Applied as Applied
from mlops_lab.data.features.definitions import Entity as Entity
from mlops_lab.data.features.definitions import FeatureService as FeatureService
from mlops_lab.data.features.definitions import FeatureView as FeatureView
from mlops_lab.data.features.definitions import Field as Field
from mlops_lab.data.features.definitions import OnDemandFeatureView as OnDemandFeatureView
from mlops_lab.data.features.definitions import RequestSource as RequestSource
from mlops_lab.data.features.offline import TrainingSet as TrainingSet
from mlops_lab.data.features.online import Materialized as Materialized
from mlops_lab.data.features.online import OnlineResponse as OnlineResponse
from mlops_lab.data.features.source import Source as Source
from mlops_lab.data.features.store import FeatureStore as FeatureStore
