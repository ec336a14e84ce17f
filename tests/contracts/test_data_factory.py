"""include/adf/: against the vendor's models, strictly, and evaluated by Microsoft's own expression engine."""

import copy
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from midnight.configuration.pipeline import Pipeline, load_pipeline
from midnight.configuration.tables import Table
from midnight.data_factory import resource_files as files
from midnight.data_factory.copy_request import copy_parameters
from midnight.data_factory.pipeline import PARAMETERS, copy_pipeline
from midnight.data_factory.resource_files import KINDS, factory_files, factory_resources
from midnight.data_factory.resources import INTEGRATION_RUNTIME
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY, Settings
from tests.contracts.data_factory_expressions import RUN_ID
from tests.contracts.data_factory_models import problems_of
from tests.contracts.terraform_files import TerraformFiles

FOLDER = REPOSITORY / "include" / "adf"
FILES = {path.relative_to(FOLDER): json.loads(path.read_text()) for path in sorted(FOLDER.rglob("*.json"))}
PIPELINE = FILES[Path("pipeline/midnight_copy.json")]


def copies(document):
    return document["properties"]["activities"][1]


def copy_activity(document):
    return copies(document)["typeProperties"]["activities"][0]


def test_the_committed_files_are_up_to_date():
    made = factory_files(REPOSITORY / "include")
    assert {f"include/{path}": text for path, text in made.items()} == {
        path.relative_to(REPOSITORY).as_posix(): path.read_text() for path in FOLDER.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_vendors_models_accept_every_file(path):
    assert problems_of(path.parts[0], FILES[path]) == []
    assert FILES[path]["name"] == path.stem


def settings(document):
    return copy_activity(document)["typeProperties"]


def problems_after(change):
    document = copy.deepcopy(PIPELINE)
    change(document)
    return problems_of("pipeline", document)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: copy_activity(d).update(type="Kopy"), "type: 'Kopy' is unknown"),
        (lambda d: settings(d).update(validateConsistency=True), "not a property of CopyActivityTypeProperties"),
        (lambda d: settings(d)["source"].update(type="PostgreSqlV3Source"), "'PostgreSqlV3Source' is unknown"),
        (lambda d: settings(d)["source"].update(partitionOption="x"), "not a property of PostgreSqlV2Source"),
        (
            lambda d: settings(d)["source"].update(query={"value": "@a", "type": "Expresion"}),
            "is not a constant or",
        ),
        (lambda d: settings(d)["sink"]["storeSettings"].update(type="Blob"), "'Blob' is unknown"),
        (lambda d: settings(d).pop("sink"), "sink: is missing"),
        (lambda d: copy_activity(d)["policy"].update(retries=1), "retries: is not a property of ActivityPolicy"),
        (lambda d: copy_activity(d)["policy"].update(secureInput="no"), "'no' is not a value of type bool"),
        (lambda d: copy_activity(d)["inputs"][0].update(type="Dataset"), "type: 'Dataset' is not one of"),
        (lambda d: d["properties"]["parameters"]["tables"].update(type="List"), "'List' is not one of"),
        (lambda d: copies(d)["typeProperties"].update(batchCount="4"), "'4' is not a value of type int"),
        (lambda d: copies(d)["dependsOn"][0].update(dependencyConditions=["Done"]), "'Done' is not one of"),
        (lambda d: copies(d)["typeProperties"].pop("items"), "items: is missing"),
        (lambda d: d["properties"].update(activites=[]), "activites: is not a property of Pipeline"),
    ],
)
def test_the_validation_finds_a_mistake(change, problem):
    assert [problem in found for found in problems_after(change)] == [True]


def references(value, kind):
    """All references of a kind inside a document."""
    if isinstance(value, dict):
        if value.get("type") == kind:
            yield value
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from references(inner, kind)


def test_every_reference_exists():
    names = {kind: {path.stem for path in FILES if path.parts[0] == kind} for kind in KINDS}
    found = {
        kind: {reference["referenceName"] for reference in references(list(FILES.values()), kind)}
        for kind in ("LinkedServiceReference", "DatasetReference", "IntegrationRuntimeReference")
    }
    assert found["LinkedServiceReference"] == names["linkedService"]
    assert found["DatasetReference"] == names["dataset"]
    terraform = TerraformFiles({path.name: path.read_text() for path in (REPOSITORY / "infra").glob("*.tf")})
    runtime = terraform.of_kind("resource")["azurerm_data_factory_integration_runtime_self_hosted", "source"]
    assert found["IntegrationRuntimeReference"] == {INTEGRATION_RUNTIME} == {runtime["name"].strip('"')}
    for reference in references(PIPELINE, "DatasetReference"):
        dataset = FILES[Path(f"dataset/{reference['referenceName']}.json")]["properties"]
        assert set(reference.get("parameters", {})) == set(dataset.get("parameters", {}))


