"""The command `container`: the course's image inside SageMaker, Vertex AI, KServe and Kubernetes."""

from __future__ import annotations

import json
import math
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import HomeError, InvalidData, MlopsLabError, NotAllowed
from mlops_lab.base.fingerprint import fingerprint_bytes, fingerprint_json
from mlops_lab.cli.answers import print_json
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.options import HOME, answer_options, model_of, open_problem, open_registry
from mlops_lab.cli.run import pipeline_params
from mlops_lab.cli.serve import serve as serve_command
from mlops_lab.pipeline import engines
from mlops_lab.pipeline.dag import TaskInstance
from mlops_lab.pipeline.engines import has_registry
from mlops_lab.pipeline.problem import run_one_task

_BAKED = Path("/opt/mlops-lab/home")  # where the Dockerfile puts HOME_DIR
_KSERVE = Path("/mnt/models")
_COPIED = ".copied-from"  # in a copy: the state of what it was copied from
_MARKS = (
    "engines.json",
    "registry.db",
)  # by these a folder is a home: they come last
_WHOLE = ("check_data", "build_training_set", "train", "register", "evaluate", "gate")


@click.group("container", cls=Family, context_settings=SETTINGS)
def container() -> None:
    r"""What the image does inside a cloud: serve, train, or run one task.

    Each cloud has its own contract for a container, and this one keeps them: SageMaker starts it with the word `serve`
    or `train` and keeps its files in /opt/ml; Vertex AI tells by AIP_ variables; KServe mounts /mnt/models.

    \b
    Examples:
      mlops-lab container serve
      mlops-lab container train                         reads /opt/ml/input, fills /opt/ml/model
      mlops-lab container task check_data build_training_set --date 2013-10-01
    """


@container.command(context_settings={"ignore_unknown_options": True})
@click.option("--opt-ml", default="/opt/ml", hidden=True, help="Where SageMaker keeps its files.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def serve(opt_ml: str, options: tuple[str, ...]) -> int:
    """Serve the home folder that the cloud brought, or the image's own.

    It is copied to MLOPS_LAB_HOME first, because a registry needs a place to write its locks and an image has none.
    OPTIONS go to `mlops-lab serve`.
    """
    home = Path(os.environ.get("MLOPS_LAB_HOME") or HOME)
    if not has_registry(home):
        _bring(_brought(Path(opt_ml)), home)
    elif (home / _COPIED).is_file():  # a copy that an earlier start made; its image may have been replaced since
        source = _brought(Path(opt_ml))
        if (home / _COPIED).read_text("utf-8") != _state_of(source):
            _bring(source, home)
    words = [*_version(home), "--home", str(home), "--host", "0.0.0.0", *options]  # noqa: S104  its own network
    code: int = serve_command.main(words, prog_name="mlops-lab serve", standalone_mode=False)
    return code


def _bring(source: Path, home: Path) -> None:
    """Copy a home folder aside, and put it in the place of an older copy once it is whole.

    Killed at any moment, the next start finds no home, or a copy that it knows for an older one, and copies again. A
    folder that is there already may be a volume, which nobody can rename: so its contents are replaced.
    """
    aside = home / ".copying" if home.is_dir() else home.with_name(f"{home.name}.copying")
    with _copying(source, home):
        shutil.rmtree(aside, ignore_errors=True)
    _copy(source, aside)
    if not has_registry(aside) or _state_of(aside) != _state_of(source):
        raise HomeError(home, f"the copy of {source} is not what was copied")
    (aside / _COPIED).write_text(_state_of(source), "utf-8")
    with _copying(source, home):
        if not home.exists():
            aside.rename(home)
            return
        if (home / _COPIED).is_file():
            (home / _COPIED).write_text("", "utf-8")  # from here on it is a copy of nothing
            for path in set(home.iterdir()) - {aside, home / _COPIED}:
                _remove(path)
        for path in sorted(aside.iterdir(), key=lambda path: (path.name in _MARKS, path.name != _COPIED, path.name)):
            _remove(home / path.name)
            path.replace(home / path.name)
        aside.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)  # a volume's lost+found is not ours
    else:
        path.unlink(missing_ok=True)


