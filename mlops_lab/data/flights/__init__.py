"""Where is the data? 336,776 real departures from New York in 2013 and the weather, shipped with the package.

Tables as recorded (`load_flights`, `load_weather`, …), the question asked of the model (`decisions`, `outcomes`), and
the feature sources computed from them, each row with the moment it describes and the moment it could be known.
"""

from __future__ import annotations

from mlops_lab.data.flights.questions import decisions, outcomes
from mlops_lab.data.flights.sources import (
    aircraft_last_leg,
    airport_departures,
    airport_weather,
    carrier_departures,
    daily_airport,
    daily_carrier,
    daily_route,
    daily_weather,
    flight_schedule,
)
from mlops_lab.data.flights.tables import (
    describe,
    load_flights,
    load_table,
    load_weather,
    verify_data,
)

__all__ = [
    "aircraft_last_leg",
    "airport_departures",
    "airport_weather",
    "carrier_departures",
    "daily_airport",
    "daily_carrier",
    "daily_route",
    "daily_weather",
    "decisions",
    "describe",
    "flight_schedule",
    "load_flights",
    "load_table",
    "load_weather",
    "outcomes",
    "verify_data",
]
