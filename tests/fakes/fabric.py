"""Fabric's REST API for semantic models, reports and connections of the workspace that ``PowerBi`` has.

Sources (learn.microsoft.com/rest/api/fabric): "Items - Create Semantic Model", "… Update Semantic Model Definition",
"Items - Create Report", "Semantic model definition" and "Report definition" (required parts; a report that is deployed
by the API must be byConnection), "Long running operations", "Pagination", "Connections - Create, List, Update",
"Items - Bind Semantic Model Connection" (the caller must be the owner of the semantic model).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.entra import FABRIC
from tests.fakes.power_bi import PowerBi
from tests.fakes.web_service import Answer, WebService, json_of

_ITEMS = "/v1/workspaces/{workspace}/{collection}"
CREATE, UPDATE = f"POST {_ITEMS}", f"POST {_ITEMS}/{{item}}/updateDefinition"
LIST = f"GET {_ITEMS}"
OPERATION = "GET /v1/operations/{operation}"
_REQUIRED = {"semanticModels": "definition.pbism", "reports": "definition.pbir"}
_PARAMETER = re.compile(r'^expression (\w+) = "([^"]*)" meta \[IsParameterQuery=true', re.MULTILINE)


class Fabric(WebService):
    """The items of a workspace.

    Args:
        power_bi: the workspace, its contributors, and the published models.

    Attributes:
        items: collection -> id -> name, description and parts (path -> text).
        connections: as "Connections - List" shows them.
        failures: errors of the next operations, first in first out.
        bindings: model id -> connection id.
    """

    def __init__(self, power_bi: PowerBi) -> None:
        self.power_bi = power_bi
        self.items: dict[str, dict[str, dict[str, Any]]] = {"semanticModels": {}, "reports": {}}
        self.connections: list[dict[str, Any]] = []
        self.failures: list[dict[str, Any]] = []
        self.bindings: dict[str, str] = {}
        self._operations: dict[str, dict[str, Any]] = {}
        super().__init__("api.fabric.microsoft.com")

    def routes(self) -> Mapping[str, Answer]:
        return {
            "GET /v1/workspaces": self._workspaces,
            "GET /v1/workspaces/{workspace}": self._workspace,
            "POST /v1/workspaces/{workspace}/semanticModels/{item}/bindConnection": self._bind,
            LIST: self._list,
            CREATE: self._create,
            UPDATE: self._update,
            OPERATION: self._operation,
            "GET /v1/operations/{operation}/result": self._result,
            "GET /v1/connections": self._list_connections,
            "POST /v1/connections": self._create_connection,
            "PATCH /v1/connections/{connection}": self._update_connection,
        }

    def error(self, status: int, message: str) -> Response:
        code, _, text = message.partition(": ")
        return JSONResponse({"requestId": str(uuid.uuid4()), "errorCode": code, "message": text}, status)

    def _caller(self, request: Request) -> str:
        try:
            caller = str(self.power_bi.entra.check(request, FABRIC)["appid"])
        except HTTPException as error:
            raise HTTPException(401, f"InvalidToken: {error.detail}") from error
        workspace = request.path_params.get("workspace", self.power_bi.group)
        if workspace != self.power_bi.group:
            raise HTTPException(404, "WorkspaceNotFound: The requested workspace was not found")
        if caller not in self.power_bi.contributors:
            raise HTTPException(403, "InsufficientPrivileges: The caller does not have sufficient permissions")
        return caller

    def _shown_workspace(self) -> dict[str, Any]:
        capacity = {"capacityId": str(uuid.UUID(int=7))} if self.power_bi.on_capacity else {}
        return {"id": self.power_bi.group, "displayName": "midnight-dev", "type": "Workspace", **capacity}

    def _workspaces(self, request: Request) -> Response:
        self._caller(request)
        return JSONResponse({"value": [self._shown_workspace()]})

    def _workspace(self, request: Request) -> Response:
        self._caller(request)
        return JSONResponse(self._shown_workspace())

    def _page(self, request: Request, entries: list[dict[str, Any]]) -> Response:
        """One entry per page, so that a client that reads only the first page fails."""
        start = int(request.query_params.get("continuationToken", 0))
        more = {"continuationToken": str(start + 1)} if start + 1 < len(entries) else {}
        if more:
            more["continuationUri"] = f"https://{self.host}{request.url.path}?continuationToken={start + 1}"
        return JSONResponse({"value": entries[start : start + 1], **more})

    def _collection(self, request: Request) -> dict[str, dict[str, Any]]:
        try:
            return self.items[request.path_params["collection"]]
        except KeyError:
            raise HTTPException(404, "EndpointNotFound: no such collection") from None

    def _list(self, request: Request) -> Response:
        self._caller(request)
        items = self._collection(request)
        return self._page(request, [{"id": key, "displayName": item["name"]} for key, item in items.items()])

    def _create(self, request: Request) -> Response:
        caller, items, body = self._caller(request), self._collection(request), json_of(request)
        unknown = set(body) - {"displayName", "description", "definition", "folderId", "sensitivityLabelSettings"}
        if unknown or not body.get("displayName") or len(body.get("description", "")) > 256:
            raise HTTPException(400, f"InvalidInput: {sorted(unknown)}, displayName or description")
        if body["displayName"] in [item["name"] for item in items.values()]:
            raise HTTPException(409, "ItemDisplayNameAlreadyInUse: Requested item display name is already in use")
        kind = request.path_params["collection"]
        parts = self._definition(kind, body.get("definition"))
        key = str(uuid.uuid4())

        def create() -> dict[str, Any]:
            items[key] = {"name": body["displayName"], "description": body.get("description", ""), "parts": parts}
            if kind == "semanticModels":
                self.power_bi.models[key] = {"owner": caller, "parameters": _parameters(parts)}
            return {"id": key, "displayName": body["displayName"]}

        return self._begin(create)

    def _update(self, request: Request) -> Response:
        self._caller(request)
        item = self._collection(request).get(request.path_params["item"])
        if item is None:
            raise HTTPException(404, "ItemNotFound: The requested item was not found")
        kind, body = request.path_params["collection"], json_of(request)
        if set(body) != {"definition"}:
            raise HTTPException(400, f"InvalidInput: {sorted(body)}")
        parts = self._definition(kind, body["definition"])

        def update() -> None:
            item["parts"] = parts
            if kind == "semanticModels":
                self.power_bi.models[request.path_params["item"]]["parameters"] = _parameters(parts)

        return self._begin(update)

    def _definition(self, kind: str, definition: Any) -> dict[str, str]:
        parts: dict[str, str] = {}
        for part in (definition or {}).get("parts", ()):
            if set(part) != {"path", "payload", "payloadType"} or part["payloadType"] != "InlineBase64":
                raise HTTPException(400, f"InvalidInput: part {sorted(part)}")
            if part["path"] in parts or part["path"].startswith("/") or ".." in part["path"]:
                raise HTTPException(400, f"InvalidInput: path {part['path']!r}")
            try:
                parts[part["path"]] = base64.b64decode(part["payload"], validate=True).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                raise HTTPException(400, "CorruptedPayload: The provided payload is corrupted") from error
        if _REQUIRED[kind] not in parts or not any(path.startswith("definition/") for path in parts):
            raise HTTPException(400, f"InvalidDefinitionParts: {_REQUIRED[kind]} and definition/ are required")
        if kind == "reports":
            self._check_reference(json.loads(parts["definition.pbir"]))
        return parts

    def _check_reference(self, document: Any) -> None:
        reference = document["datasetReference"]
        text = (reference.get("byConnection") or {}).get("connectionString", "")
        pairs = dict(pair.split("=", 1) for pair in text.split(";") if "=" in pair)
        if reference.get("byPath") or pairs.get("semanticmodelid") not in self.items["semanticModels"]:
            raise HTTPException(400, "InvalidDefinition: datasetReference must be byConnection to a semantic model")

    def _begin(self, work: Any) -> Response:
        """A long-running operation: it completes at the second request for its state."""
        operation = str(uuid.uuid4())
        self._operations[operation] = {"work": work, "asked": 0}
        return Response(status_code=202, headers=self._headers(operation))

    def _headers(self, operation: str, suffix: str = "") -> dict[str, str]:
        location = f"https://{self.host}/v1/operations/{operation}{suffix}"
        return {"Location": location, "x-ms-operation-id": operation, "Retry-After": "20"}

    def _operation(self, request: Request) -> Response:
        self._caller(request)
        key = request.path_params["operation"]
        operation = self._operations[key]
        operation["asked"] += 1
        if operation["asked"] < 2:
            return JSONResponse({"status": "Running", "percentComplete": 50}, headers=self._headers(key))
        if self.failures:
            return JSONResponse({"status": "Failed", "error": self.failures.pop(0)})
        operation["result"] = operation["work"]()
        headers = self._headers(key, "/result") if operation["result"] else {}
        return JSONResponse({"status": "Succeeded", "percentComplete": 100}, headers=headers)

    def _result(self, request: Request) -> Response:
        self._caller(request)
        return JSONResponse(self._operations[request.path_params["operation"]]["result"])

    def _list_connections(self, request: Request) -> Response:
        self._caller(request)
        return self._page(request, self.connections)

    def _create_connection(self, request: Request) -> Response:
        self._caller(request)
        body = json_of(request)
        details = body["connectionDetails"]
        values = {parameter["name"]: parameter["value"] for parameter in details["parameters"]}
        if (body["connectivityType"], details["creationMethod"], set(values)) != (
            "ShareableCloud",
            "SQL",
            {"server", "database"},
        ):
            raise HTTPException(400, "InvalidConnectionDetails: SQL takes server and database")
        if body["displayName"] in [connection["displayName"] for connection in self.connections]:
            raise HTTPException(409, "DuplicateConnectionName: The connection DisplayName is already used")
        self._test(body["credentialDetails"])
        shown = {"type": "SQL", "path": f"{values['server']};{values['database']}"}
        made = {"id": str(uuid.uuid4()), "displayName": body["displayName"], "connectivityType": "ShareableCloud"}
        self.connections.append({**made, "connectionDetails": shown})
        return JSONResponse(self.connections[-1], 201)

    def _update_connection(self, request: Request) -> Response:
        self._caller(request)
        body = json_of(request)
        if set(body) != {"connectivityType", "credentialDetails"}:
            raise HTTPException(400, f"InvalidInput: {sorted(body)}")
        self._test(body["credentialDetails"])
        return Response(status_code=200)

    def _test(self, details: Any) -> None:
        """The service tests new credentials, unless ``skipTestConnection`` is set."""
        given = details["credentials"]
        entra = self.power_bi.entra
        right = given["credentialType"] == "ServicePrincipal" and given["tenantId"] == entra.tenant
        if not right or entra.secrets.get(given["servicePrincipalClientId"]) != given["servicePrincipalSecret"]:
            raise HTTPException(400, "InvalidCredentialDetails: The credentials provided are invalid")

    def _bind(self, request: Request) -> Response:
        caller, key = self._caller(request), request.path_params["item"]
        if self.power_bi.models[key]["owner"] != caller:
            raise HTTPException(403, "InsufficientPrivileges: The caller must be the owner of the semantic model")
        binding = json_of(request)["connectionBinding"]
        wanted = {name: binding[name] for name in ("id", "connectivityType", "connectionDetails")}
        known = [{name: connection[name] for name in wanted} for connection in self.connections]
        values = self.power_bi.models[key]["parameters"]
        if wanted not in known or binding["connectionDetails"]["path"] != f"{values['Server']};{values['Database']}":
            raise HTTPException(400, "BindConnectionDetailNotFound: the model has no such data source")
        self.bindings[key] = binding["id"]
        return Response(status_code=200)


def _parameters(parts: Mapping[str, str]) -> dict[str, str]:
    return dict(_PARAMETER.findall(parts["definition/expressions.tmdl"]))