def _state_of(home: Path) -> str:
    """What tells one state of a home folder's registry from another: the bytes of its databases."""
    return fingerprint_json({path.name: fingerprint_bytes(path.read_bytes()) for path in sorted(home.glob("*.db"))})


def _version(home: Path) -> list[str]:
    """Which version the cloud asks for: a cloud that keeps its own approvals serves what it has approved."""
    asked = os.environ.get("MLOPS_LAB_VERSION", "champion")
    if asked != "latest":
        return [model_of(home), asked]
    registry = open_registry(home)
    name = model_of(home)
    versions = registry.search(name=name) if name in registry.list_models() else []
    if not versions:
        raise InvalidData(f"the home folder {home} has no version of {name} to serve.")
    return [name, str(versions[-1].version)]


def _brought(opt_ml: Path) -> Path:
    asked = os.environ.get("AIP_STORAGE_URI", "")
    if asked.startswith("gs://"):
        raise InvalidData(
            "AIP_STORAGE_URI is a bucket, which this image does not read; deploy the image with its home folder inside "
            "(docker build --build-arg HOME_DIR=…) and leave the artifact directory out."
        )
    places = [*([Path(asked)] if asked else []), opt_ml / "model", _KSERVE, _BAKED]
    for place in places:
        if has_registry(place):
            return place
    raise InvalidData(
        f"there is no home folder with a registry in {', '.join(map(str, places))}; build the image with "
        "--build-arg HOME_DIR=DIR, or mount one there."
    )


def _take(source: Path, target: Path) -> None:
    """What another step left: a home folder, or the model.tar.gz that SageMaker makes of /opt/ml/model."""
    if not source.is_dir():
        raise InvalidData(f"there is no home folder {str(source)!r} to copy.")
    packed = source / "model.tar.gz"
    if not packed.is_file():
        return _copy(source, target)
    try:
        with tarfile.open(packed) as archive:
            archive.extractall(target, filter="data")  # nothing outside the folder, no devices, no odd owners
    except (OSError, tarfile.TarError) as error:
        raise InvalidData(f"{packed} cannot be unpacked ({type(error).__name__}).") from None
    return None


