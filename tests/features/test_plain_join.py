"""The plain form of the join against the fast one, on random rows and on the flights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source
from mlops_lab.data.features.point_in_time import plain_join

T = pd.Timestamp("2024-01-01", tz="UTC").as_unit("ns")


@pytest.mark.parametrize("keys", [[], ["a"], ["a", "b"]], ids=lambda keys: "+".join(keys) or "no key")
@pytest.mark.parametrize("created", [None, "created"])
@pytest.mark.parametrize("ttl", [None, pd.Timedelta("20s")])
@pytest.mark.parametrize("seed", range(4))
def test_the_plain_join_equals_the_fast_one(keys, created, ttl, seed, tmp_path):
    random = np.random.default_rng(seed)

    def table(size):
        return pd.DataFrame(
            {
                "a": random.choice(["x", "y", None], size),
                "b": pd.Series(random.integers(0, 3, size), dtype="Int64"),
                "event_timestamp": T + pd.to_timedelta(random.integers(0, 60, size), "s"),
            }
        )

    rows = table(200).assign(created=T + pd.to_timedelta(random.integers(0, 90, 200), "s"), v=np.arange(200.0))
    asked = table(100)
    entities = [Entity("a"), Entity("b", value_type="int64")][: len(keys)]
    source = Source("rows", rows, created_timestamp_column=created)
    store = FeatureStore(tmp_path)
    store.apply(FeatureView("f", entities=entities, schema=[Field("v", "float64")], ttl=ttl, source=source))

    fast = store.get_historical_features(asked, features=["f:v"]).frame["v"]
    plain = plain_join(asked, rows, keys=keys, features=["v"], created=created, ttl=ttl)["v"]

    np.testing.assert_array_equal(plain.to_numpy(), fast.to_numpy())
