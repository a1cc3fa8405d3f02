"""The exercises of the capstone: a new feature that is honest, well defined, good as served and through the gate."""

from __future__ import annotations

from mlops_lab.teaching.checks.capstone import judge_report, judge_rows, judge_service, judge_view
from mlops_lab.teaching.checks.exercise import read_exercises

EXERCISES = read_exercises(
    "nb09.toml", {"09.1": judge_rows, "09.2": judge_view, "09.3": judge_service, "09.4": judge_report}
)
