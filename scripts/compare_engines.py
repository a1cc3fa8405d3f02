"""What do the engines answer today? `python scripts/compare_engines.py` asks them and keeps the comparison.

It takes some minutes and needs both engines (`python start.py test-engines` makes their environments); when one is
missing, the table of the others is printed and nothing is kept.
"""

from __future__ import annotations

import argparse
import json

from mlops_lab.adapters.engines.comparing import STORED, live_comparison
from mlops_lab.adapters.engines.running import ENGINES

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Ask, print, and keep the answer with the course."""
    described = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=__doc__, formatter_class=described).parse_args(arguments)
    found = live_comparison()
    print(found.table())
    if list(found.versions) == list(ENGINES):
        STORED.write_text(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
