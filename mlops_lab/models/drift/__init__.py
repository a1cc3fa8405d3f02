"""Is what is served today still what the model has learnt from?

stability   how far has one column moved?      policy   how far may it move?
monitor     which columns have moved, and does that ask for retraining?

The distances are SciPy's, which comes with scikit-learn; monitors such as Evidently or NannyML compute the same two and
draw more, at the price of eighty further packages.
"""

from __future__ import annotations

from mlops_lab.models.drift.monitor import (
    ColumnDrift,
    DriftPolicy,
    DriftReport,
    kolmogorov_smirnov,
    population_stability,
    watch_drift,
)

__all__ = [
    "ColumnDrift",
    "DriftPolicy",
    "DriftReport",
    "kolmogorov_smirnov",
    "population_stability",
    "watch_drift",
]
