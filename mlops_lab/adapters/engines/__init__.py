"""Other engines in the place of a part of the course, and what they make of the same pipeline.

asking     how is an engine asked, in a process and an environment of its own?
running    what do the same runs look like on each?        comparing    how do they differ?
planted    DAGs that show an engine's manners
in_airflow, in_prefect, and the services that they start    the other end of `asking`
"""

from __future__ import annotations

from mlops_lab.adapters.engines.asking import ask, python_of
from mlops_lab.adapters.engines.comparing import Comparison, compare_engines, live_comparison, stored_comparison
from mlops_lab.adapters.engines.running import ENGINES, Answer, Asked, Record, Verdict, run_all

__all__ = [
    "ENGINES",
    "Answer",
    "Asked",
    "Comparison",
    "Record",
    "Verdict",
    "ask",
    "compare_engines",
    "live_comparison",
    "python_of",
    "run_all",
    "stored_comparison",
]