def test_no_row_is_skipped_and_the_count_is_compared():
    properties = copy_activity(PIPELINE)["typeProperties"]
    assert (properties["enableSkipIncompatibleRow"], properties["validateDataConsistency"]) == (False, True)
    assert Settings().adf_pipeline == PIPELINE["name"]
    assert list(PIPELINE["properties"]["parameters"]) == list(PARAMETERS)


def test_the_configuration_decides_on_time_and_parallel_copies():
    groups = [{"name": "main", "connections": 8}, {"name": "big", "connections": 3}]
    pipeline = Pipeline(source={"name": "s"}, groups=groups, timeout_minutes=1501, retry_delay_seconds=5)
    made = {"name": "p", "properties": copy_pipeline(pipeline)}
    assert problems_of("pipeline", made) == []
    assert copies(made)["typeProperties"]["batchCount"] == 3  # more would exceed the limit of the smallest group
    policy = copy_activity(made)["policy"]
    assert (policy["timeout"], policy["retryIntervalInSeconds"]) == ("1.01:01:00", 30)


ODD = 'o\'rders "x" @{item().query} größer 表 \\n'


@pytest.fixture(scope="module")
def evaluated():
    """The activities of runs with tables of odd names, and without tables."""
    if sys.platform == "darwin" or platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the package index has the .NET runtime for Linux and Windows on x86-64 only")
    columns = [{"name": "größe", "source": ODD, "type": "bigint"}, {"name": "b", "type": "numeric"}]
    tables = [
        Table(schema=ODD, table=ODD, silver="t0", columns=columns, key=("größe",)),
        Table(schema="public", table="@concat('a')", silver="t1", columns=columns),
    ]
    paths = LakePaths.in_account("lake")
    cuts = {tables[0].qualified_name: [10, 20]}
    parameters = copy_parameters(paths, "the source", tables, "20260101T000000000Z-00000001", cuts=cuts)
    runs = [
        {**parameters, "tables": json.dumps(parameters["tables"]), "request_id": "r"},
        {"request_id": "r", "batch_id": "b", "tables": PARAMETERS["tables"]},  # the default, for a manual run
    ]
    program = Path(__file__).with_name("data_factory_expressions.py")
    done = subprocess.run(
        [sys.executable, str(program), str(FOLDER)],
        input=json.dumps(runs),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return parameters["tables"], *(json.loads(line) for line in done.stdout.splitlines())


def test_the_query_and_the_folder_reach_source_and_lake_unchanged(evaluated):
    tables, activities, _ = evaluated
    assert len(activities) == len(tables) == 4
    for table, activity in zip(tables, activities, strict=True):
        file = f"{RUN_ID}-{table['part']}.parquet"
        assert activity == {
            "name": "CopyTable",
            "type": "Copy",
            "query": table["query"],
            "properties": {
                "Table": f"{table['schema']}.{table['table']}",
                "Part": table["part"],
                "Folder": table["folder"],
            },
            "sink": {"folder": table["folder"], "file": file},
            "location": {"folderPath": table["folder"], "fileName": file},
        }
    assert "o''rders" in activities[0]["query"]


def test_terraform_can_deploy_the_parameters():
    """Its resources support strings with a default only (terraform-provider-azurerm, expandDataFactoryParameters)."""
    found = [
        parameter for document in FILES.values() for parameter in document["properties"].get("parameters", {}).values()
    ]
    assert {parameter["type"] for parameter in found} == {"String"}
    assert [p for p in PIPELINE["properties"]["parameters"].values() if "defaultValue" not in p] == []


def test_the_annotation_changes_with_each_document(monkeypatch):
    pipeline = load_pipeline(REPOSITORY / "include")
    before = factory_resources(pipeline)["pipeline"]["midnight_copy"]["annotations"]
    assert before == PIPELINE["properties"]["annotations"]
    monkeypatch.setattr(files, "datasets", lambda: {})
    assert factory_resources(pipeline)["pipeline"]["midnight_copy"]["annotations"] != before


def test_a_run_without_tables_fails_with_a_message(evaluated):
    *_, activities = evaluated
    assert activities == [
        {
            "name": "NothingToCopy",
            "type": "Fail",
            "message": "The parameter tables is empty: there is nothing to copy.",
        }
    ]
