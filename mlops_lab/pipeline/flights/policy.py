"""What does the flights pipeline demand of a model before it may reach Production?"""

from __future__ import annotations

from datetime import timedelta

from mlops_lab.models.gates import (
    Calibration,
    FirstModel,
    Floor,
    Freshness,
    GatePolicy,
    NoWorseThanChampion,
    NullRate,
    RowCount,
    Schema,
    ServedSkew,
    SliceFloor,
)

__all__ = ["AIRPORTS", "FLIGHTS_POLICY"]

#: The three airports: every one of them must be served well.
AIRPORTS = ("EWR", "JFK", "LGA")

#: The bounds were set before any model was trained, from what a rebooking desk needs: a model that ranks two flights
#: right in two cases of three, no airport left behind, and figures that hold in service.
FLIGHTS_POLICY = GatePolicy(
    [
        Floor("served.roc_auc", 0.66),
        FirstModel("served.roc_auc", 0.66),
        NoWorseThanChampion("served.roc_auc", 0.005),
        NoWorseThanChampion("served.brier", 0.002),
        SliceFloor("served.roc_auc", 0.62, slices=AIRPORTS),
        Calibration(0.05),
        ServedSkew("roc_auc", 0.02),
        Schema({"flight_id": "text", "origin": "text", "event_timestamp": "time", "late": "bool"}),
        RowCount(10_000),
        NullRate(0.0, columns=("flight_id", "origin", "event_timestamp", "late")),
        Freshness(timedelta(days=7)),
    ]
)
