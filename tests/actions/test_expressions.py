"""Expressions: what GitHub's package does not know (status, hashing, places over lines), and hostile text."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.ci.expressions import ExpressionError, evaluate, interpolate, split
from mlops_lab.ci.expressions.evaluator import asks_for_status
from mlops_lab.ci.expressions.parser import parse
from mlops_lab.ci.expressions.values import fold, number_text

STATUS = {"success": (0, 255), "failure": (0, 255), "always": (0, 0), "cancelled": (0, 0)}


@pytest.mark.parametrize(
    ("status", "success", "failure", "cancelled"),
    [
        ("success", True, False, False),
        ("failure", False, True, False),
        ("cancelled", False, False, True),
        ("skipped", False, False, False),
    ],
)
def test_status_functions_follow_the_story_so_far(status, success, failure, cancelled):
    names = ("success", "failure", "cancelled", "always")

    answers = [evaluate(f"{name}()", status=status) for name in names]

    assert answers == [success, failure, cancelled, True]


@pytest.mark.parametrize(
    ("contexts", "status"),
    [
        ({"job": {"status": "Failure"}}, "failure"),
        ({"needs": {"a": {"result": "success"}, "b": {"result": "skipped"}}}, "skipped"),
        ({"needs": {"a": {"result": "cancelled"}, "b": {"result": "failure"}}}, "failure"),
        ({"needs": {}}, "success"),
        ({}, "success"),
    ],
)
def test_the_status_is_read_from_the_contexts_when_nobody_says_it(contexts, status):
    truth = [evaluate(f"{name}()", contexts) for name in ("success", "failure", "cancelled")]

    assert truth == [status == name for name in ("success", "failure", "cancelled")]


@pytest.mark.parametrize(
    ("expression", "asks"),
    [
        ("always()", True),
        ("ALWAYS()", True),
        ("github.ref == 'x' && !cancelled()", True),
        ("contains(fromJSON('[1]'), failure())", True),
        ("github[format('{0}', success())]", True),
        ("false && success()", True),
        ("(1 < failure()) == true", True),
        ("'always()'", False),
        ("github.always", False),
        ("1 == 1", False),
        ("", False),
    ],
)
def test_a_status_function_is_noticed_wherever_it_stands(expression, asks):
    functions = {**STATUS, "contains": (2, 2), "fromjson": (1, 1), "format": (1, 255)}

    tree = parse(expression, names=["github"], functions=functions)

    assert asks_for_status(tree) is asks


def test_a_place_is_counted_through_the_whole_text_however_many_lines():
    expression = "github.ref == 'x' \n&& true\n&& !contains(env.MESSAGE)"

    with pytest.raises(ExpressionError) as caught:
        evaluate(expression, {"github": {}})

    assert caught.value.position == expression.index("env") + 1
    assert str(caught.value).startswith("Unrecognized named-value: 'env'. Located at position ")


def test_a_string_may_hold_any_number_of_doubled_quotes():
    assert evaluate("'a''b''c''''d'") == "a'b'c''d"


def test_an_error_while_computing_keeps_its_expression():
    with pytest.raises(ExpressionError, match="references more arguments") as caught:
        evaluate("format('{1}', 2)")

    assert (caught.value.stage, caught.value.expression) == ("evaluation", "format('{1}', 2)")


def test_objects_keep_the_order_in_which_they_were_written():
    assert evaluate("""toJSON(fromJSON('{"b":1,"2":2,"1":3}'))""") == '{\n  "b": 1,\n  "2": 2,\n  "1": 3\n}'


@pytest.mark.parametrize(
    "expression",
    [
        "format('{0}{0}{0}{0}{0}{0}{0}{0}', big)",
        "join(fromJSON(format('[{0}{0}{0}1]', '1,1,1,1,1,1,')), big)",
        "toJSON(list)",
        "startsWith(format('{0}{0}', big), format('{0}{0}', big))",
    ],
)
def test_an_expression_cannot_fill_the_memory(expression):
    big = "x" * 150_000

    with pytest.raises(ExpressionError, match="The maximum allowed memory size was exceeded"):
        evaluate(expression, {"big": big, "list": [big] * 10})


def test_deeply_nested_json_is_an_error_and_not_a_crash():
    for depth in (1_000, 300_000):
        text = "[" * depth + "]" * depth
        with pytest.raises(ExpressionError):
            evaluate("toJSON(fromJSON(text))", {"text": text})


def test_a_text_too_long_for_github_is_refused():
    with pytest.raises(ExpressionError, match="Exceeded max expression length 21000"):
        evaluate("1" * 21_001)


def test_interpolation_keeps_the_kind_of_a_lone_expression_and_makes_text_of_the_rest():
    contexts = {"matrix": {"v": 3.10, "list": [1], "none": None}}

    lone = interpolate("${{ matrix.list }}", contexts)
    mixed = interpolate("a${{ matrix.v }}b${{ matrix.list }}c${{ matrix.none }}${{ '}}' }}", contexts)

    assert (lone, mixed) == ([1], "a3.1bArrayc}}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a ${{ 1", "The expression is not closed"),
        ("${{ '}}' ", "not closed"),
        ("${{ }}", "An expression was expected"),
    ],
)
def test_a_broken_hole_is_an_error(text, reason):
    with pytest.raises(ExpressionError, match=reason):
        split(text)


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def digest(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("'**/*.lock'", ["a.lock", "sub/b.lock", "sub/deep/c.lock"]),
        ("'*.lock'", ["a.lock"]),
        ("'sub'", ["sub/b.lock", "sub/deep/c.lock", "sub/x.txt"]),
        ("'./sub/**', '!sub/deep/**'", ["sub/b.lock", "sub/x.txt"]),
        ("'sub/?.lock', 'a.l[ao]ck'", ["a.lock", "sub/b.lock"]),
        ("'**/[!b].lock'", ["a.lock", "sub/deep/c.lock"]),
        ("'nothing*'", []),
        ("'../**'", []),
        ("'**'", ["a.lock", "sub/b.lock", "sub/deep/c.lock", "sub/x.txt"]),
    ],
)
def test_hash_files_digests_the_digests_of_the_files_that_match(tmp_path, patterns, names):
    files = {name: name.encode() for name in ("a.lock", "sub/b.lock", "sub/deep/c.lock", "sub/x.txt")}
    write(tmp_path, files)

    found = evaluate(f"hashFiles({patterns})", workspace=tmp_path)

    assert found == (digest(*(files[name] for name in names)) if names else "")


def test_hash_files_never_leaves_the_workspace_through_a_link(tmp_path):
    write(tmp_path, {"outside/secret": b"s", "inside/own": b"o"})
    (tmp_path / "inside/link").symlink_to(tmp_path / "outside")
    (tmp_path / "inside/file").symlink_to(tmp_path / "outside/secret")

    found = evaluate("hashFiles('**')", workspace=tmp_path / "inside")

    assert found == digest(b"o")


def test_hash_files_without_a_workspace_says_so():
    with pytest.raises(ExpressionError, match="needs a workspace"):
        evaluate("hashFiles('x')")


TEXT = st.text(alphabet=st.sampled_from(list("abgithub.()[]*,'!=<>&|0123x+-_ \n\té😊\u2003{}\"$")), max_size=60)


@given(st.one_of(TEXT, st.text(max_size=40)))
def test_any_text_at_all_gives_a_value_or_our_error(text):
    stage = None
    try:
        evaluate(text, {"github": {"a": [1, {"b": None}]}, "a": "x"})
    except ExpressionError as error:
        stage = error.stage

    assert stage in (None, "lexing", "parsing", "evaluation")


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
def test_comparisons_of_any_values_are_mirror_images(left, right, operator):
    mirror = operator.translate(str.maketrans("<>", "><"))
    contexts = {"a": left, "b": right}

    assert evaluate(f"a {operator} b", contexts) is evaluate(f"b {mirror} a", contexts)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_printed_with_fifteen_significant_digits(number):
    text = number_text(number)

    assert abs(Decimal(text) - Decimal(number)) <= abs(Decimal(number)) * Decimal("5e-15")
    assert len(re.sub(r"E.*|\D", "", text).strip("0")) <= 15
    assert re.fullmatch(r"-?\d+(\.\d+)?(E[+-]\d+)?", text)


@given(st.text(max_size=10))
def test_text_equals_itself_whatever_its_case(text):
    assert fold(fold(text)) == fold(text)
    assert evaluate("a == b", {"a": text, "b": text}) is True


def test_a_chain_as_long_as_github_allows_does_not_exhaust_the_stack():
    assert evaluate("1" + "==1" * 6_900) is True
    assert evaluate("1" + "<1" * 10_400) is True
    assert evaluate("0" + "||0" * 6_900 + "||7") == 7
    assert evaluate("(" * 49 + "1" + ")" * 49) == 1
