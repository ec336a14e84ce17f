"""The Azure guide as a script: all of its commands in order, with fakes of the tools that would call Azure.

What the tools themselves accept is not checked here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from midnight.settings import REPOSITORY, load_settings
from tests.contracts.azure_guide import guide_script

CANARY = "canary~$w'd\"x"
OUTPUTS: dict[str, Any] = {
    "environment_variables": {
        "MIDNIGHT_PROFILE": "azure",
        "ENTRA_ENVIRONMENT": "dev",
        "MIDNIGHT_STORAGE_ACCOUNT": "midnightdevcontso",
        "MIDNIGHT_ADF_RESOURCE_GROUP": "midnight-dev",
        "MIDNIGHT_ADF_FACTORY": "midnight-dev-contso",
        "MIDNIGHT_DATABRICKS_JOB_ID": "1234",
    },
    "key_vault_url": "https://midnight-dev-contso.vault.azure.net/",
    "synapse_sql_endpoint": "midnight-dev-contso-ondemand.sql.azuresynapse.net",
    "databricks_url": "https://adb-1.1.azuredatabricks.net",
    "integration_runtime": "on-premises",
    "wheel_folder": "/Workspace/midnight-wheels",
    "managed_identities": {
        task: {"id": f"/subscriptions/x/{task}", "client_id": f"33333333-3333-4333-8333-00000000000{number}"}
        for number, task in enumerate(("airflow", "serving"))
    },
}
# Connection -> the identity that it signs in as.
TASKS = {
    "lake": "airflow",
    "data-factory": "airflow",
    "databricks": "airflow",
    "synapse": "serving",
    "power-bi": "refresh",
    "power-bi-reader": "power-bi-reader",
}
# Notes how it was called, and answers as far as the script reads the answer.
TOOL = f"""#!{sys.executable} -ISs
import json, pathlib, sys, uuid
name, given = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
said = sys.stdin.read() if "/dev/stdin" in given else ""
with (pathlib.Path(sys.argv[0]).parent / "calls").open("a") as calls:
    calls.write(json.dumps([name, given, said]) + "\\n")
if given[:3] == ["ad", "sp", "create-for-rbac"]:
    application = str(uuid.uuid5(uuid.NAMESPACE_DNS, given[given.index("--name") + 1]))
    print(json.dumps({{"appId": application, "password": {CANARY!r}}}))
elif name == "terraform" and "output" in given:
    print(json.dumps({{key: {{"value": value}} for key, value in {OUTPUTS!r}.items()}}))
elif name == "make" and "publish-wheel" in given:
    print('uploaded\\ndatabricks_wheel = "/Workspace/midnight-wheels/midnight_lakehouse-0.1.0-py3-none-any.whl"')
elif name == "docker" and "publish-power-bi" in given:
    print("MIDNIGHT_POWERBI_GROUP_ID=22222222-2222-4222-8222-222222222222")
    print("MIDNIGHT_POWERBI_DATASET_ID=22222222-2222-4222-8222-222222222222")
elif "--query" in given:
    print("22222222-2222-4222-8222-222222222222")
"""


def application_id(name: str) -> str:
    """The client id that the fake gives to the service principal ``name``."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


@dataclass(frozen=True)
class Guide:
    """What following the guide did.

    Args:
        identity: ``principal`` or ``managed``.
        private: with private endpoints.
        folder: as the repository.
        calls: name of the tool, its arguments, its standard input.
    """

    identity: str
    private: bool
    folder: Path
    calls: list[list[Any]]


@pytest.fixture(scope="module", params=[("principal", False), ("managed", True)], ids=["principal", "managed, private"])
def guide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guide:
    """A folder as the repository, after somebody has followed the guide; and the calls of the tools."""
    if shutil.which("jq") is None:
        pytest.fail("the guide asks for jq; install it")
    return follow(tmp_path_factory, *request.param)


def follow(tmp_path_factory: pytest.TempPathFactory, identity: str, private: bool) -> Guide:
    """Run every command of the guide in a copy of what it names.

    Args:
        tmp_path_factory: for the folders.
        identity: what the reader writes for ``identity``.
        private: the reader's tfvars say ``private_endpoints = true``.
    """
    folder, tools = tmp_path_factory.mktemp("guide"), tmp_path_factory.mktemp("tools")
    shutil.copytree(REPOSITORY / "infra", folder / "infra")
    shutil.copy(REPOSITORY / ".env.example", folder)
    example = (folder / "infra" / "dev.tfvars.example").read_text()
    switch = {False: "private_endpoints   = false", True: "private_endpoints   = true"}
    assert switch[False] in example
    (folder / "infra" / "dev.tfvars").write_text(example.replace(switch[False], switch[private]))
    for name in ("az", "terraform", "make", "docker", "sqlcmd"):
        (tools / name).write_text(TOOL)
        (tools / name).chmod(0o700)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(tools / "make")
    script = guide_script()
    for asked, given in (
        ('read -rsp "password of midnight_reader: " source && echo', "source=$CANARY"),
        ("identity=principal ", f"identity={identity} "),
        ('python3 -c "import socket, sys; print(sys.argv[1], socket.gethostbyname(sys.argv[1]))"', "echo"),
    ):
        assert asked in script
        script = script.replace(asked, given)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder), "CANARY": CANARY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert CANARY not in done.stdout
    return Guide(identity, private, folder, [json.loads(line) for line in (tools / "calls").read_text().splitlines()])


