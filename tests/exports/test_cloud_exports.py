"""The files for the clouds: the same every time, sound by our own checkers, and no text can break out of its place."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_lab.adapters.exports import to_kubernetes, to_sagemaker, to_vertex
from mlops_lab.adapters.kubernetes.export import check_image
from mlops_lab.adapters.kubernetes.manifests import check_manifests, read_manifests
from mlops_lab.base.errors import CycleError, InvalidDefinition, UnknownName
from mlops_lab.cli import main
from mlops_lab.pipeline.dag import DAG, Param, task
from mlops_lab.pipeline.flights import flights_pipeline

sys.path.insert(0, str(Path(__file__).parent))
from sagemaker_references import check_sagemaker

GOLDEN = Path(__file__).parent / "golden"
DIGEST = "registry.example.com/late-flights@sha256:" + "a" * 64


@task
def gate(**context):
    return None


@task
def after(**context):
    return None


def hostile_dag():
    words = {"quo-te": Param('"""; import os #', description="{x}"), "date": Param(1), "home": Param(True)}
    with DAG("hostile", params=words, description='ends """ here \\') as dag:
        gate() >> after()
    return dag


def parsed(definition):
    return json.loads(json.dumps(definition))


@pytest.fixture
def definition():
    return json.loads(to_sagemaker(flights_pipeline()))


@pytest.mark.parametrize(
    ("write", "name"), [(to_vertex, "flights.vertex.txt"), (to_sagemaker, "flights.sagemaker.json")]
)
def test_the_flights_pipeline_is_written_as_in_the_golden_file(write, name):
    assert write(flights_pipeline()) == (GOLDEN / name).read_text("utf-8")


@pytest.mark.skipif(not shutil.which("ruff", path=str(Path(sys.executable).parent)), reason="ruff is not installed")
@pytest.mark.parametrize("make", [flights_pipeline, hostile_dag])
def test_the_vertex_file_is_formatted(make):
    ruff = [str(Path(sys.executable).parent / "ruff"), "format", "--isolated", "--line-length=120", "--check", "-"]

    done = subprocess.run(ruff, input=to_vertex(make()), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_hostile_texts_stay_texts_in_the_vertex_file():
    tree = ast.parse(to_vertex(hostile_dag()))

    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]

    assert imported == {"sys"}
    assert defined == ["bring_home", "keep_home", "run_task", "pipeline"]


def test_what_comes_after_the_gate_stands_below_the_condition_and_the_report_does_not():
    tree = ast.parse(to_vertex(flights_pipeline()))
    pipeline = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "pipeline")

    below, _ = [node for node in pipeline.body if isinstance(node, ast.With)]

    names = [node.targets[0].id for node in below.body if isinstance(node, ast.Assign)]
    outside = [node.targets[0].id for node in pipeline.body if isinstance(node, ast.Assign)]
    assert names == ["approve", "promote", "materialize", "roll_out"]
    assert {"gate", "report"} <= set(outside)


def test_a_condition_that_is_no_task_is_told():
    with pytest.raises(UnknownName, match="Did you mean 'gate'"):
        to_vertex(flights_pipeline(), condition="gates")


@pytest.mark.parametrize(
    "image", ["late-flights:v1", "ghcr.io/ada/late-flights:v1.2-rc.1", "localhost:5000/a/b__c:latest", DIGEST]
)
def test_images_with_a_tag_or_a_digest_are_taken(image):
    assert check_image(image)["name"]
    assert image.split("@")[0] in to_kubernetes(image=image)["README.md"] or "@" in image


@pytest.mark.parametrize(
    "image",
    [
        "",
        "late-flights",
        "Late:v1",
        "a b:v1",
        "a:v1\nb: c",
        "a:" + "x" * 200,
        "a@sha256:12",
        "a:v1 # x",
        'a:"',
        "a" * 600 + ":v1",
    ],
)
@pytest.mark.parametrize("write", [to_kubernetes, lambda image: to_sagemaker(flights_pipeline(), image=image)])
def test_what_is_no_image_is_refused(image, write):
    with pytest.raises(InvalidDefinition, match="no image with a tag or a digest"):
        write(image=image)


