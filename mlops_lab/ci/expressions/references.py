"""Which values does an expression read by name?"""

from __future__ import annotations

from collections.abc import Iterator

from mlops_lab.ci.expressions.tree import Call, Comparison, Context, Index, Literal, Logical, Node, Not

__all__ = ["references"]


def references(tree: Node | None) -> Iterator[tuple[str, ...]]:
    """The paths of plain names in a tree, in lower case: `steps.build.outputs.digest` as a tuple of four."""
    match tree:
        case Index() | Context():
            path = _path(tree)
            if path is not None:
                yield path
            elif isinstance(tree, Index):
                yield from references(tree.source)
                yield from references(tree.key)
        case Call():
            for argument in tree.arguments:
                yield from references(argument)
        case Logical():
            for operand in tree.operands:
                yield from references(operand)
        case Not():
            yield from references(tree.operand)
        case Comparison():
            for operand in (tree.first, *(node for _, node in tree.rest)):
                yield from references(operand)
        case _:
            return


def _path(tree: Node) -> tuple[str, ...] | None:
    if isinstance(tree, Context):
        return (tree.name.lower(),)
    if isinstance(tree, Index) and isinstance(tree.key, Literal) and isinstance(tree.key.value, str):
        before = _path(tree.source)
        return (*before, tree.key.value.lower()) if before is not None else None
    return None
