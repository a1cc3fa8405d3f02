"""The SageMaker files against AWS's own models of its API, its SDK, and moto's stand-in for the service."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import warnings
from pathlib import Path

import pytest

from mlops_lab.adapters.exports import to_sagemaker
from mlops_lab.adapters.targets import SageMakerTarget, TargetUnreachable, shift
from mlops_lab.base.errors import MlopsLabError, UnknownName
from mlops_lab.cli import main
from mlops_lab.models.registry import Registry
from mlops_lab.pipeline.flights import MODEL_NAME, flights_pipeline, outcome, run_flights

sys.path.insert(0, str(Path(__file__).parents[1] / "exports"))
from sagemaker_references import check_sagemaker

AWAY = "python start.py test-engines cloud runs it"
boto3 = pytest.importorskip("boto3", reason=AWAY)
mock_aws = pytest.importorskip("moto", reason=AWAY).mock_aws
ParamValidator = pytest.importorskip("botocore.validate").ParamValidator
Config = pytest.importorskip("botocore.config").Config

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/late-flights:v1"
ROLE = "arn:aws:iam::123456789012:role/late-flights"
OPERATIONS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "RegisterModel": "CreateModelPackage",
}
NAMES = {"Processing": "ProcessingJobName", "Training": "TrainingJobName"}
# What the SDK writes on top: defaults of the service, said again.
DEFAULTS = ("DebugHookConfig", "ProfilerConfig", "S3CompressionType", "SkipModelValidation", "SupportedTransform")


@pytest.fixture(autouse=True)
def account(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture(scope="module")
def definition():
    return json.loads(to_sagemaker(flights_pipeline(), image=IMAGE))


def all_steps(definition):
    condition = definition["Steps"][-1]["Arguments"]
    return [*definition["Steps"], *condition["IfSteps"], *condition["ElseSteps"]]


def resolved(value, definition):
    """The arguments as SageMaker fills them in when it starts the step."""
    parameters = {
        each["Name"]: each.get("DefaultValue", "s3://bucket/late-flights") for each in definition["Parameters"]
    }
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            name = value["Get"].removeprefix("Parameters.")
            return ROLE if name == "RoleArn" else str(parameters.get(name, "s3://bucket/what/a/step/left"))
        if set(value) == {"Std:Join"}:
            return value["Std:Join"]["On"].join(resolved(each, definition) for each in value["Std:Join"]["Values"])
        return {key: resolved(each, definition) for key, each in value.items()}
    return [resolved(each, definition) for each in value] if isinstance(value, list) else value


def complaints(step, definition):
    shape = boto3.client("sagemaker").meta.service_model.operation_model(OPERATIONS[step["Type"]]).input_shape
    arguments = resolved(step["Arguments"], definition)
    for own in ("ProcessingInputs",):
        for each in arguments.get(own, []):
            each.pop("AppManaged", None)
    for each in arguments.get("ProcessingOutputConfig", {}).get("Outputs", []):
        each.pop("AppManaged", None)
    if step["Type"] in NAMES:  # SageMaker names the job itself
        arguments[NAMES[step["Type"]]] = "job"
    return ParamValidator().validate(arguments, shape).generate_report()


def test_every_step_is_a_call_that_the_service_knows(definition):
    reports = {
        step["Name"]: complaints(step, definition) for step in all_steps(definition) if step["Type"] in OPERATIONS
    }

    assert reports == dict.fromkeys(("PrepareData", "Train", "Evaluate", "Promote", "KeepRefused", "RegisterModel"), "")


@pytest.mark.parametrize(
    ("where", "value"),
    [(("ProcessingResources", "ClusterConfig", "InstanceCount"), "one"), (("AppSpecification", "Image"), "x")],
)
def test_a_planted_wrong_type_and_an_unknown_key_are_seen(definition, where, value):
    step = json.loads(json.dumps(definition["Steps"][0]))
    place = step["Arguments"]
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value

    assert where[-1] in complaints(step, definition)


def paths(value, at=""):
    if isinstance(value, dict):
        if set(value) & {"Get", "Std:Join", "Std:JsonGet"}:
            return {at}
        return {found for key, each in value.items() for found in paths(each, f"{at}.{key}")}
    if isinstance(value, list):
        return {found for each in value for found in paths(each, f"{at}[]")}
    return {at}


def test_the_definition_has_the_shape_that_the_sdk_writes(definition):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = {step["Type"]: step for step in all_steps(sdk_definition())}

    ours = {step["Type"]: step for step in all_steps(definition) if step["Name"] not in ("Promote", "KeepRefused")}
    for kind, step in theirs.items():
        missing = paths(step) - paths(ours[kind])
        missing = {each for each in missing if not any(word in each for word in DEFAULTS)}
        missing = {each for each in missing if "HyperParameters" not in each and "IfSteps" not in each}
        assert missing == set(), kind
    assert ours["Condition"]["Arguments"]["Conditions"] == theirs["Condition"]["Arguments"]["Conditions"]


def sdk_definition():
    """The same pipeline by AWS's own SDK."""
    from sagemaker.estimator import Estimator
    from sagemaker.inputs import TrainingInput
    from sagemaker.model import Model
    from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor
    from sagemaker.workflow.condition_step import ConditionStep
    from sagemaker.workflow.conditions import ConditionEquals
    from sagemaker.workflow.fail_step import FailStep
    from sagemaker.workflow.functions import JsonGet
    from sagemaker.workflow.model_step import ModelStep
    from sagemaker.workflow.pipeline import Pipeline
    from sagemaker.workflow.pipeline_context import PipelineSession
    from sagemaker.workflow.properties import PropertyFile
    from sagemaker.workflow.steps import ProcessingStep, TrainingStep

    session = PipelineSession(boto_session=boto3.Session(region_name="eu-west-1"), default_bucket="bucket")
    machine = {"instance_count": 1, "instance_type": "ml.m5.large", "sagemaker_session": session}
    common = {"image_uri": IMAGE, "role": ROLE, **machine}

    def processing(name, source, outputs, files=None):
        processor = Processor(**common, entrypoint=["python"], max_runtime_in_seconds=3600)
        arguments = processor.run(
            inputs=[ProcessingInput(source=source, destination="/opt/ml/processing/before", input_name="before")],
            outputs=[
                ProcessingOutput(source=f"/opt/{one}", output_name=one, destination=f"s3://b/{one}") for one in outputs
            ],
            arguments=[name],
        )
        return ProcessingStep(name=name, step_args=arguments, property_files=files)

    prepare = processing("PrepareData", "s3://bucket/production/home", ["home"])
    home = prepare.properties.ProcessingOutputConfig.Outputs["home"].S3Output.S3Uri
    estimator = Estimator(**common, output_path="s3://bucket/Train", hyperparameters={"tasks": "train"})
    train = TrainingStep(name="Train", step_args=estimator.fit(inputs={"home": TrainingInput(home)}))
    artifact = train.properties.ModelArtifacts.S3ModelArtifacts
    file = PropertyFile(name="Evaluation", output_name="evaluation", path="evaluation.json")
    evaluate = processing("Evaluate", artifact, ["home", "evaluation"], [file])
    model = Model(
        image_uri=IMAGE, role=ROLE, model_data=artifact, sagemaker_session=session, env={"MLOPS_LAB_VERSION": "latest"}
    )
    register = model.register(
        content_types=["application/json"],
        response_types=["application/json"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name="late-flights",
        approval_status="PendingManualApproval",
    )
    passed = ConditionEquals(
        left=JsonGet(step_name="Evaluate", property_file=file, json_path="gate.passed"), right=True
    )
    gate = ConditionStep(
        name="GatePassed",
        conditions=[passed],
        if_steps=[ModelStep(name="RegisterModel", step_args=register)],
        else_steps=[FailStep(name="GateRefused", error_message="refused")],
    )
    steps = [prepare, train, evaluate, gate]
    return json.loads(Pipeline(name="flights", steps=steps, sagemaker_session=session).definition())


@mock_aws
def test_the_pipeline_is_created_and_a_model_waits_for_approval(definition):
    client = boto3.client("sagemaker")
    check_sagemaker(definition)

    client.create_pipeline(
        PipelineName="flights", PipelineDefinition=json.dumps(definition), RoleArn=ROLE, ClientRequestToken="x" * 32
    )
    kept = json.loads(client.describe_pipeline(PipelineName="flights")["PipelineDefinition"])
    client.create_model_package_group(ModelPackageGroupName="late-flights")
    register = next(step for step in all_steps(definition) if step["Type"] == "RegisterModel")
    package = client.create_model_package(**resolved(register["Arguments"], definition))["ModelPackageArn"]
    before = client.describe_model_package(ModelPackageName=package)["ModelApprovalStatus"]
    client.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")

    assert kept == definition
    assert before == "PendingManualApproval"
    assert client.describe_model_package(ModelPackageName=package)["ModelApprovalStatus"] == "Approved"


@pytest.fixture
def endpoint():
    with mock_aws():
        client = boto3.client("sagemaker")
        variants = []
        for name, weight in (("champion", 1.0), ("challenger", 0.0)):
            container = {"Image": IMAGE, "ModelDataUrl": f"s3://bucket/{name}/model.tar.gz"}
            model = f"late-flights-{name}"
            client.create_model(ModelName=model, PrimaryContainer=container, ExecutionRoleArn=ROLE)
            size = {"InitialInstanceCount": 1, "InstanceType": "ml.m5.large", "InitialVariantWeight": weight}
            variants.append({"VariantName": name, "ModelName": model, **size})
        client.create_endpoint_config(EndpointConfigName="late-flights", ProductionVariants=variants)
        client.create_endpoint(EndpointName="late-flights", EndpointConfigName="late-flights")
        yield client


def weights(client):
    variants = client.describe_endpoint(EndpointName="late-flights")["ProductionVariants"]
    return {each["VariantName"]: each.get("DesiredWeight") for each in variants}


def test_weights_go_up_step_by_step_and_back_in_one(endpoint):
    target = SageMakerTarget("late-flights", region="eu-west-1")
    seen = []

    for weight in (5, 25, 25, 100, 0):
        shift(target, weight)
        seen.append(weights(endpoint))

    assert [each["challenger"] for each in seen] == [5, 25, 25, 100, 0]
    assert [each["champion"] for each in seen] == [95, 75, 75, 0, 100]


def test_an_endpoint_that_is_not_there_is_told_without_a_request(endpoint):
    with pytest.raises(MlopsLabError, match="sagemaker describe_endpoint refused: ValidationException"):
        shift(SageMakerTarget("late", region="eu-west-1"), 5)


def test_a_variant_of_another_name_is_told(endpoint):
    endpoint.create_endpoint_config(
        EndpointConfigName="one",
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": "late-flights-champion",
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
            }
        ],
    )
    endpoint.create_endpoint(EndpointName="one", EndpointConfigName="one")

    with pytest.raises(UnknownName, match="no variant 'champion' in endpoint one; there is: AllTraffic"):
        shift(SageMakerTarget("one", region="eu-west-1"), 5)


