#!/usr/bin/env python3
"""From a fresh clone to the open course, or to its proof.

    python3 start.py [lab] [arguments]  open the course in JupyterLab; the arguments go to JupyterLab (--debug: its log)
    python3 start.py demo [--dark]      all live panels on one page for a projector; the arguments go to Voila
    python3 start.py site [FOLDER]      the course as a website: build it, and show it on this machine (--build-only)
    python3 start.py test [arguments]   prove the course; the arguments go to pytest (none: everything that a change
                                        must pass, side by side); test fast: what one runs while writing; test nightly:
                                        what takes long, and property tests on new examples
    python3 start.py test-engines [NAMES] [arguments]
                                        run it on real engines too, in environments of their own (.venv-NAME): airflow,
                                        prefect, feast-mlflow, tecton, cloud, serving, playground (a browser alone); and
                                        in the course's own: accessibility (each notebook in JupyterLab, in light and
                                        in dark); none named: all of them
    python3 start.py --help             show this text

On Windows it is py instead of python3. The first start makes .venv beside this file and installs the packages of
requirements.lock by their hashes, with uv where it is on the path and with pip otherwise: a minute or two, once, and
about 1 GB. Later starts use it at once, and repair it when it is incomplete. To begin again from nothing, delete the
folder .venv.
"""

# This file parses on every Python since 2.7, so that one that is too old can say so. The rest needs no such care.
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.realpath(__file__))
OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
TIERS = {
    "fast": ["-m", "fast", "tests"],
    "nightly": ["-m", "nightly or hypothesis", "--hypothesis-profile=nightly", "tests"],
}
FILES = (
    "pyproject.toml",
    "requirements.lock",
    "README.md",
    "LICENSE",
    "mlops_lab/__init__.py",
    "scripts/environment.py",
    "scripts/failures.py",
    "scripts/locked.py",
)


def say(text):
    """Print a line at once, even into a file."""
    sys.stdout.write("start.py: " + text + "\n")
    sys.stdout.flush()


def lab(_, arguments):
    """What Python is told in order to open the first notebook, with the whole repository in the file browser."""
    return [os.path.join("scripts", "course_server.py"), "lab"] + arguments


def demo(_, arguments):
    """What Python is told in order to show the dashboard."""
    say("opening the dashboard on this machine; Ctrl-C here closes it.")
    return [os.path.join("scripts", "dashboard.py")] + arguments


def test(_, arguments):
    """What Python is told in order to run the tests; a notebook's cells share a kernel, so a file stays together."""
    beside = ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile"]
    if arguments and arguments[0] in TIERS:
        return ["-m", "pytest"] + TIERS[arguments[0]] + beside + arguments[1:]
    return ["-m", "pytest"] + (arguments or beside)


def site(_, arguments):
    """What Python is told in order to build the website and show it."""
    return [os.path.join("scripts", "build_site.py")] + arguments


def engines(_, arguments):
    """What Python is told in order to make the engines' environments and run their tests."""
    return [os.path.join("scripts", "engine_tests.py")] + arguments


# name: (what Python is told, the module it starts, extras of pyproject.toml, what the clone must hold)
COMMANDS = {
    "lab": (lab, "jupyterlab", [], [FIRST_NOTEBOOK]),
    "demo": (demo, "voila", ["teach"], ["scripts/dashboard.py", "notebooks/teacher/10_dashboard.ipynb"]),
    "site": (site, "sphinx", ["site"], ["scripts/build_site.py", "site/conf.py"]),
    "test": (test, "pytest", ["serve", "site", "teach", "test"], ["tests"]),
    "test-engines": (engines, "pytest", ["serve", "teach", "test"], ["tests/engines", "constraints/airflow.txt"]),
}


def too_old():
    """The sentence for a Python that is too old, naming a newer one of this machine where there is one; else None."""
    if sys.version_info[:2] >= OLDEST:
        return None
    sentence = "Python 3.11 or newer is needed, and this is %d.%d; " % sys.version_info[:2]
    for name in NEWER:
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(os.devnull, "w") as nowhere:  # a shim may exist for a version that does not
                    if subprocess.call([path, "-c", ""], stdout=nowhere, stderr=nowhere) == 0:
                        return sentence + "run: " + name + " start.py"
    return sentence + "install a newer one, then run start.py with it."


def chosen(arguments):
    """The command's name and its own arguments: what begins with a dash belongs to the first command."""
    if not arguments or arguments[0].startswith("-"):
        return "lab", arguments
    return arguments[0], arguments[1:]


def launch(command, variables):
    """Become the command where the system can; elsewhere wait for it, and leave Ctrl-C to it. Its exit code."""
    os.chdir(ROOT)
    if os.name != "nt":
        os.execve(command[0], command, variables)
    process = subprocess.Popen(command, env=variables)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def start(arguments):
    """Run one command of the table; the exit code."""
    name, rest = chosen(arguments)
    if name not in COMMANDS:
        return "there is no command '%s'; there is: %s (see --help)." % (name, ", ".join(sorted(COMMANDS)))
    told, module, extras, files = COMMANDS[name]
    for needed in list(FILES) + files:
        if not os.path.exists(os.path.join(ROOT, needed)):
            return "the course is not complete: %s is missing beside start.py; clone the whole repository." % needed
    sys.path.insert(0, os.path.join(ROOT, "scripts"))
    import environment  # only now: it is written for the Python that the course needs

    try:
        environment.prepare(module, extras, say)
    except environment.Stop as stop:
        return str(stop)
    return launch([environment.PYTHON] + told(environment.PYTHON, rest), environment.variables())


def main(arguments):
    """Show the help, or start; whatever goes wrong is one line on standard error."""
    if arguments and arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(__doc__)
        return 0
    try:
        answer = too_old() or start(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\nstart.py: stopped; start again to go on, what is half done is repaired then.\n")
        return 130
    if isinstance(answer, str):
        sys.stderr.write("start.py: " + answer + "\n")
        return 1
    return answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
