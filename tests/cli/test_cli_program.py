"""What every command has in common: help, one line for an error, exit codes, JSON, interrupts, odd terminals."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mlops_lab.cli import main
from mlops_lab.cli.answers import marked
from mlops_lab.cli.program import COMMANDS, program

ROOT = Path(__file__).resolve().parents[2]


def commands(group=program, path=()):
    """Every command and family by the words that call it."""
    found = {path: group}
    for name, command in getattr(group, "commands", {}).items():
        found |= commands(command, (*path, name))
    return found


def python(*words, **settings):
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=False, **settings)


@pytest.fixture
def say(capsys):
    def called(*words):
        code = main([str(word) for word in words])
        told = capsys.readouterr()
        return code, told.out, told.err

    return called


@pytest.mark.parametrize("words", commands(), ids=lambda words: "-".join(words) or "program")
def test_every_command_helps_and_describes_its_options(words, say):
    code, out, err = say(*words, "--help")

    assert (code, err) == (0, "")
    assert out.startswith("Usage: mlops-lab")
    options = [each for each in commands()[words].params if isinstance(each, click.Option)]
    assert all(each.help for each in options)
    assert max(map(len, out.splitlines())) <= 120


def test_the_help_of_the_program_tells_the_exit_codes(say):
    code, out, _ = say("--help")

    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line.strip()[:1].isdigit()] == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "130",
    ]


@pytest.mark.parametrize("words", [words for words, each in commands().items() if hasattr(each, "commands")])
def test_a_family_alone_shows_its_help(words, say):
    assert say(*words) == say(*words, "--help")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rum"], "Did you mean 'run'?"),
        (["registry", "lst"], "Did you mean 'list'?"),
        (["run", "--feature", "x"], "--features"),
        (["run", "--workers", "none"], "--workers"),
        (["run", "--workers", "0"], "--workers"),
        (["run", "surplus"], "surplus"),
        (["export"], "TARGET"),
        (["export", "yml"], "Did you mean 'yaml'?"),
        (["dag", "backfill", "--from", "2013-09-01"], "--to"),
        (["registry", "approve", "1"], "--by"),
        (["registry", "list", "--home", ""], "--home is empty"),
        (["registry", "list", "--home", "x" * 300], "cannot be used"),
        (["run", "--home", "a\0b"], "cannot be used"),
        (["registry", "list", "--home", "nowhere/../../nowhere"], "no home folder"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_1(words, told, say):
    code, out, err = say(*words)

    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert told in err


@pytest.mark.parametrize("words", [["registry", "list"], ["rum"], ["run", "--nonsense"]])
def test_an_error_with_json_is_one_object_too(words, say):
    code, out, err = say(*words, "--json")

    told = json.loads(out)
    assert (code, sorted(told)) == (1, ["error", "exit_code", "kind"])
    assert told["error"] in err


def test_an_unexpected_error_is_one_line_that_says_it_is_a_bug(say, monkeypatch):
    monkeypatch.setattr("mlops_lab.cli.doctor.examine", lambda home: {}["wings"])

    code, out, err = say("doctor")

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "KeyError: 'wings'" in err
    assert "bug" in err
    assert "MLOPS_LAB_DEBUG=1" in err


def test_the_debug_variable_shows_the_traceback(say, monkeypatch):
    monkeypatch.setattr("mlops_lab.cli.doctor.examine", lambda home: {}["wings"])
    monkeypatch.setenv("MLOPS_LAB_DEBUG", "1")

    code, _, err = say("doctor")

    assert code == 1
    assert "Traceback" in err


def test_ctrl_c_is_exit_code_130(say, monkeypatch):
    def stop(home):
        raise KeyboardInterrupt

    monkeypatch.setattr("mlops_lab.cli.doctor.examine", stop)

    code, out, err = say("doctor")

    assert (code, out) == (130, "")
    assert "Ctrl-C" in err


def test_a_message_cannot_break_its_line_nor_move_the_cursor(say):
    code, _, err = say("registry", "list", "--home", "no\nwhere\x1b[2J\u202e")

    assert code == 1
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert "\u202e" not in err


def test_a_stream_without_the_marks_gets_words_in_their_place(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", stream)

    code = main(["doctor"])

    stream.flush()
    told = stream.buffer.getvalue().decode("cp1252")
    assert code in (0, 1)
    assert told.startswith("ok")


def test_the_table_of_commands_says_what_each_says_of_itself():
    said = {name: click.Command(name, help=about).get_short_help_str(500) for name, (_, about) in COMMANDS.items()}

    assert said == {name: program.commands[name].get_short_help_str(500) for name in COMMANDS}


def test_help_is_quick_because_nothing_heavy_is_loaded():
    code = "import sys; from mlops_lab.cli import main; main(['--help']); print(*sys.modules)"

    loaded = python("-c", code, text=True).stdout.splitlines()[-1].split()

    heavy = {"pandas", "numpy", "sklearn", "pyarrow", "scipy", "matplotlib", "rich", "skops", "ruamel"}
    assert heavy & set(loaded) == set()


def test_the_module_is_the_command():
    done = python("-m", "mlops_lab", "--version", text=True)

    assert (done.returncode, done.stdout) == (0, "mlops-lab 0.2.0\n")


@pytest.mark.parametrize(("wish", "coloured"), [("", True), ("1", False)])
def test_marks_have_colour_unless_somebody_wants_none(wish, coloured, monkeypatch):
    monkeypatch.setenv("NO_COLOR", wish)

    assert ("\x1b[32m" in marked("✓ well")) == coloured


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_reader_that_has_read_enough_hears_no_complaint():
    command = f"{sys.executable} -m mlops_lab export yaml | true"

    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stderr == ""
