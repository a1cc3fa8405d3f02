"""The commands `export` and `manifests`: the pipeline written for another program, and Kubernetes manifests checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import click

from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData, MlopsLabError, UnknownName
from mlops_lab.cli.answers import Stopped, answer
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.dag import modules_option, read_dag
from mlops_lab.cli.options import MODEL, answer_options, begins, json_option, model_of, open_problem
from mlops_lab.pipeline import dag as documents
from mlops_lab.pipeline.dag import DAG
from mlops_lab.pipeline.problem import Problem, pipeline_of


class Target(NamedTuple):
    """One form to write: what it is, what it is made of, the file (None: a folder of them), the function that writes.

    A `dag` is written alone, a `cloud` takes an image as well, and `features` are those of the problem.
    """

    about: str
    made_of: str
    file: str | None  # empty: called as the target is
    writer: str


#: Every target by its name; another one is another line here.
TARGETS: Mapping[str, Target] = {
    "yaml": Target("the DAG as a YAML 1.2 document", "dag", "", "to_yaml"),
    "json": Target("the DAG as a JSON document", "dag", "", "to_json"),
    "airflow": Target("an Airflow 3 file for its dags folder", "dag", "", "to_airflow"),
    "airflow-factory": Target(
        "the small Airflow file that builds DAGs from the YAML beside it", "dag", "", "to_airflow_factory"
    ),
    "prefect": Target("a Prefect 3 flow that serves itself", "dag", "", "to_prefect"),
    "prefect-yaml": Target("the prefect.yaml that deploys that flow", "dag", "", "to_prefect_yaml"),
    "kubernetes": Target("the model server as a Kustomize base with overlays", "cloud", None, "to_kubernetes"),
    "sagemaker": Target("the pipeline as SageMaker's JSON", "cloud", "pipeline.json", "to_sagemaker"),
    "vertex": Target("the pipeline as a KFP 2 file for Vertex AI", "cloud", "pipeline.py", "to_vertex"),
    "feast": Target("the features as a repository for feast apply", "features", None, "to_feast_repository"),
    "tecton": Target("the features as a repository for Tecton's Rift", "features", None, "to_tecton_repository"),
}


def _named(made_of: str) -> list[str]:
    return [name for name, each in TARGETS.items() if each.made_of == made_of]


@click.command(epilog="Targets: " + "; ".join(f"{name}, {each.about}" for name, each in TARGETS.items()) + ".")
@click.argument("target", metavar="TARGET", shell_complete=lambda _context, _param, text: begins(text, TARGETS))
@click.option("--out", metavar="FILE", help="Write FILE; `-` is the terminal.  [default: -]")
@click.option("--to", "folder", metavar="DIR", help="Write files below DIR; kubernetes, feast and tecton are several.")
@click.option(
    "--image", metavar="NAME:TAG", help="The image of the model server, for kubernetes, sagemaker and vertex."
)
@click.option(
    "--file", "file", metavar="FILE", help="Write the DAG of this YAML or JSON file in place of the pipeline."
)
@click.option("--rows", is_flag=True, help="For feast and tecton: write the features' rows below DIR/data as well.")
@modules_option
@answer_options
def export(
    target: str,
    out: str | None,
    folder: str | None,
    image: str | None,
    file: str | None,
    rows: bool,
    modules: tuple[str, ...],
    home: Path,
    as_json: bool,
) -> None:
    r"""Write the pipeline, or a DAG of your own, for another program.

    \b
    Examples:
      mlops-lab export yaml
      mlops-lab export json --out pipeline.json
      mlops-lab export airflow --out dags/pipeline.py
      mlops-lab export prefect --out flow.py
      mlops-lab export airflow --file night.yaml --module mycompany.tasks --out dags/night.py
      mlops-lab export kubernetes --to deploy --image ghcr.io/ada/model:v3
      mlops-lab export vertex --out pipeline.py
      mlops-lab export feast --to feature_repo --rows
    """
    out = None if out == "-" else out
    if target not in TARGETS:
        raise UnknownName("export target", target, TARGETS)
    made_of = TARGETS[target].made_of
    if made_of == "features" and (image or file):
        raise InvalidData(f"{target} is about features, not about a DAG or an image; leave out --file and --image.")
    if made_of == "dag" and (image or folder):
        only = f"--to and --image are for {', '.join(_named('cloud'))}"
        raise InvalidData(f"{target} is one file without an image: {only}. Write it with --out FILE.")
    if out is not None and folder is not None:
        raise InvalidData("say either --out FILE or --to DIR.")
    if rows and (made_of != "features" or folder is None):
        raise InvalidData(f"--rows needs --to DIR, and is for {' and '.join(_named('features'))}.")
    files = _files(target, image, home, lambda: read_dag(file, modules) if file is not None else None)
    if folder is not None:
        _write(Path(folder), files)
        if rows:
            from mlops_lab.adapters.exports import write_feature_rows

            write_feature_rows(Path(folder), list(open_problem(home).views.values()))
        where = f"{len(files)} files below {folder}" if len(files) > 1 else f"{folder}/{next(iter(files))}"
        answer(as_json, {"target": target, "written": where, "files": files}, f"written: {where}")
        return
    if len(files) > 1:
        raise InvalidData(f"{target} is {len(files)} files; say where they go with --to DIR.")
    (text,) = files.values()
    if out is not None:
        _write(Path(out).parent, {Path(out).name or out: text})
    shown = text.removesuffix("\n") if out is None else f"written to {out}"
    answer(as_json, {"target": target, "written": out, "text": text}, shown, file=True)


def _files(target: str, image: str | None, home: Path, own: Callable[[], DAG | None]) -> dict[str, str]:
    """The text of each file of a target."""
    from mlops_lab.adapters import exports

    _, made_of, name, writer = TARGETS[target]
    write: Callable[..., str | Mapping[str, str]] = getattr(exports, writer, None) or getattr(documents, writer)
    if made_of == "features":
        problem: Problem = open_problem(home)
        found = write(list(problem.definitions))
    else:
        dag = own() or pipeline_of(open_problem(home))
        given = {"image": image} if image else {}
        found = write(**given) if target == "kubernetes" else write(dag, **given)
    if made_of == "dag":
        found = f"{found}".rstrip("\n") + "\n"
    files = {name or target: found} if isinstance(found, str) else dict(found)
    if made_of == "cloud":  # their files are written for the course's model, and named after it
        words = {MODEL: model_of(home), MODEL.replace("_", "-"): model_of(home).replace("_", "-")}
        for usual, ours in words.items():
            files = {name: text.replace(usual, ours) for name, text in files.items()}
    return files


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files below a folder, which is made where it is missing; other files there stay as they are."""
    from mlops_lab.teaching.drawing.drawing import write_file

    for name, text in files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or error
            raise MlopsLabError(f"cannot make {str((folder / name).parent)!r}: {told}.") from None
        write_file(folder / name, text.encode())


