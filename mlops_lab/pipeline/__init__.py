"""How does the whole course run? The flights pipeline, from the shipped data to a model at work."""

from mlops_lab.pipeline.code import code_version
from mlops_lab.pipeline.definitions import SERVICES, flight_objects, flight_services
from mlops_lab.pipeline.delivery import canary_traffic
from mlops_lab.pipeline.flights import OUTCOMES, flights_pipeline, outcome, run_flights
from mlops_lab.pipeline.frames import get_json, get_training_set, put_json, put_training_set
from mlops_lab.pipeline.one_task import run_one_task, said_no
from mlops_lab.pipeline.policy import AIRPORTS, FLIGHTS_POLICY
from mlops_lab.pipeline.report import model_report
from mlops_lab.pipeline.seasons import FLIGHTS_DRIFT, Season, season_drift, seasons_table
from mlops_lab.pipeline.steps import LABEL, MODEL_NAME, SLICE, flight_store, labelled_flights

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
