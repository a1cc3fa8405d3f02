"""The flights of the course: their features, their gate and the problem that they make."""

from mlops_lab.pipeline.flights.problem import (
    AIRPORTS,
    FLIGHTS,
    FLIGHTS_POLICY,
    LABEL,
    MODEL_NAME,
    SERVICES,
    SLICE,
    flight_objects,
    flight_services,
    flight_store,
    flights_pipeline,
    labelled_flights,
    run_flights,
)
from mlops_lab.pipeline.problem import OUTCOMES, canary_traffic, get_json, get_training_set, outcome

__all__ = [
    "AIRPORTS",
    "FLIGHTS",
    "FLIGHTS_POLICY",
    "LABEL",
    "MODEL_NAME",
    "OUTCOMES",
    "SERVICES",
    "SLICE",
    "canary_traffic",
    "flight_objects",
    "flight_services",
    "flight_store",
    "flights_pipeline",
    "get_json",
    "get_training_set",
    "labelled_flights",
    "outcome",
    "run_flights",
]
