"""Data Factory: the pipeline is there, may be started, watched and cancelled, and its integration runtime is online.

What the identity may do is asked of Azure itself ("Permissions - List For Resource"): nothing has to be started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from cli.checks.finding import NETWORK_HINT, Finding, only_for
from midnight.configuration.pipeline import Pipeline
from midnight.data_factory.resource_files import pipeline_differences
from midnight.errors import first_line
from midnight.settings import Settings

if TYPE_CHECKING:
    from azure.mgmt.datafactory import DataFactoryManagementClient

# The actions of a run, which the custom role Midnight Pipeline Runner allows (infra/access.yml).
NEEDED_ACTIONS = {
    "Microsoft.DataFactory/factories/pipelines/createrun/action": "start the pipeline",
    "Microsoft.DataFactory/factories/pipelineruns/read": "read the state of a run",
    "Microsoft.DataFactory/factories/querypipelineruns/action": "find the run of an earlier try",
    "Microsoft.DataFactory/factories/querypipelineruns/read": "find the run of an earlier try",
    "Microsoft.DataFactory/factories/pipelineruns/cancel/action": "cancel a run",
    "Microsoft.DataFactory/factories/pipelineruns/queryactivityruns/action": "report which activity failed",
    "Microsoft.DataFactory/factories/pipelineruns/queryactivityruns/read": "report which activity failed",
}
ROLE = "give Airflow's identity the role Midnight Pipeline Runner on the factory (infra/ creates and assigns it)"
# One attempt, and no longer than this for a connection or an answer.
QUICK: dict[str, Any] = {"retry_total": 0, "connection_timeout": 8, "read_timeout": 8}


def check_data_factory(settings: Settings, connection_id: str, pipeline: Pipeline | None = None) -> list[Finding]:
    """Everything that the copy needs; only warnings when the operator does the ingest.

    Args:
        settings: name factory and pipeline.
        connection_id: Airflow connection.
        pipeline: of the configuration; None when it has errors, and the deployed pipeline is not compared.
    """
    return only_for("adf", settings.ingest, _check(settings, connection_id, pipeline))


def _check(settings: Settings, connection_id: str, pipeline: Pipeline | None) -> list[Finding]:
    from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryHook
    from azure.core.exceptions import (
        AzureError,
        HttpResponseError,
        ResourceNotFoundError,
        ServiceRequestError,
        ServiceResponseError,
    )

    group, factory = settings.adf_resource_group, settings.adf_factory
    place = f"{settings.adf_pipeline!r} of {group}/{factory}"
    try:
        client = AzureDataFactoryHook(connection_id).get_conn()
        deployed: Any = client.pipelines.get(group, factory, settings.adf_pipeline, **QUICK)
        found = deployed.as_dict()
    except ResourceNotFoundError:
        hint = "set source_database in the .tfvars file and terraform apply, or correct MIDNIGHT_ADF_* (docs/azure.md)"
        return [Finding.fail("Data Factory", f"pipeline {place} does not exist", hint)]
    except (AzureError, ValueError) as error:
        hint = f"correct the connection {connection_id!r} (login, password, tenantId in extra)"
        if isinstance(error, HttpResponseError) and error.status_code == 403:
            hint = ROLE
        elif isinstance(error, ServiceRequestError | ServiceResponseError):
            hint = NETWORK_HINT
        return [Finding.fail("Data Factory", f"pipeline {place}: {first_line(error)}", hint)]
    differences = pipeline_differences(found.get("properties") or {}, pipeline) if pipeline else []
    hint = "python -m tools.generated_files, then terraform apply (docs/azure.md, step 4)"
    other = f"pipeline {place} differs from what this code expects: {'; '.join(differences)}"
    return [
        Finding.fail("Data Factory", other, hint) if differences else Finding.ok("Data Factory", f"pipeline {place}"),
        _permissions(client, group, factory),
        _runtimes(client, group, factory),
    ]


def _permissions(client: DataFactoryManagementClient, group: str, factory: str) -> Finding:
    from azure.core.exceptions import AzureError
    from azure.core.rest import HttpRequest

    name = "Data Factory rights"
    # The client's own subscription; the client adds the host to the path.
    path = (
        f"/subscriptions/{client._config.subscription_id}/resourceGroups/{group}/providers/Microsoft.DataFactory"
        f"/factories/{factory}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    )
    try:
        answer = client.send_request(HttpRequest("GET", path), **QUICK)
        answer.raise_for_status()
        entries = answer.json()["value"]
    except (AzureError, ValueError, KeyError) as error:
        return Finding.warn(name, f"cannot be looked up: {first_line(error)}", ROLE)
    missing = [action for action in NEEDED_ACTIONS if not is_allowed(action, entries)]
    if missing:
        what = ", ".join(dict.fromkeys(NEEDED_ACTIONS[action] for action in missing))
        return Finding.fail(name, f"may not {what}: lacks {', '.join(missing)}", ROLE)
    return Finding.ok(name, "may start, watch and cancel runs")


def is_allowed(action: str, entries: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the role assignments allows an action: it matches ``actions`` and none of its ``notActions``."""

    def matches(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)

    return any(matches(entry.get("actions", [])) and not matches(entry.get("notActions", [])) for entry in entries)


def _text(state: Any) -> str:
    """Of an enumeration of the client, or of a value that it does not know yet."""
    return str(getattr(state, "value", state))


def _runtimes(client: DataFactoryManagementClient, group: str, factory: str) -> Finding:
    """One self-hosted integration runtime is online."""
    from azure.core.exceptions import AzureError, HttpResponseError

    name, states = "integration runtime", {}
    try:
        for runtime in client.integration_runtimes.list_by_factory(group, factory, **QUICK):
            if runtime.name and getattr(runtime.properties, "type", "") == "SelfHosted":
                status = client.integration_runtimes.get_status(group, factory, runtime.name, **QUICK)
                states[runtime.name] = _text(getattr(status.properties, "state", None))
    except HttpResponseError as error:
        return Finding.warn(name, f"its state cannot be read: {first_line(error)}", ROLE)
    except AzureError as error:
        return Finding.fail(name, f"its state cannot be read: {first_line(error)}", NETWORK_HINT)
    if "Online" in states.values():
        return Finding.ok(name, ", ".join(f"{runtime} is {state}" for runtime, state in states.items()))
    if not states:
        hint = "register one on a machine next to the database (docs/azure.md, step 4)"
        return Finding.fail(name, f"the factory {factory!r} has no self-hosted one", hint)
    found = ", ".join(f"{runtime} is {state}" for runtime, state in states.items())
    hint = "start the service DIAHostService on its machine; check its internet access (docs/azure.md, step 4)"
    return Finding.fail(name, found, hint)