def _pack(home: Path, folder: Path) -> None:
    """The home folder as one file, which replaces the former one whole: of a folder, old files would stay."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(folder / "model.tar.gz.new", "w:gz") as archive:
            archive.add(home, arcname=".")
        os.replace(folder / "model.tar.gz.new", folder / "model.tar.gz")
    except (OSError, tarfile.TarError) as error:
        raise HomeError(folder, f"{home} cannot be packed there ({type(error).__name__})") from None


def _copy(source: Path, target: Path) -> None:
    with _copying(source, target):
        shutil.copytree(source, target, dirs_exist_ok=True, symlinks=False)


@contextmanager
def _copying(source: Path, target: Path) -> Iterator[None]:
    """What goes wrong is said of the home folder that was to be filled."""
    try:
        yield
    except OSError as error:
        raise HomeError(target, f"{source} cannot be copied there ({type(error).__name__})") from None


@container.command()
@click.option("--opt-ml", default="/opt/ml", hidden=True, help="Where SageMaker keeps its files.")
def train(opt_ml: str) -> int:
    r"""Train as a SageMaker training job: /opt/ml/input in, /opt/ml/model out.

    Hyperparameters are `date`, `tasks` (which, with commas between) and the pipeline's params. The channel `home`
    brings the home folder of the steps before; /opt/ml/model holds it afterwards, with the new version in it. What
    goes wrong is written to /opt/ml/output/failure, where SageMaker looks for it.

    \b
    Exit codes: 0 trained, 1 an error, 2 the gate refused
    """
    root = Path(opt_ml)
    try:
        given = _hyperparameters(root / "input" / "config" / "hyperparameters.json")
        home = root / "model"
        channel = root / "input" / "data" / "home"
        if channel.is_dir():
            _take(channel, home)
        names = [name.strip() for name in given.pop("tasks", ",".join(_WHOLE)).split(",")]
        ended = _run(names, home, given.pop("date", None), tuple(f"{key}={value}" for key, value in given.items()))
        if ended[-1].state != "success":
            raise NotAllowed(ended[-1].why)
    except MlopsLabError as error:
        failure = root / "output" / "failure"
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(" ".join(str(error).split())[:1024], "utf-8")  # SageMaker shows the first 1,024 letters
        if isinstance(error, NotAllowed):
            click.echo(f"mlops-lab: {error}", err=True)
            return 2
        raise
    return 0


def _hyperparameters(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise InvalidData(f"{path} cannot be read as JSON ({type(error).__name__}).") from None
    if not isinstance(found, Mapping):
        raise InvalidData(f"{path} holds no JSON object.")
    # The SageMaker SDK writes every value as JSON inside a text; by hand they are plain texts.
    return {str(key): str(value).strip('"') for key, value in found.items() if not str(key).startswith("sagemaker_")}


@container.command()
@click.argument("names", nargs=-1, required=True, metavar="TASK...")
@click.option("--date", metavar="D", help="The logical date of the run.  [default: that of the problem]")
@click.option("--param", "texts", multiple=True, metavar="K=V", help="Any param of the pipeline; repeat it.")
@click.option("--from", "source", metavar="DIR", help="Copy this home folder to --home first.")
@click.option("--pack", metavar="DIR", help="Write the home folder to DIR/model.tar.gz afterwards: a later --from DIR.")
@click.option("--evaluation", metavar="FILE", help="Write the verdict and the metrics for a condition step.")
@answer_options
def task(
    names: tuple[str, ...],
    date: str | None,
    texts: tuple[str, ...],
    source: str | None,
    pack: str | None,
    evaluation: str | None,
    home: Path,
    as_json: bool,
) -> None:
    """Run tasks of the pipeline, one after the other, where another program keeps the order.

    That the gate refused is an answer, not a failure: the exit code is 0 and the verdict stands in --evaluation, where
    the condition of a pipeline reads it.
    """
    if source is not None:
        _take(Path(source), home)
    ended = _run(list(names), home, date, texts)
    if pack is not None:
        _pack(home, Path(pack))
    if evaluation is not None:
        _write_evaluation(Path(evaluation), ended, home)
    if as_json:
        print_json({"tasks": [{"task": one.task_id, "state": one.state, "why": one.why} for one in ended]})
    else:
        for one in ended:
            click.echo(f"{one.task_id}: {one.state}" + (f": {one.why}" if one.why else ""))


def _run(names: list[str], home: Path, date: str | None, texts: tuple[str, ...]) -> list[TaskInstance]:
    if find_spec("pyarrow") is None:
        raise InvalidData("this image only serves; a pipeline's steps run the larger one: build --target pipeline.")
    params = pipeline_params(texts, problem=open_problem(home))
    return [run_one_task(name, home=home, date=date, params=params) for name in names]


def _write_evaluation(path: Path, ended: list[TaskInstance], home: Path) -> None:
    clock = SystemClock()
    registry, tracker = engines.open_registry(home, clock=clock), engines.open_tracker(home, clock=clock)
    name = model_of(home)
    versions = registry.search(name=name) if name in registry.list_models() else []
    metrics = tracker.get_run(versions[-1].run_id).metrics if versions else {}
    passed = {one.task_id: one.state for one in ended}.get("gate") == "success"
    told: dict[str, Any] = {
        "gate": {"passed": passed, "why": next((one.why for one in ended if one.task_id == "gate"), "")},
        "version": versions[-1].version if versions else None,
        "artifact": versions[-1].artifact if versions else None,
        "metrics": {name: {"value": value} for name, value in sorted(metrics.items()) if math.isfinite(value)},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told, indent=1), "utf-8")
    except OSError as error:
        raise MlopsLabError(f"cannot write {str(path)!r}: {error.strerror or error}.") from None