@click.group("manifests", cls=Family, context_settings=SETTINGS)
def manifests() -> None:
    r"""Kubernetes manifests: find what a schema lets through.

    \b
    Examples:
      mlops-lab manifests check deploy/base
      kubectl kustomize deploy/overlays/production | mlops-lab manifests check -
    """


@manifests.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@json_option
def check(paths: tuple[str, ...], as_json: bool) -> None:
    r"""Check how the objects in files and folders hang together; `-` reads standard input.

    Finds selectors that choose no pod, ports asked for by a name that nobody gave, mounts without a volume, autoscalers
    of nothing, and budgets that no node can be drained under. It needs no cluster. Types and fields are seen by
    kubernetes-validate --strict, security by checkov, and values by kubectl apply --dry-run=server.

    \b
    Exit codes: 0 nothing found, 1 something found, or a file that cannot be read
    """
    from mlops_lab.adapters.kubernetes.manifests import check_manifests, read_manifests

    objects = read_manifests(paths)
    found = check_manifests(objects)
    findings = [{"path": path, "line": line, "message": message} for path, line, message in found]
    told = {"objects": len(objects), "findings": findings}
    if not as_json:
        for path, line, message in found:
            click.echo(f"{path}:{line}: {message}")
    if found:
        raise Stopped(
            f"{counted(len(found), 'defect')} in {len(objects)} objects.", code=1, kind="ManifestDefects", told=told
        )
    answer(as_json, told, f"{len(objects)} objects, nothing found.")
