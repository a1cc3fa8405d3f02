"""The table of a mutation run: how many changed lines the tests noticed, module by module, and which they did not.

mutmut run "mlops_lab.models.gates*"        what is asked; see [tool.mutmut] in pyproject.toml
python scripts/mutation_table.py            the table, from mutants/; exit code 1 below the floor
python scripts/mutation_table.py --alive    and the names of those that live, for: mutmut show NAME
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

FLOOR = 0.70  # of all, equivalent ones and changed wordings included: gates stood at 72 % when this was first asked
KILLED, ALIVE = {1, 3, 24, 36, 152, 255, -24, -9, -11}, {0, 5, 33}  # as mutmut writes down how its tests ended


def read(root: Path) -> dict[str, dict[str, int]]:
    """How the tests ended, mutant by mutant, of each module that was tried."""
    found = {}
    for path in sorted(root.rglob("*.meta")):
        ended = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        tried = {name: code for name, code in ended.items() if code in KILLED | ALIVE}
        if tried:
            found[path.relative_to(root).with_suffix("").as_posix()] = tried
    return found


def table(found: dict[str, dict[str, int]]) -> tuple[str, float]:
    """A Markdown table, and the share that was killed."""
    lines, total = ["| module | mutants | killed | alive | share |", "|---|---:|---:|---:|---:|"], Counter[bool]()
    for module, ended in [*found.items(), ("all", {})]:
        counts = total if module == "all" else Counter(code in KILLED for code in ended.values())
        tried = counts[True] + counts[False]
        share = counts[True] / tried if tried else 0.0
        lines.append(f"| {module} | {tried} | {counts[True]} | {counts[False]} | {share:.0%} |")
        if module != "all":
            total += counts
    return "\n".join(lines), share


def main(words: list[str]) -> int:
    """Print the table."""
    found = read(Path("mutants"))
    text, share = table(found)
    print(text)
    if "--alive" in words:
        print(*(name for ended in found.values() for name, code in ended.items() if code in ALIVE), sep="\n")
    return int(share < FLOOR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
