"""What does `python -m mlops_lab` do? The same as the command `mlops-lab`."""

from __future__ import annotations

import sys

from mlops_lab.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
