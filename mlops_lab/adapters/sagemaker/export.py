"""The pipeline as a SageMaker pipeline definition."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mlops_lab.adapters.kubernetes.export import IMAGE, check_image
from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.pipeline.dag import DAG, REQUIRED

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,254}")
_BASE = "/opt/ml/processing"
_TASKS = {
    "PrepareData": ("check_data", "build_training_set"),
    "Train": ("train", "register"),
    "Evaluate": ("evaluate", "gate"),
    "Promote": ("approve", "promote", "materialize", "roll_out", "report"),
    "KeepRefused": ("report",),
}
_PRODUCTION = "production/home"
_TYPES = {"integer": "Integer", "number": "Float", "boolean": "Boolean"}
_CONTENT = ["application/json", "text/csv"]


def to_sagemaker(dag: DAG, *, image: str = IMAGE) -> str:
    """The pipeline as the JSON that SageMaker's `CreatePipeline` takes.

    Processing makes the training set, training fits and registers, processing judges, and a condition on the gate's
    answer either promotes and puts the model into SageMaker's model registry, where it waits for somebody's approval,
    or fails with the reason. Each step runs the course's image (`mlops-lab container …`) and hands the home folder on
    through S3. At the end it goes back, as one packed file, to `production/home` below the parameter `Storage`, where
    the first step of the next run finds it; before the first run any file has to lie there.

    What differs there: what SageMaker serves waits for the approval of its model package, and `mlops-lab deploy
    sagemaker` shifts the traffic afterwards. No step is cached: each writes into the home folder.

    Args:
        dag: the pipeline of a problem; its params become the pipeline's parameters.
        image: the course's image for pipelines (build --target pipeline), with a tag or a digest; SageMaker wants it
            in ECR.

    Raises:
        InvalidDefinition: an image that cannot be one, a DAG without the tasks that the steps run, or params that
            SageMaker cannot tell apart, cannot name or cannot hold.

    >>> from mlops_lab.pipeline.flights import flights_pipeline
    >>> definition = json.loads(to_sagemaker(flights_pipeline()))
    >>> [(step["Name"], step["Type"]) for step in definition["Steps"]]
    [('PrepareData', 'Processing'), ('Train', 'Training'), ('Evaluate', 'Processing'), ('GatePassed', 'Condition')]

    See Also:
        https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
    """
    check_image(image)
    for name in (name for names in _TASKS.values() for name in names):
        if name not in dag.tasks:
            raise InvalidDefinition(f"DAG {dag.dag_id} has no task {name!r}, which a SageMaker pipeline of ours runs.")
    parameters = [
        {"Name": "ImageUri", "Type": "String", "DefaultValue": image},
        {"Name": "RoleArn", "Type": "String"},
        {"Name": "Storage", "Type": "String"},
        {"Name": "InstanceType", "Type": "String", "DefaultValue": "ml.m5.large"},
        {"Name": "ModelPackageGroup", "Type": "String", "DefaultValue": "late-flights"},
        {"Name": "Date", "Type": "String", "DefaultValue": "2014-01-01"},
    ]
    for name, param in dag.params.items():
        if name == "tasks" or param.default is None:
            raise InvalidDefinition(f"SageMaker has no word for the param {name!r}: a name it needs itself, or a null.")
        declared: dict[str, Any] = {"Name": _parameter(name), "Type": _TYPES.get(param.type, "String")}
        parameters.append(declared if param.default is REQUIRED else {**declared, "DefaultValue": param.default})
    _check_names([str(each["Name"]) for each in parameters])
    definition = {
        "Version": "2020-12-01",
        "Metadata": {"writtenBy": "mlops-lab export sagemaker"},
        "Parameters": parameters,
        "PipelineExperimentConfig": {
            "ExperimentName": _get("Execution.PipelineName"),
            "TrialName": _get("Execution.PipelineExecutionId"),
        },
        "Steps": [_prepare(dag), _train(dag), _evaluate(dag), _gate(dag)],
    }
    return json.dumps(definition, indent=2) + "\n"


def _check_names(parameters: list[str]) -> None:
    for name in parameters:
        if parameters.count(name) > 1:
            raise InvalidDefinition(f"two parameters are called {name!r}.")
        if not _NAME.fullmatch(name):
            raise InvalidDefinition(f"{name!r} cannot be a parameter of SageMaker: letters, digits and dashes are.")


def _parameter(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _get(what: str) -> dict[str, str]:
    return {"Get": what}


def _joined(*values: Any, by: str = "/") -> dict[str, Any]:
    return {"Std:Join": {"On": by, "Values": list(values)}}


def _production() -> dict[str, Any]:
    return _joined(_get("Parameters.Storage"), _PRODUCTION)


def _folder(step: str) -> dict[str, Any]:
    return _joined(_get("Parameters.Storage"), _get("Execution.PipelineExecutionId"), step)


def _processing(
    dag: DAG, step: str, source: Any, *more: str, output: Mapping[str, str] | None = None
) -> dict[str, Any]:
    given = [
        word
        for name in dag.params
        for word in ("--param", _joined(name, _get(f"Parameters.{_parameter(name)}"), by="="))
    ]
    home = f"{_BASE}/home"
    folders = ["--home", home, "--from", f"{_BASE}/before"]
    arguments = [*_TASKS[step], *folders, "--date", _get("Parameters.Date"), *more, *given]
    outputs = {"home": home, **(output or {})}
    return {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": _get("Parameters.InstanceType"), "InstanceCount": 1, "VolumeSizeInGB": 30}
        },
        "AppSpecification": {
            "ImageUri": _get("Parameters.ImageUri"),
            "ContainerEntrypoint": ["python", "-m", "mlops_lab", "container", "task"],
            "ContainerArguments": arguments,
        },
        "RoleArn": _get("Parameters.RoleArn"),
        "ProcessingInputs": [{"InputName": "before", "AppManaged": False, "S3Input": _s3(source, f"{_BASE}/before")}],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": name,
                    "AppManaged": False,
                    "S3Output": {
                        "S3Uri": _production() if name == "production" else _joined(_folder(step), name),
                        "LocalPath": path,
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for name, path in outputs.items()
            ]
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def _s3(source: Any, path: str) -> dict[str, Any]:
    return {
        "S3Uri": source,
        "LocalPath": path,
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
    }


def _step(name: str, kind: str, arguments: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "Arguments": arguments, **more}


_RETRY = [
    {
        "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.CAPACITY_ERROR"],
        "IntervalSeconds": 30,
        "BackoffRate": 2.0,
        "MaxAttempts": 3,
    }
]


def _prepare(dag: DAG) -> dict[str, Any]:
    arguments = _processing(dag, "PrepareData", _production())
    return _step("PrepareData", "Processing", arguments, RetryPolicies=_RETRY)


def _keep(dag: DAG, name: str) -> dict[str, Any]:
    """The last tasks, after which the home folder goes back to where the next run begins."""
    source = _get("Steps.Evaluate.ProcessingOutputConfig.Outputs['home'].S3Output.S3Uri")
    folder = f"{_BASE}/production"
    arguments = _processing(dag, name, source, "--pack", folder, output={"production": folder})
    return _step(name, "Processing", arguments, RetryPolicies=_RETRY)


def _train(dag: DAG) -> dict[str, Any]:
    texts = {name: _joined(_get(f"Parameters.{_parameter(name)}"), by="") for name in dag.params}
    source = _get("Steps.PrepareData.ProcessingOutputConfig.Outputs['home'].S3Output.S3Uri")
    arguments = {
        "AlgorithmSpecification": {"TrainingImage": _get("Parameters.ImageUri"), "TrainingInputMode": "File"},
        "RoleArn": _get("Parameters.RoleArn"),
        "HyperParameters": {"tasks": ",".join(_TASKS["Train"]), "date": _get("Parameters.Date"), **texts},
        "InputDataConfig": [
            {
                "ChannelName": "home",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": source,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {"S3OutputPath": _folder("Train")},
        "ResourceConfig": {"InstanceType": _get("Parameters.InstanceType"), "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
    }
    return _step("Train", "Training", arguments, RetryPolicies=_RETRY)


def _evaluate(dag: DAG) -> dict[str, Any]:
    folder = f"{_BASE}/evaluation"
    arguments = _processing(
        dag,
        "Evaluate",
        _get("Steps.Train.ModelArtifacts.S3ModelArtifacts"),
        "--evaluation",
        f"{folder}/evaluation.json",
        output={"evaluation": folder},
    )
    files = [{"PropertyFileName": "Evaluation", "OutputName": "evaluation", "FilePath": "evaluation.json"}]
    return _step("Evaluate", "Processing", arguments, PropertyFiles=files, RetryPolicies=_RETRY)


def _gate(dag: DAG) -> dict[str, Any]:
    def looked_up(path: str) -> dict[str, Any]:
        return {"Std:JsonGet": {"PropertyFile": _get("Steps.Evaluate.PropertyFiles.Evaluation"), "Path": path}}

    passed = {"Type": "Equals", "LeftValue": looked_up("gate.passed"), "RightValue": True}
    model = {
        "Image": _get("Parameters.ImageUri"),
        "ModelDataUrl": _get("Steps.Train.ModelArtifacts.S3ModelArtifacts"),
        "Environment": {"MLOPS_LAB_VERSION": "latest"},  # what SageMaker has approved, not what the home folder serves
    }
    register = {
        "ModelPackageGroupName": _get("Parameters.ModelPackageGroup"),
        "ModelPackageDescription": dag.description or dag.dag_id,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [model],
            "SupportedContentTypes": _CONTENT,
            "SupportedResponseMIMETypes": _CONTENT,
            "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large", "ml.c5.large"],
        },
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {
                    "ContentType": "application/json",
                    "S3Uri": _joined(_folder("Evaluate"), "evaluation/evaluation.json"),
                }
            }
        },
    }
    refused = {"ErrorMessage": _joined("The gate refused:", looked_up("gate.why"), by=" ")}
    arguments = {
        "Conditions": [passed],
        "IfSteps": [_keep(dag, "Promote"), _step("RegisterModel", "RegisterModel", register)],
        "ElseSteps": [_keep(dag, "KeepRefused"), _step("GateRefused", "Fail", refused, DependsOn=["KeepRefused"])],
    }
    return _step("GatePassed", "Condition", arguments)
