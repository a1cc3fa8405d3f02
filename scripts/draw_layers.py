"""The package's layers are drawn from its imports: python scripts/draw_layers.py [FILE.svg], text without a file."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "mlops_lab"


def imports(package: Path = PACKAGE) -> Counter[tuple[str, str]]:
    """How many modules of each package import from each other one."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(package.glob("*/**/*.py")):
        here = path.relative_to(package).parts[0]
        modules = {
            node.module for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)
        }
        others = {name.split(".")[1] for name in modules if name and name.startswith("mlops_lab.")}
        found.update((here, other) for other in others - {here} if (package / other).is_dir())
    return found


def dot(edges: Counter[tuple[str, str]]) -> str:
    """The picture as DOT text; the more modules import, the thicker the arrow."""
    lines = [
        f'  "{a}" -> "{b}" [label="{count}", penwidth={1 + count / 20:.2f}];' for (a, b), count in sorted(edges.items())
    ]
    return "\n".join(["digraph layers {", "  rankdir=BT; node [shape=box, style=rounded];", *lines, "}"])


if __name__ == "__main__":
    text = dot(imports())
    if len(sys.argv) > 1:
        import graphviz

        graphviz.Source(text, format="svg").render(outfile=sys.argv[1], cleanup=True)
    else:
        print(text)