def test_secrets_go_to_the_vault_by_standard_input_only(guide):
    assert [given for _, given, _ in guide.calls if CANARY in " ".join(given)] == []
    stored = {given[given.index("--name") + 1]: said for _, given, said in guide.calls if said}
    with_secret = {name for name, said in stored.items() if json.dumps(CANARY)[1:-1] in said or CANARY in said}
    by_client_secret = [] if guide.identity == "managed" else ["lake", "data-factory", "databricks", "synapse"]
    assert with_secret == {
        *(
            f"airflow-connections-midnight-{name}"
            for name in [*by_client_secret, "power-bi", "power-bi-reader", "source"]
        ),
        "source-password",
        "lake-client-secret",
    }
    files = [path for path in guide.folder.rglob("*") if path.is_file()]
    assert [path for path in files if CANARY in path.read_text(errors="ignore")] == []
    assert not (guide.folder / "identities").exists()


def test_each_connection_signs_in_as_the_identity_of_its_task(guide):
    stored = {given[given.index("--name") + 1]: said for _, given, said in guide.calls if said}
    connections = {
        name.removeprefix("airflow-connections-midnight-"): json.loads(said)
        for name, said in stored.items()
        if name.startswith("airflow-connections-")
    }
    assert connections.keys() == {*TASKS, "source"}
    del connections["source"]
    if guide.identity == "principal":
        identities = {task: application_id(f"midnight-dev-{task}") for task in TASKS.values()}
    else:
        made = {task: of["client_id"] for task, of in OUTPUTS["managed_identities"].items()}
        identities = {task: made.get(task) or application_id(f"midnight-dev-{task}") for task in TASKS.values()}
        assert {name for name, of in connections.items() if "password" in of} == {"power-bi", "power-bi-reader"}
    for name, connection in connections.items():
        known = {key.lower().replace("_", ""): value for key, value in connection["extra"].items()}
        signs_in_as = {value for key, value in known.items() if key.endswith("clientid")} or {connection["login"]}
        assert signs_in_as == {identities[TASKS[name]]}, name


def test_the_virtual_machine_has_the_managed_identities(guide):
    assigned = [given for name, given, _ in guide.calls if name == "az" and given[:3] == ["vm", "identity", "assign"]]
    ids = [identity["id"] for identity in OUTPUTS["managed_identities"].values()]
    assert [given[-2:] for given in assigned] == ([ids] if guide.identity == "managed" else [])
    tfvars = (guide.folder / "infra" / "dev.tfvars").read_text()
    assert ("airflow_service_principal" in tfvars) == (guide.identity == "principal")


def test_every_document_that_is_sent_is_json(guide):
    bodies = [given[given.index("--body") + 1] for name, given, _ in guide.calls if name == "az" and "--body" in given]
    assert len([json.loads(body) for body in bodies]) > 8


def test_the_env_file_of_the_guide_is_a_valid_configuration(guide):
    variables = {name: value or "" for name, value in dotenv_values(guide.folder / ".env").items()}
    settings = load_settings(variables)
    assert (settings.profile, settings.storage_account) == ("azure", "midnightdevcontso")
    assert settings.databricks_job_id == 1234
    assert json.loads(variables["AIRFLOW__SECRETS__BACKEND_KWARGS"])["vault_url"] == OUTPUTS["key_vault_url"]
    assert ("AZURE_CLIENT_SECRET" in variables) == (guide.identity == "principal")
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text())
    used = {
        name
        for service in compose["services"].values()
        if "profiles" not in service
        for name in service.get("secrets", [])
    }
    demanded = {compose["secrets"][name]["environment"] for name in used}
    assert {name for name in demanded if not variables.get(name)} == set()
    assert (guide.folder / ".env").stat().st_mode & 0o77 == 0


def test_private_endpoints_are_applied_in_two_phases(guide):
    plans = [given for _, given, _ in guide.calls if "plan" in given[1:2]]
    targeted = [any(word.startswith("-target=") for word in given) for given in plans]
    later = [False] * 2  # once the source and the wheel are known
    assert targeted == ([True, False] if guide.private else [False]) + later


def test_the_job_is_deployed_with_the_wheel_that_was_published(guide):
    lines = (guide.folder / "infra" / "dev.tfvars").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("databricks_wheel")]
    assert line == 'databricks_wheel = "/Workspace/midnight-wheels/midnight_lakehouse-0.1.0-py3-none-any.whl"'
    assert [line.split(" = ")[0] for line in lines if line.startswith(("source_database", "databricks_job"))] == [
        "source_database",
        "databricks_job",
    ]


def test_the_state_can_be_restored_and_is_private(guide):
    """Microsoft's and HashiCorp's advice for state: versioning, soft delete, no keys, named addresses."""
    az = [given for name, given, _ in guide.calls if name == "az"]
    (account,) = [given for given in az if given[:3] == ["storage", "account", "create"]]
    for option, value in (("--allow-shared-key-access", "false"), ("--default-action", "Deny"), ("--bypass", "None")):
        assert account[account.index(option) + 1] == value
    (service,) = [given for given in az if given[1:3] == ["account", "blob-service-properties"]]
    for option in ("--enable-versioning", "--enable-delete-retention", "--enable-container-delete-retention"):
        assert service[service.index(option) + 1] == "true"
