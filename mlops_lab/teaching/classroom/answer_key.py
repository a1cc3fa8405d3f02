"""The answer key, for teachers: every exercise with its solution, its usual mistakes and what to say to them."""

from __future__ import annotations

from mlops_lab.teaching.checks import Exercise, Quiz, all_exercises, all_quizzes


def answer_key() -> str:
    """The answer key of the whole course in Markdown, made from the exercises themselves, so that it cannot be old."""
    lines = [
        "# Answer key",
        "",
        "Made by `mlops-lab class answers` from the exercises themselves; learners' notebooks do not hold it.",
    ]
    entries: list[Exercise | Quiz] = [*all_exercises(), *all_quizzes()]
    notebook = ""
    for one in sorted(entries, key=lambda entry: entry.id):
        if one.id[:2] != notebook:
            notebook = one.id[:2]
            lines += ["", f"## Notebook {notebook}"]
        lines += _exercise(one) if isinstance(one, Exercise) else _quiz(one)
    return "\n".join(lines) + "\n"


def _exercise(one: Exercise) -> list[str]:
    lines = ["", f"### {one.id} ({one.kind})", "", one.question, "", "```python", one.solution.strip(), "```", ""]
    lines += [f"What to take home: {one.lesson}", "", "Usual mistakes:", ""]
    for mistake in one.mistakes:
        lines += ["```python", mistake.source.strip(), "```", "", f"The check says: … {mistake.says} …", ""]
    return [*lines, "Hints:", "", *(f"{number}. {hint}" for number, hint in enumerate(one.hints, 1))]


def _quiz(one: Quiz) -> list[str]:
    lines = ["", f"### {one.id} (quiz)", "", one.question, ""]
    for each in one.options:
        lines.append(f"- {'**right**' if each.right else 'wrong'}: {each.text} {each.feedback}")
    return lines