def test_the_kubernetes_files_are_sound_by_our_own_checker(tmp_path):
    for name, text in to_kubernetes().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    found = [
        each
        for part in ("base", "overlays/production-kserve")
        for each in check_manifests(read_manifests([tmp_path / part]))
    ]

    assert found == []


def test_no_placeholder_is_left_in_any_file():
    for image in (DIGEST, "late:1.10"):
        texts = to_kubernetes(image=image, challenger="late:v2")

        assert not [name for name, text in texts.items() if "IMAGE_" in text or "_TAG" in text]
    assert 'newTag: "1.10"' in texts["base/kustomization.yaml"]
    assert "newTag: v2" in texts["overlays/production-canary/kustomization.yaml"]


def test_every_reference_of_the_sagemaker_pipeline_leads_somewhere(definition):
    check_sagemaker(definition)


def planted(definition, text, other):
    told = json.dumps(definition)
    assert text in told
    return json.loads(told.replace(text, other, 1))


@pytest.mark.parametrize(
    ("text", "other", "told"),
    [
        ("Parameters.RoleArn", "Parameters.RoleARN", "no parameter 'RoleARN'"),
        ("Steps.Train.ModelArtifacts", "Steps.Training.ModelArtifacts", "waits for 'Training'"),
        ("PropertyFiles.Evaluation", "PropertyFiles.Evaluations", "no such property file"),
        ('"Name": "Evaluate"', '"Name": "Train"', "two steps are called 'Train'"),
        ('"Name": "RegisterModel"', '"Name": "GateRefused"', "two steps are called 'GateRefused'"),
    ],
)
def test_a_planted_reference_to_nothing_is_found(definition, text, other, told):
    with pytest.raises(InvalidDefinition, match=told):
        check_sagemaker(planted(definition, text, other))


def test_steps_that_wait_for_each_other_are_found_with_their_path(definition):
    definition["Steps"][0]["DependsOn"] = ["Evaluate"]

    with pytest.raises(CycleError) as caught:
        check_sagemaker(definition)

    assert set(caught.value.cycle) == {"PrepareData", "Train", "Evaluate"}
    assert caught.value.cycle[0] == caught.value.cycle[-1]


def test_a_dag_without_the_tasks_has_no_sagemaker_pipeline():
    with pytest.raises(InvalidDefinition, match="has no task 'check_data'"):
        to_sagemaker(hostile_dag())


def test_the_command_writes_a_folder_and_leaves_other_files(tmp_path, capsys):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "mine.txt").write_text("mine")

    code = main(["export", "kubernetes", "--to", str(tmp_path / "deploy"), "--image", "ghcr.io/ada/late:v3"])

    assert code == 0
    assert (tmp_path / "deploy" / "mine.txt").read_text() == "mine"
    assert "newName: ghcr.io/ada/late" in (tmp_path / "deploy/base/kustomization.yaml").read_text()
    assert capsys.readouterr().out.startswith("written: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["kubernetes"], "say where they go with --to DIR"),
        (["yaml", "--to", "x"], "are for kubernetes, sagemaker, vertex"),
        (["airflow", "--image", "a:v1"], "are for kubernetes, sagemaker, vertex"),
        (["vertex", "--out", "a", "--to", "b"], "either --out FILE or --to DIR"),
        (["sagemaker", "--image", "a"], "no image with a tag"),
        (["kubernets"], "Did you mean 'kubernetes'?"),
        (["kubernetes", "--to", "/dev/null/x"], "cannot make"),
    ],
)
def test_what_cannot_be_exported_is_one_line(words, told, capsys):
    assert main(["export", *words]) == 1
    assert told in capsys.readouterr().err


def test_no_cloud_library_is_imported_to_write_a_file():
    code = "import sys; from mlops_lab.pipeline.flights import flights_pipeline as f\n"
    code += "from mlops_lab.adapters.exports import *\n"
    code += "to_vertex(f()), to_sagemaker(f()), to_kubernetes()\n"
    code += "print(*{'kfp', 'boto3', 'google', 'sagemaker', 'pandas', 'sklearn'} & set(sys.modules))"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.split() == []


