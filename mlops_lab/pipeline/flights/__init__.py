"""How does the whole course run? The flights pipeline, from the shipped data to a model at work."""

from mlops_lab.pipeline.flights.assembly import OUTCOMES, flights_pipeline, outcome, run_flights
from mlops_lab.pipeline.flights.code import code_version
from mlops_lab.pipeline.flights.definitions import SERVICES, flight_objects, flight_services
from mlops_lab.pipeline.flights.delivery import canary_traffic
from mlops_lab.pipeline.flights.frames import get_json, get_training_set, put_json, put_training_set
from mlops_lab.pipeline.flights.one_task import run_one_task, said_no
from mlops_lab.pipeline.flights.policy import AIRPORTS, FLIGHTS_POLICY
from mlops_lab.pipeline.flights.report import model_report
from mlops_lab.pipeline.flights.seasons import FLIGHTS_DRIFT, Season, season_drift, seasons_table
from mlops_lab.pipeline.flights.steps import LABEL, MODEL_NAME, SLICE, flight_store, labelled_flights, latest_mark

__all__ = [
    "AIRPORTS",
    "FLIGHTS_DRIFT",
    "FLIGHTS_POLICY",
    "LABEL",
    "MODEL_NAME",
    "OUTCOMES",
    "SERVICES",
    "SLICE",
    "Season",
    "canary_traffic",
    "code_version",
    "flight_objects",
    "flight_services",
    "flight_store",
    "flights_pipeline",
    "get_json",
    "get_training_set",
    "labelled_flights",
    "latest_mark",
    "model_report",
    "outcome",
    "put_json",
    "put_training_set",
    "run_flights",
    "run_one_task",
    "said_no",
    "season_drift",
    "seasons_table",
]
