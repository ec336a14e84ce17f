"""How a published model reaches Synapse: its parameters, its owner, and the connection that it is bound to.

Sources: "Datasets - Take Over In Group", "Datasets - Get Parameters In Group", "Datasets - Update Parameters In Group"
(Power BI REST API), "Connections - List, Create, Update Connection", "Items - Bind Semantic Model Connection"
(Microsoft Fabric REST API).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from midnight.errors import ReportPublicationError
from midnight.powerbi.rest_api import FABRIC, POWER_BI, RestApi


@dataclass(frozen=True)
class ServicePrincipal:
    """An application of Entra ID with a client secret.

    Args:
        tenant_id: of its tenant.
        client_id: its id.
        client_secret: excluded from ``repr``.
    """

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)


def take_over(api: RestApi, workspace_id: str, model_id: str) -> bool:
    """Make the signed-in identity the owner of a model, unless it is: only an owner may set what follows.

    Returns:
        Whether the owner changed.
    """
    model = f"{POWER_BI}/groups/{workspace_id}/datasets/{model_id}"
    owner = str(api.get(model).get("configuredBy") or "").casefold()
    if owner and owner in _identifiers(api.token()):
        return False
    api.change("POST", f"{model}/Default.TakeOver")
    return True


def set_parameters(api: RestApi, workspace_id: str, model_id: str, values: dict[str, str]) -> list[str]:
    """Set the model's parameters to these values, and give the names of those that were changed.

    Raises:
        ReportPublicationError: the model has no such parameter.
    """
    model = f"{POWER_BI}/groups/{workspace_id}/datasets/{model_id}"
    current = {p["name"]: p.get("currentValue") for p in api.get(f"{model}/parameters").get("value") or ()}
    missing = sorted(values.keys() - current.keys())
    if missing:
        raise ReportPublicationError(
            f"the published model has no parameter {missing!r}; hint: run `python -m tools.generated_files`, then "
            "publish again"
        )
    changed = [name for name, value in values.items() if current[name] != value]
    if changed:
        details = [{"name": name, "newValue": values[name]} for name in changed]
        api.change("POST", f"{model}/Default.UpdateParameters", {"updateDetails": details})
    return changed


def put_connection(
    api: RestApi, name: str, server: str, database: str, reader: ServicePrincipal | None
) -> dict[str, Any]:
    """Create the connection with this name, or update its secret to the reader's current one.

    Args:
        api: the service.
        name: display name; the connection is found by it.
        server: Synapse's serverless SQL endpoint.
        database: the database there.
        reader: whose secret it gets; None: the connection has been made by hand, for example through a gateway, and
            stays as it is.

    Raises:
        ReportPublicationError: it is not there and no reader is known, it is of another database, or it is refused.
    """
    path = f"{server};{database}"
    found = [c for c in api.pages(f"{FABRIC}/connections") if c.get("displayName") == name]
    if len(found) > 1:
        raise ReportPublicationError(f"{len(found)} connections are called {name!r}; hint: delete all but one")
    if not found:
        if reader is None:
            raise ReportPublicationError(
                f"no connection {name!r} is visible to {api.who}, and the Airflow connection of its principal is not "
                "defined; hint: docs/power-bi.md, The model's own sign-in"
            )
        return dict(api.change("POST", f"{FABRIC}/connections", _new_connection(name, server, database, reader)))
    (connection,) = found
    details = connection.get("connectionDetails") or {}
    if (details.get("type"), str(details.get("path")).casefold()) != ("SQL", path.casefold()):
        raise ReportPublicationError(
            f"the connection {name!r} is to {details.get('type')} {details.get('path')!r}, not to SQL {path!r}; "
            "hint: delete it, or give another name by --connection"
        )
    if reader is not None and connection.get("connectivityType") == "ShareableCloud":
        body = {"connectivityType": "ShareableCloud", "credentialDetails": _credential(reader)}
        api.change("PATCH", f"{FABRIC}/connections/{connection['id']}", body)
    return connection


def bind(api: RestApi, workspace_id: str, model_id: str, connection: dict[str, Any]) -> None:
    """Bind the model to a connection; also when it is bound already."""
    details = connection["connectionDetails"]
    binding = {
        "id": connection["id"],
        "connectivityType": connection["connectivityType"],
        "connectionDetails": {"type": details["type"], "path": details["path"]},
    }
    url = f"{FABRIC}/workspaces/{workspace_id}/semanticModels/{model_id}/bindConnection"
    api.change("POST", url, {"connectionBinding": binding})


def _new_connection(name: str, server: str, database: str, reader: ServicePrincipal) -> dict[str, Any]:
    values = {"server": server, "database": database}
    return {
        "connectivityType": "ShareableCloud",
        "displayName": name,
        "privacyLevel": "Organizational",
        "connectionDetails": {
            "type": "SQL",
            "creationMethod": "SQL",
            "parameters": [{"dataType": "Text", "name": key, "value": value} for key, value in values.items()],
        },
        "credentialDetails": _credential(reader),
    }


def _credential(reader: ServicePrincipal) -> dict[str, Any]:
    return {
        "singleSignOnType": "None",
        "connectionEncryption": "Encrypted",
        "skipTestConnection": False,
        "credentials": {
            "credentialType": "ServicePrincipal",
            "tenantId": reader.tenant_id,
            "servicePrincipalClientId": reader.client_id,
            "servicePrincipalSecret": reader.client_secret,
        },
    }


def _identifiers(token: str) -> set[str]:
    """What the service may call the owner of a token: the name of a person, the ids of a service principal."""
    claims = token.split(".")[1]
    document = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return {str(document[name]).casefold() for name in ("upn", "appid", "oid") if document.get(name)}
