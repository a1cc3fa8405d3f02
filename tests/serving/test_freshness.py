"""A server does not go on answering by key from an online store that nobody fills any longer."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.data.features import Entity, FeatureService, FeatureStore, FeatureView, Field, Source
from mlops_lab.delivery.server.bodies import RequestError
from mlops_lab.delivery.server.predictor import Lookup


@pytest.mark.parametrize(
    ("max_age", "later", "refused"),
    [
        (timedelta(hours=72), timedelta(hours=71), False),
        (timedelta(hours=72), timedelta(hours=73), True),
        (None, timedelta(days=9000), False),
    ],
)
def test_features_that_nobody_fills_any_longer_are_refused(tmp_path, max_age, later, refused):
    rows = pd.DataFrame({"origin": ["EWR"], "wind": [3.5], "event_timestamp": pd.to_datetime(["2013-01-01T06:00Z"])})
    airport, fields = Entity("airport", join_keys=["origin"]), [Field("wind", "float64")]
    view = FeatureView("weather", entities=[airport], ttl=None, schema=fields, source=Source("rows", rows))
    store = FeatureStore(tmp_path)
    store.apply([view, FeatureService("known", [view])])
    store.materialize("2013-01-01T07:00Z")
    clock = FakeClock(store.materialized_at("weather").to_pydatetime() + timedelta(minutes=1))
    lookup = Lookup(tmp_path, "known", max_age=max_age, clock=clock)
    first = lookup.features({"origin": ["EWR"]})
    clock.sleep(later.total_seconds())

    if refused:
        with pytest.raises(RequestError, match=r"last materialised 73 hours ago.*none that are older than 72"):
            lookup.features({"origin": ["EWR"]})
    else:
        assert lookup.features({"origin": ["EWR"]}) == first