def test_a_service_that_is_away_is_neutral():
    client = boto3.client("sagemaker", endpoint_url="http://127.0.0.1:1", config=Config(retries={"max_attempts": 0}))

    with pytest.raises(TargetUnreachable, match="EndpointConnectionError") as caught:
        shift(SageMakerTarget("late-flights", client=client), 5)
    assert "testing" not in str(caught.value)  # no credential in what is said


def local(value, definition, folders):
    """A resolved argument with the container's folders moved below a test's own."""
    told = resolved(value, definition)
    for inside, outside in folders.items():
        told = told.replace(inside, str(outside))
    return told


def processing_job(step, definition, before, folder):
    """What SageMaker does with a processing step: bring the input, start the container, keep what it leaves."""
    folders = {"/opt/ml/processing/before": before, "/opt/ml/processing": folder}
    words = step["Arguments"]["AppSpecification"]
    assert words["ContainerEntrypoint"][:3] == ["python", "-m", "mlops_lab"]
    arguments = [local(each, definition, folders) for each in words["ContainerArguments"]]
    assert main([*words["ContainerEntrypoint"][3:], *arguments]) == 0
    return folder


def night(definition, production, folder, *, date, features="as_known"):
    """A run of the pipeline, step by step, as SageMaker starts them; what the evaluation said, and the last home."""
    definition = json.loads(json.dumps(definition))
    told = {"Date": date, "HoldoutDays": 8, "WatchDays": 3, "Features": features}
    for parameter in definition["Parameters"]:
        parameter["DefaultValue"] = told.get(parameter["Name"], parameter.get("DefaultValue"))
    prepare, train, evaluate, condition = definition["Steps"]
    opt_ml, packed = folder / "ml", folder / "packed"
    packed.mkdir(parents=True)

    prepared = processing_job(prepare, definition, production, folder / "prepare")
    config = opt_ml / "input" / "config"
    config.mkdir(parents=True)
    texts = {name: resolved(value, definition) for name, value in train["Arguments"]["HyperParameters"].items()}
    (config / "hyperparameters.json").write_text(json.dumps(texts))
    shutil.copytree(prepared / "home", opt_ml / "input" / "data" / "home")
    assert main(["container", "train", "--opt-ml", str(opt_ml)]) == 0
    with tarfile.open(packed / "model.tar.gz", "w:gz") as archive:
        archive.add(opt_ml / "model", arcname=".")
    evaluated = processing_job(evaluate, definition, packed, folder / "evaluate")
    answer = json.loads((evaluated / "evaluation" / "evaluation.json").read_text())
    branch = condition["Arguments"]["IfSteps" if answer["gate"]["passed"] else "ElseSteps"]
    kept = processing_job(branch[0], definition, evaluated / "home", folder / "keep")
    shutil.copytree(kept / "production", production, dirs_exist_ok=True)  # as S3 does at the end of the job
    return answer, kept / "home"