def flights_with(params):
    from mlops_lab.pipeline.dag import from_dict, to_dict
    from mlops_lab.pipeline.problem import delivery, steps

    document = {**to_dict(flights_pipeline()), "params": to_dict(DAG("params", params=params))["params"]}
    return from_dict(document, modules=[steps, delivery])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"image_uri": "x"}, "two parameters are called 'ImageUri'"),
        ({"date": "x"}, "two parameters are called 'Date'"),
        ({"ab": 1, "aB": 2}, "two parameters are called 'Ab'"),
        ({"größe": 1}, "cannot be a parameter of SageMaker"),
        ({"tasks": "x"}, "no word for the param 'tasks'"),
        ({"maybe": Param(None, type="integer")}, "no word for the param 'maybe'"),
    ],
    ids=ascii,
)
def test_params_that_sagemaker_would_mix_up_are_refused(params, said):
    with pytest.raises(InvalidDefinition, match=said):
        to_sagemaker(flights_with(params))


def test_no_param_or_task_takes_a_name_that_the_vertex_components_use():
    names = ["given", "folder", "shutil", "tempfile", "ended", "params", "run_one_task", "str"]

    text = to_vertex(flights_with(dict.fromkeys(names, "x")))

    (entries,) = [
        {key.value: value.id for key, value in zip(node.value.keys, node.value.values, strict=True)}
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and node.targets[0].id == "params"
    ]
    assert entries == {name: f"{name}_" for name in names}


def test_a_param_without_a_default_comes_first_in_the_vertex_file():
    from mlops_lab.pipeline.dag import from_dict, to_dict
    from mlops_lab.pipeline.problem import delivery, steps

    document = to_dict(flights_with({"some": 1, "must": Param(type="integer")}))
    del document["schedule"]

    tree = ast.parse(to_vertex(from_dict(document, modules=[steps, delivery])))

    (pipeline,) = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "pipeline"]
    assert [each.arg for each in pipeline.args.args] == ["must", "date", "home", "some"]


def test_a_param_that_kfp_cannot_name_is_refused():
    with pytest.raises(InvalidDefinition, match="KFP knows only the letters A to Z"):
        to_vertex(flights_with({"größe": 1}))


@pytest.mark.parametrize("default", ["two\nlines", "ends\n", "a\rb", "a\x85b", "a\u2028b: c"])
def test_a_default_that_would_leave_its_comment_is_refused(default):
    with pytest.raises(InvalidDefinition, match="give the param 'note' a default without line breaks"):
        to_vertex(flights_with({"note": default}))


def test_vertex_waits_no_longer_than_the_longest_delay():
    from mlops_lab.pipeline.dag import from_dict, to_dict
    from mlops_lab.pipeline.problem import delivery, steps

    document = to_dict(flights_pipeline())
    next(each for each in document["tasks"] if each["task_id"] == "materialize")["max_retry_delay"] = 90

    text = to_vertex(from_dict(document, modules=[steps, delivery]))

    assert 'backoff_max_duration="90s"' in text


def test_the_home_folder_goes_back_to_where_the_next_sagemaker_run_begins(definition):
    condition = definition["Steps"][-1]["Arguments"]
    (begins,) = definition["Steps"][0]["Arguments"]["ProcessingInputs"]
    ends = {
        step["Name"]: {each["OutputName"]: each for each in step["Arguments"]["ProcessingOutputConfig"]["Outputs"]}
        for step in (condition["IfSteps"][0], condition["ElseSteps"][0])
    }

    assert set(ends) == {"Promote", "KeepRefused"}
    for outputs in ends.values():
        assert outputs["production"]["S3Output"]["S3Uri"] == begins["S3Input"]["S3Uri"]
    assert condition["ElseSteps"][1]["DependsOn"] == ["KeepRefused"]
    assert "CacheConfig" not in json.dumps(definition)
