"""Where is the data? 336,776 real departures from New York in 2013 and the weather, shipped with the package.

Tables as recorded (`load_flights`, `load_weather`, …), the question asked of the model (`decisions`, `outcomes`), and
the feature sources computed from them, each row with the moment it describes and the moment it could be known.
"""

from __future__ import annotations

from mlops_lab.datasets.files import describe, load_table, verify_data
from mlops_lab.datasets.questions import decisions, outcomes
from mlops_lab.datasets.tables import load_airlines, load_airports, load_flights, load_planes, load_weather

__all__ = [
    "decisions",
    "describe",
    "load_airlines",
    "load_airports",
    "load_flights",
    "load_planes",
    "load_table",
    "load_weather",
    "outcomes",
    "verify_data",
]
