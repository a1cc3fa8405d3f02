"""Other engines in the place of a part of the course, and what they make of the same pipeline.

asking     how is an engine asked, in a process and an environment of its own?
running    what do the same runs look like on each?        comparing, compare    how do they differ?
answering  what if somebody has to agree there?            planted    DAGs that show an engine's manners
chance     DAGs that chance draws, to see whether engines agree
in_airflow, in_prefect, airflow_service    the other end of `asking`
"""

from __future__ import annotations

from mlops_lab.adapters.engines.answering import Answered, run_and_answer
from mlops_lab.adapters.engines.asking import ask, python_of
from mlops_lab.adapters.engines.comparing import Comparison, compare_engines, live_comparison, stored_comparison
from mlops_lab.adapters.engines.running import ENGINES, Answer, Asked, Record, Verdict, run_all

__all__ = [
    "ENGINES",
    "Answer",
    "Answered",
    "Asked",
    "Comparison",
    "Record",
    "Verdict",
    "ask",
    "compare_engines",
    "live_comparison",
    "python_of",
    "run_all",
    "run_and_answer",
    "stored_comparison",
]
