"""What does a teacher need in the room: failures to show and to take back, and how far the class has come?

`FAULTS` are small scenes of the real package in a folder of their own: `break_it` does the damage and shows what the
real code says to it, `reset` brings the scene back. `read_class` turns the progress files of a class into one table.
"""

from __future__ import annotations

from mlops_lab.teaching.classroom.answer_key import answer_key
from mlops_lab.teaching.classroom.catalogue import FAULTS, find_fault
from mlops_lab.teaching.classroom.fault import Fault, Sight
from mlops_lab.teaching.classroom.learners import ClassReport, Learner, read_class
from mlops_lab.teaching.classroom.picture import draw_class
from mlops_lab.teaching.classroom.scene import Broken, break_it, reset, standing

__all__ = [
    "FAULTS",
    "Broken",
    "ClassReport",
    "Fault",
    "Learner",
    "Sight",
    "answer_key",
    "break_it",
    "draw_class",
    "find_fault",
    "read_class",
    "reset",
    "standing",
]
