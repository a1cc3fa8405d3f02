"""Where is the data? 336,776 real departures from New York in 2013 and the weather, shipped with the package.

Tables as recorded (`load_flights`, `load_weather`, …), the question asked of the model (`decisions`, `outcomes`), and
the feature sources computed from them, each row with the moment it describes and the moment it could be known.
"""

from __future__ import annotations

from mlops_lab.data.flights.questions import decisions as decisions
from mlops_lab.data.flights.questions import outcomes as outcomes
from mlops_lab.data.flights.sources import aircraft_last_leg as aircraft_last_leg
from mlops_lab.data.flights.sources import airport_departures as airport_departures
from mlops_lab.data.flights.sources import airport_weather as airport_weather
from mlops_lab.data.flights.sources import carrier_departures as carrier_departures
from mlops_lab.data.flights.sources import daily_airport as daily_airport
from mlops_lab.data.flights.sources import daily_carrier as daily_carrier
from mlops_lab.data.flights.sources import daily_route as daily_route
from mlops_lab.data.flights.sources import daily_weather as daily_weather
from mlops_lab.data.flights.sources import flight_schedule as flight_schedule
from mlops_lab.data.flights.tables import describe as describe
from mlops_lab.data.flights.tables import load_flights as load_flights
from mlops_lab.data.flights.tables import load_table as load_table
from mlops_lab.data.flights.tables import load_weather as load_weather
from mlops_lab.data.flights.tables import verify_data as verify_data
