"""The command line: `mlops-lab`, the same as `python -m mlops_lab`.

A module here holds one command, or a few that belong together: it reads the words, calls the package and prints what
came back. What commands share is `options` (words they all take), `answers` (text or JSON), `catalogue` (families of
commands) and `program` (errors become exit codes).
"""

from __future__ import annotations

from mlops_lab.cli.program import main as main
