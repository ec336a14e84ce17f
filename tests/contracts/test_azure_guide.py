"""docs/azure.md as a script: all of its commands in order, with stand-ins for the tools that would reach Azure.

What the tools themselves accept is not checked here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from midnight.settings import REPOSITORY, load_settings

CANARY = "canary~$w'd\"x"
OUTPUTS = {
    "environment_variables": {
        "MIDNIGHT_PROFILE": "azure",
        "ENTRA_ENVIRONMENT": "dev",
        "MIDNIGHT_STORAGE_ACCOUNT": "midnightdevcontso",
        "MIDNIGHT_ADF_RESOURCE_GROUP": "midnight-dev",
        "MIDNIGHT_ADF_FACTORY": "midnight-dev-contso",
        "MIDNIGHT_DATABRICKS_POLICY_ID": "POLICY",
        "MIDNIGHT_DATABRICKS_SECRET_SCOPE": "midnight-dev",
    },
    "key_vault_url": "https://midnight-dev-contso.vault.azure.net/",
    "synapse_sql_endpoint": "midnight-dev-contso-ondemand.sql.azuresynapse.net",
    "databricks_url": "https://adb-1.1.azuredatabricks.net",
    "integration_runtime": "on-premises",
}
# Notes how it was called, and answers as far as the script reads the answer.
TOOL = f"""#!{sys.executable} -ISs
import json, pathlib, sys
name, given = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
said = sys.stdin.read() if "/dev/stdin" in given else ""
with (pathlib.Path(sys.argv[0]).parent / "calls").open("a") as calls:
    calls.write(json.dumps([name, given, said]) + "\\n")
if given[:3] == ["ad", "sp", "create-for-rbac"]:
    print(json.dumps({{"appId": "11111111-1111-4111-8111-111111111111", "password": {CANARY!r}}}))
elif name == "terraform" and "output" in given:
    print(json.dumps({{key: {{"value": value}} for key, value in {OUTPUTS!r}.items()}}))
elif name == "make" and "publish-wheel" in given:
    print("MIDNIGHT_DATABRICKS_WHEEL=/Workspace/Shared/midnight/midnight_lakehouse-0.1.0-py3-none-any.whl")
elif "--query" in given:
    print("22222222-2222-4222-8222-222222222222")
"""


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[Any]]]:
    """A folder as the repository, after somebody has followed the guide; and the calls of the tools."""
    if shutil.which("jq") is None:
        pytest.skip("jq, which the guide asks for, is not here")
    folder, tools = tmp_path_factory.mktemp("guide"), tmp_path_factory.mktemp("tools")
    shutil.copytree(REPOSITORY / "infra", folder / "infra")
    shutil.copy(REPOSITORY / ".env.example", folder)
    for name in ("az", "terraform", "make", "docker", "sqlcmd"):
        (tools / name).write_text(TOOL)
        (tools / name).chmod(0o700)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(tools / "make")
    text = (REPOSITORY / "docs" / "azure.md").read_text()
    script = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    asked = 'read -rsp "password of midnight_reader: " source && echo'
    assert asked in script
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script.replace(asked, "source=$CANARY")],
        cwd=folder,
        env={"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder), "CANARY": CANARY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert CANARY not in done.stdout
    return folder, [json.loads(line) for line in (tools / "calls").read_text().splitlines()]


def test_secrets_go_to_the_vault_by_standard_input_only(guide):
    folder, calls = guide
    assert [given for _, given, _ in calls if CANARY in " ".join(given)] == []
    stored = {given[given.index("--name") + 1]: said for _, given, said in calls if said}
    assert {name for name, said in stored.items() if json.dumps(CANARY)[1:-1] in said or CANARY in said} == {
        *(f"airflow-connections-midnight-{n}" for n in ("lake", "data-factory", "databricks", "synapse", "power-bi")),
        "airflow-connections-midnight-source",
        "source-password",
        "lake-client-secret",
    }
    connections = {name: json.loads(said) for name, said in stored.items() if name.startswith("airflow-conn")}
    assert {connection["password"] for connection in connections.values()} == {CANARY}
    assert not any(CANARY in path.read_text() for path in folder.rglob("*") if path.is_file() and "infra" in path.parts)
    assert not (folder / "airflow.json").exists()


def test_every_document_that_is_sent_is_json(guide):
    _, calls = guide
    bodies = [given[given.index("--body") + 1] for name, given, _ in calls if name == "az" and "--body" in given]
    assert len([json.loads(body) for body in bodies]) > 8


def test_what_the_guide_writes_into_env_is_a_configuration(guide):
    folder, _ = guide
    variables = {name: value or "" for name, value in dotenv_values(folder / ".env").items()}
    settings = load_settings(variables)
    assert (settings.profile, settings.storage_account) == ("azure", "midnightdevcontso")
    assert settings.databricks_wheel.startswith("/Workspace/Shared/midnight/")
    assert json.loads(variables["AIRFLOW__SECRETS__BACKEND_KWARGS"])["vault_url"] == OUTPUTS["key_vault_url"]
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text())
    demanded = set(re.findall(r"\$\{(\w+):\?", json.dumps(compose)))
    assert {name for name in demanded if not variables.get(name)} == set()
    assert (folder / ".env").stat().st_mode & 0o77 == 0
