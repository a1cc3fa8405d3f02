"""Expressions to ask an authority about: well-formed ones, and the same with something broken.

`python tests/actions/oracle/generated.py FOLDER` asks the `@actions/expressions` installed in FOLDER and rewrites the
recorded answers beside this file.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RECORDED = HERE / "expressions.jsonl"

CONTEXTS = {
    "github": {
        "ref": "refs/heads/Main",
        "run_number": 17,
        "event": {"labels": [{"name": "bug"}, {"Name": "Urgent"}, {"id": 3}, "text"], "forced": False, "none": None},
    },
    "matrix": {"python": 3.1, "os": "ubuntu-24.04", "gpu": True, "list": [0, 1, "two", [3], None, -0.5]},
    "needs": {"a": {"result": "success", "outputs": {"n": "0x1F"}}, "b-c": {"result": "FAILURE", "outputs": {}}},
    "empty": {},
    "rows": [[1, 2, 3], [4], [], {"k": [5, {"k": 6}]}],
    "text": "Straße ǆ ς ﬁ İ",
}
NUMBERS = (
    "0 -0 1 2 -1 +3 .5 -.25 0x1f 0o17 0b101 1e3 1E-2 1e21 1e-7 123456789012 0.1 3.10 NaN Infinity -Infinity 007 5."
)
STRINGS = [
    "",
    " ",
    "a",
    "A",
    "abc",
    "ABC",
    "0",
    " 1 ",
    "0x1F",
    "true",
    "null",
    "NaN",
    "1e2",
    "it''s",
    "é",
    "É",
    "ß",
    "SS",
]
STRINGS += [
    "{0}",
    "{0}-{1}",
    "{{0}}",
    "{",
    "}",
    "{1}",
    "{2}",
    "refs/heads/",
    "-",
    ",",
    "\t",
    "😊",
    "İ",
    "ı",
    "I",
    "i",
    "_",
    "Z",
    "-0",
]
JSONS = [
    "[]",
    "{}",
    "[1,2,3]",
    '{"a":{"b":[1,"x"]},"C":null}',
    "1.50",
    "-0",
    '"q"',
    "null",
    "[",
    '{"a":1,}',
    "",
    "1e400",
]
JSONS += ['[{"k":1},{"K":2},{"x":[1]}]', '{"A":1,"a":2}', '"\\u00e9\\n\\""', "[true,[false,[null]]]", "01", "tru"]
PATHS = ["github", "github.ref", "github.event.labels", "github.event.labels.*.name", "github['REF']", "matrix.list"]
PATHS += ["matrix.python", "matrix['os']", "matrix.list[2]", "matrix.list[-1]", "needs.*.result", "needs.b-c.outputs.n"]
PATHS += [
    "needs.a.outputs",
    "rows",
    "rows.*",
    "rows[*][1]",
    "rows.*.k",
    "rows.*.k.*",
    "rows[3].k",
    "empty.x.y",
    "empty.*",
]
PATHS += [
    "text",
    "GITHUB.EVENT.none",
    "github.event.forced",
    "matrix.*",
    "needs.a",
    "rows[0][1]",
    "(rows.*)[0]",
    "text.*",
]
FUNCTIONS = [("contains", 2, 2), ("startsWith", 2, 2), ("endsWith", 2, 2), ("format", 1, 4), ("join", 1, 2)]
FUNCTIONS += [("toJSON", 1, 1), ("fromJSON", 1, 1), ("case", 3, 5)]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]
PIECES = [
    "'",
    "(",
    ")",
    "[",
    "]",
    ".",
    ",",
    "*",
    "!",
    "=",
    "&",
    "|",
    "&&",
    "@",
    "1",
    "a",
    " ",
    "-",
    "+",
    "x.y",
    "foo",
    "true",
]
PIECES += ["nosuch", "foo(", "{", "$", '"', "#", "\\", "é", "😊", "\u00a0", "_", "==", "<", "0x", "null"]


class Generator:
    """One stream of random expressions; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 (no secret)

    def expression(self) -> str:
        text = self.node(self.random.randint(0, 4))
        if self.random.random() < 0.35:
            for _ in range(self.random.randint(1, 2)):
                text = self.broken(text)
        return text

    def broken(self, text: str) -> str:
        at = self.random.randint(0, len(text))
        choice = self.random.random()
        if choice < 0.4:
            return text[:at] + self.random.choice(PIECES) + text[at:]
        if choice < 0.7:
            return text[:at] + text[at + self.random.randint(1, 3) :]
        return text[:at] if choice < 0.85 else text[at:]

    def node(self, depth: int) -> str:
        pick = self.random.choice
        if depth <= 0:
            return pick([self.number, self.string, self.path, self.path, lambda: pick(["true", "false", "null"])])()
        inner = depth - 1
        return pick([self.comparison, self.logical, self.call, self.call, self.call, self.unary, self.reach])(inner)

    def number(self) -> str:
        return self.random.choice(NUMBERS.split())

    def string(self) -> str:
        return f"'{self.random.choice(STRINGS)}'"

    def path(self) -> str:
        return self.random.choice(PATHS)

    def space(self) -> str:
        return self.random.choice(["", " ", " ", "  "])

    def comparison(self, depth: int) -> str:
        operator = self.space() + self.random.choice(COMPARISONS) + self.space()
        return operator.join(self.node(depth) for _ in range(self.random.choice([2, 2, 2, 3])))

    def logical(self, depth: int) -> str:
        return "".join(
            (self.random.choice([" && ", " || ", "&&", "||"]) if index else "") + self.node(depth)
            for index in range(self.random.randint(2, 4))
        )

    def unary(self, depth: int) -> str:
        return self.random.choice(["!{}", "({})", "( {} )", "!!{}", "!({})"]).format(self.node(depth))

    def reach(self, depth: int) -> str:
        key = self.random.choice([".*", "[*]", ".k", ".Name", f"[{self.node(depth)}]", "[0]", "['result']"])
        return f"{self.random.choice([self.path(), f'({self.node(depth)})', self.call(depth)])}{key}"

    def call(self, depth: int) -> str:
        name, fewest, most = self.random.choice(FUNCTIONS)
        name = self.random.choice([name, name, name.lower(), name.upper()])
        count = self.random.randint(fewest, most) + (self.random.random() < 0.03)
        arguments = [self.node(depth - 1) for _ in range(count)]
        if name.lower() == "fromjson" and self.random.random() < 0.8:
            arguments = ["'" + self.random.choice(JSONS) + "'"]
        if name.lower() == "format" and self.random.random() < 0.8:
            arguments[0] = self.string()
        if name.lower() == "case":
            arguments = [
                self.node(depth - 1) + (" == " + self.node(depth - 1) if index % 2 == 0 else "")
                for index, _ in enumerate(arguments)
            ]
        return f"{name}({','.join(self.space() + argument for argument in arguments)})"


def generate(seed: int, count: int) -> list[str]:
    """`count` different expressions. Left out: strings with two doubled quotes, which the authority reads wrongly."""
    generator = Generator(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        expression = generator.expression()
        if expression.count("''") < 2:
            found[expression] = None
    return list(found)


def ask(expressions: list[str], folder: Path) -> list[dict]:
    """The authority's answers, from the package installed in `folder`."""
    lines = "".join(json.dumps({"expression": text, "contexts": CONTEXTS}) + "\n" for text in expressions)
    done = subprocess.run(
        ["node", str(HERE / "expressions.mjs")],
        input=lines,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    asked = generate(seed=20261123, count=3000)
    answers = ask(asked, Path(sys.argv[1]))
    with RECORDED.open("w", encoding="utf-8") as file:
        for expression, answer in zip(asked, answers, strict=True):
            file.write(json.dumps({"expression": expression, **answer}, ensure_ascii=True) + "\n")
    print(f"{len(asked)} expressions recorded in {RECORDED.name}")
