"""What a run of the flights pipeline measured, so that the tests of the panels train nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from mlops_lab.base.clock import parse_utc
from mlops_lab.models.gates import DataProfile, Measured

AIRPORTS = ("EWR", "JFK", "LGA")
# run_flights as of 2013-07-01 with holdout_days=30: as_known from March, judged after a champion from April, and
# daily_averages; rounded. The notebook on the gate measures them again.
AS_KNOWN = {
    "offline.roc_auc": 0.7688,
    "served.roc_auc": 0.7688,
    "served.brier": 0.1750,
    "served.calibration_error": 0.0304,
}
AS_KNOWN_SLICES = (0.7542, 0.7809, 0.7748)
DAILY = {
    "offline.roc_auc": 0.8961,
    "served.roc_auc": 0.6327,
    "served.brier": 0.2479,
    "served.calibration_error": 0.1761,
}
DAILY_SLICES = (0.6255, 0.6436, 0.6286)
CHAMPION = {"served.roc_auc": 0.7717, "served.brier": 0.1739}


def _profile(at: datetime) -> DataProfile:
    columns = {"flight_id": "text", "origin": "text", "event_timestamp": "time", "late": "bool"}
    return DataProfile(113_888, columns, dict.fromkeys(columns, 0.0), at - timedelta(hours=4), at)


@pytest.fixture
def measured() -> dict[str, Measured]:
    data = _profile(parse_utc("2013-07-01"))
    return {
        name: Measured(
            {**figures, **{f"served.roc_auc.{part}": value for part, value in zip(AIRPORTS, slices, strict=True)}},
            champion=CHAMPION,
            data=data,
            holdout="sha256:" + "0" * 64,
        )
        for name, figures, slices in (
            ("as_known", AS_KNOWN, AS_KNOWN_SLICES),
            ("daily_averages", DAILY, DAILY_SLICES),
        )
    }
