"""What does a teacher need in the room: failures to show and to take back, and how far the class has come?

`FAULTS` are small scenes of the real package in a folder of their own: `break_it` does the damage and shows what the
real code says to it, `reset` brings the scene back. `read_class` turns the progress files of a class into one table.
"""

from __future__ import annotations

from mlops_lab.base.errors import UnknownName
from mlops_lab.teaching.classroom.answer_key import answer_key as answer_key
from mlops_lab.teaching.classroom.breaking_features import LATE_DATA, STALE_VIEW
from mlops_lab.teaching.classroom.breaking_registry import (
    BAD_CANARY,
    EDITED_HISTORY,
    LEAK,
    NAN_METRIC,
    SELF_APPROVAL,
    TAMPERED_ARTIFACT,
)
from mlops_lab.teaching.classroom.breaking_tasks import CYCLE, FLAKY_TASK, SKIPPED_GATE, UNPINNED_ACTION
from mlops_lab.teaching.classroom.fault import Fault as Fault
from mlops_lab.teaching.classroom.fault import Sight as Sight
from mlops_lab.teaching.classroom.learners import read_class as read_class
from mlops_lab.teaching.classroom.picture import draw_class as draw_class
from mlops_lab.teaching.classroom.scene import break_it as break_it
from mlops_lab.teaching.classroom.scene import reset as reset
from mlops_lab.teaching.classroom.scene import standing as standing

#: Every failure, in the order of the notebooks that teach it.
FAULTS: tuple[Fault, ...] = (
    LEAK,
    LATE_DATA,
    STALE_VIEW,
    NAN_METRIC,
    TAMPERED_ARTIFACT,
    EDITED_HISTORY,
    SELF_APPROVAL,
    FLAKY_TASK,
    CYCLE,
    SKIPPED_GATE,
    UNPINNED_ACTION,
    BAD_CANARY,
)


def find_fault(name: str) -> Fault:
    """The fault of this name.

    >>> find_fault("leak")
    Fault(leak, notebook 01)

    Raises:
        UnknownName: there is none.
    """
    for fault in FAULTS:
        if fault.name == name:
            return fault
    raise UnknownName("failure to show", name, [fault.name for fault in FAULTS])