@pytest.fixture(scope="module")
def first_night(tmp_path_factory, definition):
    """What the evaluation of a night that promotes said, its last home folder, and where the next night begins."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "production").mkdir()
    return *night(definition, folder / "production", folder / "night", date="2013-02-10"), folder / "production"


@pytest.mark.parametrize("features", ["as_known", "daily_averages"])
def test_the_steps_one_after_the_other_give_the_model_and_the_verdict_of_the_embedded_run(
    features, tmp_path, definition, first_night
):
    params = {"holdout_days": 8, "watch_days": 3, "features": features}
    (tmp_path / "production").mkdir()

    if features == "as_known":
        answer, home, _ = first_night
    else:
        answer, home = night(
            definition, tmp_path / "production", tmp_path / "night", date="2013-02-10", features=features
        )

    embedded = run_flights(tmp_path / "embedded", date="2013-02-10", params=params)
    expected = Registry(tmp_path / "embedded").search(name=MODEL_NAME)[0]
    assert answer["artifact"] == expected.artifact
    assert answer["gate"]["passed"] == (outcome(embedded) == "promoted")
    found = Registry(home).search(name=MODEL_NAME)[0]
    assert (found.artifact, found.stage) == (expected.artifact, expected.stage)


def test_the_second_night_finds_the_champion_of_the_first(tmp_path, definition, first_night):
    _, first, left = first_night
    production = shutil.copytree(left, tmp_path / "production")

    _, second = night(definition, production, tmp_path / "second", date="2013-02-11")

    assert Registry(first).get_production(MODEL_NAME).version == 1
    assert [each.version for each in Registry(second).search(name=MODEL_NAME)] == [1, 2]
    assert Registry(second).get_gate_report(MODEL_NAME, 2).champion == 1
    assert [each.name for each in production.iterdir()] == ["model.tar.gz"]
