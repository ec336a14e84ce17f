"""Publishes the semantic model, then the report on it; publishing again updates both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from midnight.errors import ReportPublicationError
from midnight.powerbi.data_source import ServicePrincipal, bind, put_connection, set_parameters, take_over
from midnight.powerbi.items import put_item, report_parts
from midnight.powerbi.model.definition import FOLDER
from midnight.powerbi.model.project import files_of_model
from midnight.powerbi.model.semantic_model import SemanticModel
from midnight.powerbi.rest_api import FABRIC, RestApi

PLATFORM = ".platform"  # for Git; the service gives an item its own id


@dataclass(frozen=True)
class Target:
    """Workspace to publish to, and the data source of the model.

    Args:
        workspace: id or name.
        server: Synapse's serverless SQL endpoint.
        database: the database there.
        connection: display name of the connection to Synapse.
        reader: identity with which the model reads the views, with SELECT on these views only; None: the connection
            exists.
    """

    workspace: str
    server: str
    database: str
    connection: str
    reader: ServicePrincipal | None = None


@dataclass(frozen=True)
class Published:
    """What was published.

    Args:
        workspace_id, model_id, report_id: ids of the items.
        on_capacity: whether the workspace is on a Fabric, Premium, Embedded or per-user capacity.
    """

    workspace_id: str
    model_id: str
    report_id: str
    on_capacity: bool


def publish_report(model: SemanticModel, target: Target, api: RestApi, log: Callable[[str], None]) -> Published:
    """Publish a model and the report on it.

    Args:
        model: from ``build_model``.
        target: workspace and data source.
        api: client of the services.
        log: called with each line of progress.

    Raises:
        ReportPublicationError: a service refused a request; earlier changes remain, and the next run updates them.
    """
    # The definition contains the values, so that the model has them from its creation on.
    definition = dataclasses.replace(
        model, definition=model.definition.model_copy(update={"server": target.server, "database": target.database})
    )
    name, description = model.definition.name, model.definition.description
    files = files_of_model(definition)
    workspace_id, on_capacity = _workspace(api, target.workspace)
    parts = _parts(files, f"{FOLDER}/{name}.SemanticModel")
    model_id, is_new = put_item(api, workspace_id, "semanticModels", name=name, description=description, parts=parts)
    log(f"semantic model {name!r} {'created' if is_new else 'updated'}: {model_id}")
    if take_over(api, workspace_id, model_id):
        log(f"semantic model taken over by {api.who}")
    changed = set_parameters(api, workspace_id, model_id, {"Server": target.server, "Database": target.database})
    log(f"parameters {'set: ' + ', '.join(changed) if changed else 'are unchanged'}")
    parts = report_parts(_parts(files, f"{FOLDER}/{name}.Report"), model_id)
    report_id, is_new = put_item(api, workspace_id, "reports", name=name, description=description, parts=parts)
    log(f"report {name!r} {'created' if is_new else 'updated'}: {report_id}")
    connection = put_connection(api, target.connection, target.server, target.database, target.reader)
    bind(api, workspace_id, model_id, connection)
    log(f"semantic model bound to the connection {target.connection!r}")
    return Published(workspace_id, model_id, report_id, on_capacity)


def _parts(files: Mapping[str, str], folder: str) -> dict[str, str]:
    prefix = f"{folder}/"
    parts = {path.removeprefix(prefix): text for path, text in files.items() if path.startswith(prefix)}
    return {path: text for path, text in parts.items() if path != PLATFORM}


def _workspace(api: RestApi, workspace: str) -> tuple[str, bool]:
    """Id of a workspace, and whether it is on a capacity."""
    if _is_id(workspace):
        found = [api.get(f"{FABRIC}/workspaces/{workspace}")]
    else:
        found = [w for w in api.pages(f"{FABRIC}/workspaces") if w.get("displayName") == workspace]
    if not found:
        raise ReportPublicationError(
            f"no workspace {workspace!r} is visible to {api.who}; hint: correct its name, and make {api.who} a "
            "Contributor of it"
        )
    return str(found[0]["id"]), bool(found[0].get("capacityId"))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
