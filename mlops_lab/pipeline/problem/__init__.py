"""The pipeline of any problem: one description, from which everything that runs is made."""

from mlops_lab.pipeline.problem.assembly import OUTCOMES, outcome, pipeline_of, run_one_task, run_problem, said_no
from mlops_lab.pipeline.problem.delivery import (
    asked_rows,
    canary_policy,
    canary_traffic,
    check_policy,
    model_report,
    unit_of,
)
from mlops_lab.pipeline.problem.frames import get_json, get_training_set, put_json, put_training_set
from mlops_lab.pipeline.problem.home import (
    Remembered,
    has_changed,
    load_problem,
    problem_of,
    remember_problem,
    remembered,
    unconfirmed,
)
from mlops_lab.pipeline.problem.leaks import FeaturePicture, Leak, LeakReport, find_leaks
from mlops_lab.pipeline.problem.new import new_project
from mlops_lab.pipeline.problem.problem import Metric, Problem
from mlops_lab.pipeline.problem.proposal import Proposal, propose
from mlops_lab.pipeline.problem.seasons import Season, season_drift, seasons_table
from mlops_lab.pipeline.problem.shapes import feature_view, past_means, same_day_means
from mlops_lab.pipeline.problem.steps import code_version, latest_mark, problem_store

__all__ = [
    "OUTCOMES",
    "FeaturePicture",
    "Leak",
    "LeakReport",
    "Metric",
    "Problem",
    "Proposal",
    "Remembered",
    "Season",
    "asked_rows",
    "canary_policy",
    "canary_traffic",
    "check_policy",
    "code_version",
    "feature_view",
    "find_leaks",
    "get_json",
    "get_training_set",
    "has_changed",
    "latest_mark",
    "load_problem",
    "model_report",
    "new_project",
    "outcome",
    "past_means",
    "pipeline_of",
    "problem_of",
    "problem_store",
    "propose",
    "put_json",
    "put_training_set",
    "remember_problem",
    "remembered",
    "run_one_task",
    "run_problem",
    "said_no",
    "same_day_means",
    "season_drift",
    "seasons_table",
    "unconfirmed",
    "unit_of",
]
