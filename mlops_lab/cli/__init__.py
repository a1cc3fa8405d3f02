"""How is the course driven from a terminal? `mlops-lab`, the same as `python -m mlops_lab`.

Every command is one small module here: it reads the words, calls a room of the package and prints what came back. What
commands share is `options` (words they all take), `answers` (text or JSON) and `program` (errors become exit codes).
"""

from __future__ import annotations

from mlops_lab.cli.program import main

__all__ = ["main"]
