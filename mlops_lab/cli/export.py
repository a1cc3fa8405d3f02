"""How is the pipeline written for other programs?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.cli.answers import print_json
from mlops_lab.cli.dag_file import modules_option, read_dag
from mlops_lab.cli.export_cloud import CLOUDS, only_text, write_folder
from mlops_lab.cli.export_features import FEATURE_STORES, write_rows
from mlops_lab.cli.options import MODEL, answer_options, model_of

if TYPE_CHECKING:
    from mlops_lab.pipeline.dag import DAG


@dataclass(frozen=True)
class Target:
    """One form that a DAG can be written in: what it is, and the function that writes it."""

    description: str
    write: Callable[[DAG], str]


def _yaml(dag: DAG) -> str:
    from mlops_lab.pipeline.dag import to_yaml

    return to_yaml(dag)


def _json(dag: DAG) -> str:
    from mlops_lab.pipeline.dag import to_json

    return to_json(dag)


def _airflow(dag: DAG) -> str:
    from mlops_lab.adapters.exports import to_airflow

    return to_airflow(dag)


def _prefect(dag: DAG) -> str:
    from mlops_lab.adapters.exports import to_prefect

    return to_prefect(dag)


def _airflow_factory(dag: DAG) -> str:
    from mlops_lab.adapters.exports import to_airflow_factory

    return to_airflow_factory(dag)


def _prefect_yaml(dag: DAG) -> str:
    from mlops_lab.adapters.exports import to_prefect_yaml

    return to_prefect_yaml(dag)


#: Every target by its name; another one is another line here.
TARGETS: Mapping[str, Target] = {
    "yaml": Target("the DAG as a YAML 1.2 document", _yaml),
    "json": Target("the DAG as a JSON document", _json),
    "airflow": Target("an Airflow 3 file for its dags folder", _airflow),
    "airflow-factory": Target("the small Airflow file that builds DAGs from the YAML beside it", _airflow_factory),
    "prefect": Target("a Prefect 3 flow that serves itself", _prefect),
    "prefect-yaml": Target("the prefect.yaml that deploys that flow", _prefect_yaml),
}


_ABOUT = {name: each.description for name, each in TARGETS.items()}
_ABOUT |= {name: each.description for name, each in CLOUDS.items()}
_ABOUT |= {name: each.description for name, each in FEATURE_STORES.items()}


@click.command(epilog="Targets: " + "; ".join(f"{name}, {about}" for name, about in _ABOUT.items()) + ".")
@click.argument("target", metavar="TARGET")
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
      mlops-lab export json --out flights.json
      mlops-lab export airflow --out dags/flights.py
      mlops-lab export prefect --out flights_flow.py
      mlops-lab export airflow --file night.yaml --module mycompany.tasks --out dags/night.py
      mlops-lab export kubernetes --to deploy --image ghcr.io/ada/late-flights:v3
      mlops-lab export vertex --out pipeline.py
      mlops-lab export feast --to feature_repo --rows
    """
    from mlops_lab.cli.options import open_problem
    from mlops_lab.pipeline.problem import pipeline_of

    out = None if out == "-" else out
    if target not in _ABOUT:
        raise UnknownName("export target", target, _ABOUT)
    if target in FEATURE_STORES and (image or file):
        raise InvalidData(f"{target} is about features, not about a DAG or an image; leave out --file and --image.")
    if target not in CLOUDS and target not in FEATURE_STORES and (image or folder):
        only = f"--to and --image are for {', '.join(CLOUDS)}"
        raise InvalidData(f"{target} is one file without an image: {only}. Write it with --out FILE.")
    if out is not None and folder is not None:
        raise InvalidData("say either --out FILE or --to DIR.")
    if rows and (target not in FEATURE_STORES or folder is None):
        raise InvalidData(f"--rows needs --to DIR, and is for {' and '.join(FEATURE_STORES)}.")
    if target in FEATURE_STORES:
        files = FEATURE_STORES[target].files(open_problem(home))
    elif target in CLOUDS:
        dag = pipeline_of(open_problem(home)) if file is None else read_dag(file, modules)
        usual, own = MODEL, model_of(home)  # their files are written for the course's model, and named after it
        files = {
            name: text.replace(usual, own).replace(usual.replace("_", "-"), own.replace("_", "-"))
            for name, text in CLOUDS[target].files(dag, image).items()
        }
    else:
        dag = pipeline_of(open_problem(home)) if file is None else read_dag(file, modules)
        files = {target: TARGETS[target].write(dag).rstrip("\n") + "\n"}
    if folder is not None:
        write_folder(Path(folder), files)
        if rows:
            write_rows(Path(folder), open_problem(home))
        _say(
            target,
            f"{len(files)} files below {folder}" if len(files) > 1 else f"{folder}/{next(iter(files))}",
            files,
            as_json,
        )
        return
    text = only_text(target, files)
    if out is not None:
        write_folder(Path(out).parent, {Path(out).name or out: text})
    if as_json:
        print_json({"target": target, "written": out, "text": text})
    else:
        click.echo(text if out is None else f"written to {out}", nl=out is not None)


def _say(target: str, where: str, files: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        print_json({"target": target, "written": where, "files": dict(files)})
    else:
        click.echo(f"written: {where}")
