"""The table of a mutation run: how many changed lines the tests noticed, module by module, and which they did not.

python scripts/sample_mutants.py 30         what is asked; see [tool.mutmut] in pyproject.toml
python scripts/mutation_table.py            the table, from mutants/; exit code 1 below the floor
python scripts/mutation_table.py --alive    and the changes that live, each with its name, for: mutmut show NAME

Changes that nobody can notice stand in equivalent_mutants.toml, each with the reason, and count neither way.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

FLOOR = 0.92  # of those that somebody could notice: 95 % of 269, of which the DAG 94 % of 153 and the rest 97 %
KILLED, ALIVE = {1, 3, 24, 36, 152, 255, -24, -9, -11}, {0, 5, 33}  # as mutmut writes down how its tests ended
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")


def read(root: Path) -> dict[str, dict[str, int]]:
    """How the tests ended, mutant by mutant, of each module that was tried."""
    found = {}
    for path in sorted(root.rglob("*.meta")):
        ended = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        tried = {name: code for name, code in ended.items() if code in KILLED | ALIVE}
        if tried:
            found[path.relative_to(root).with_suffix("").as_posix()] = tried
    return found


def change(source: str, name: str) -> str:
    """What a mutant has changed, as `was -> becomes`, its blanks and the number of the mutant left out."""
    mangled = name.rpartition(".")[2]
    ours, theirs = (_body(source, each) for each in (f"{mangled.rpartition('_')[0]}_orig", mangled))
    lines = [line for line in difflib.ndiff(ours, theirs) if line[:2] in ("- ", "+ ")]
    was, becomes = (" ".join(line[2:] for line in lines if line[0] == sign) for sign in "-+")
    return f"{was} -> {becomes}"


def _body(source: str, mangled: str) -> list[str]:
    function = rf"^( *)(?:async )?def {mangled}\(.*?(?=^\1[^\s)]|\Z)"
    found = re.search(function, source, re.MULTILINE | re.DOTALL)
    lines = found[0].replace(mangled, "", 1).splitlines() if found else []
    return [" ".join(line.split()) for line in lines if line.strip()]


def without_equivalents(root: Path, found: dict[str, dict[str, int]]) -> tuple[dict[str, dict[str, int]], list[str]]:
    """The same without what nobody can notice, and the changes that live."""
    told = tomllib.loads(EQUIVALENT.read_text("utf-8"))
    known = {(each["module"], each["change"]) for each in told["mutant"]}
    kinds = [(re.compile(each["module"]), re.compile(each["change"])) for each in told["kind"]]
    alive = []
    for module, ended in found.items():
        source = (root / module).read_text("utf-8")
        for name in [name for name, code in ended.items() if code in ALIVE]:
            what = change(source, name)
            if (module, what) in known or any(m.search(module) and c.search(what) for m, c in kinds):
                del ended[name]
            else:
                alive.append(f"{name}: {what}")
    return found, alive


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
    root = Path("mutants")
    found, alive = without_equivalents(root, read(root))
    text, share = table(found)
    print(text)
    if "--alive" in words:
        print(*alive, sep="\n")
    return int(share < FLOOR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
