"""The flights of the course: their features, their gate and the problem that they make."""

from mlops_lab.pipeline.flights.problem import AIRPORTS as AIRPORTS
from mlops_lab.pipeline.flights.problem import FLIGHTS as FLIGHTS
from mlops_lab.pipeline.flights.problem import FLIGHTS_POLICY as FLIGHTS_POLICY
from mlops_lab.pipeline.flights.problem import LABEL as LABEL
from mlops_lab.pipeline.flights.problem import MODEL_NAME as MODEL_NAME
from mlops_lab.pipeline.flights.problem import flight_objects as flight_objects
from mlops_lab.pipeline.flights.problem import flight_services as flight_services
from mlops_lab.pipeline.flights.problem import flight_store as flight_store
from mlops_lab.pipeline.flights.problem import flights_pipeline as flights_pipeline
from mlops_lab.pipeline.flights.problem import labelled_flights as labelled_flights
from mlops_lab.pipeline.flights.problem import run_flights as run_flights
from mlops_lab.pipeline.problem import OUTCOMES as OUTCOMES
from mlops_lab.pipeline.problem import canary_traffic as canary_traffic
from mlops_lab.pipeline.problem import get_json as get_json
from mlops_lab.pipeline.problem import get_training_set as get_training_set
from mlops_lab.pipeline.problem import outcome as outcome
