"""What ``make doctor`` asks of Azure and Power BI, answered as the public REST references describe it. Each fake
answers to the bearer of a good token only, and what its owner may not do is refused.

Sources: "Usage - List" (Compute 2024-07-01); Data Factory REST 2018-06-01 (pipelines, integrationRuntimes);
"Permissions - List For Resource" 2022-04-01; Power BI REST "Groups - Get Groups", "Groups - Get Group Users"; Blob
Storage "Put Blob", "List Blobs".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from midnight.settings import REPOSITORY
from tests.fakes.entra import MANAGEMENT, POWER_BI, STORAGE, Entra
from tests.fakes.web_service import Answer, WebService

ACCOUNT = "midnighttest"
COPY = REPOSITORY / "include" / "adf" / "pipeline" / "midnight_copy.json"
_FACTORY = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataFactory/factories/{factory}"


class Factory(WebService):
    """Azure Resource Manager, with one factory.

    Attributes:
        readers: client ids with a role on the factory.
        pipelines: name -> properties.
        permissions: what the caller may do: entries with ``actions`` and ``notActions``.
        runtimes: self-hosted integration runtimes: name -> state.
        shows_quota: whether the caller may see them.
        usages: quota of the region: name -> used and allowed vCPUs.
    """

    def __init__(self, entra: Entra) -> None:
        self.entra = entra
        self.readers: set[str] = set()
        self.pipelines = {"midnight_copy": json.loads(COPY.read_text())["properties"]}
        self.usages = {"cores": (4, 10), "standardDDSv5Family": (0, 10), "lowPriorityCores": (0, 0)}
        self.permissions: list[dict[str, Any]] = [{"actions": ["*/read", "Microsoft.DataFactory/*"], "notActions": []}]
        self.runtimes = {"midnight": "Online"}
        self.shows_quota = True
        super().__init__("management.azure.com")

    def routes(self) -> Mapping[str, Answer]:
        return {
            f"GET {_FACTORY}": self._factory,
            f"GET {_FACTORY}/pipelines/{{name}}": self._pipeline,
            "GET /subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/usages": self._usages,
            f"GET {_FACTORY}/providers/Microsoft.Authorization/permissions": self._permissions,
            f"GET {_FACTORY}/integrationRuntimes": self._list,
            f"POST {_FACTORY}/integrationRuntimes/{{name}}/getStatus": self._status,
        }

    def error(self, status: int, message: str) -> Response:
        code = {403: "AuthorizationFailed", 404: "EntityNotFound"}.get(status, "BadRequest")
        return JSONResponse({"error": {"code": code, "message": message}}, status)

    def _check(self, request: Request) -> None:
        claims = self.entra.check(request, MANAGEMENT)
        if "api-version" not in request.query_params:
            raise HTTPException(400, "The api-version query parameter (?api-version=) is required.")
        if claims["appid"] not in self.readers:
            raise HTTPException(403, f"The client '{claims['appid']}' does not have authorization")

    def _pipeline(self, request: Request) -> Response:
        self._check(request)
        if request.path_params["name"] not in self.pipelines:
            raise HTTPException(404, "The document could not be retrieved because it does not exist.")
        name = request.path_params["name"]
        return JSONResponse({"name": name, "properties": self.pipelines[name]})

    def _factory(self, request: Request) -> Response:
        self._check(request)
        return JSONResponse({"name": request.path_params["factory"], "location": "westeurope", "properties": {}})

    def _usages(self, request: Request) -> Response:
        self._check(request)
        if not self.shows_quota:
            raise HTTPException(403, "does not have authorization to perform action 'Microsoft.Compute/…/usages/read'")
        if request.path_params["location"] != "westeurope":
            raise HTTPException(404, "No registered resource provider found for this location.")
        found = [
            {"name": {"value": name, "localizedValue": name}, "currentValue": used, "limit": limit, "unit": "Count"}
            for name, (used, limit) in self.usages.items()
        ]
        return JSONResponse({"value": found})

    def _permissions(self, request: Request) -> Response:
        self._check(request)
        return JSONResponse({"value": self.permissions})

    def _list(self, request: Request) -> Response:
        self._check(request)
        kinds = {"AutoResolveIntegrationRuntime": "Managed", **dict.fromkeys(self.runtimes, "SelfHosted")}
        return JSONResponse({"value": [{"name": n, "properties": {"type": kind}} for n, kind in kinds.items()]})

    def _status(self, request: Request) -> Response:
        self._check(request)
        state = self.runtimes[request.path_params["name"]]
        properties = {"type": "SelfHosted", "state": state, "typeProperties": {}}
        return JSONResponse({"name": request.path_params["name"], "properties": properties})


class Reports(WebService):
    """Power BI with one workspace.

    Attributes:
        rights: client id -> right in the workspace.
        on_capacity, refreshable, last: of workspace, dataset, and the status of its last refresh.
        refreshes: how many there were today.
    """

    group, dataset = "11111111-0000-4000-8000-00000000000a", "11111111-0000-4000-8000-00000000000b"

    def __init__(self, entra: Entra) -> None:
        self.entra = entra
        self.rights: dict[str, str] = {}
        self.on_capacity = self.refreshable = True
        self.last = "Completed"
        self.refreshes = 1
        super().__init__("api.powerbi.com")

    def routes(self) -> Mapping[str, Answer]:
        group = "/v1.0/myorg/groups/{group}"
        return {
            "GET /v1.0/myorg/groups": self._groups,
            f"GET {group}/users": self._users,
            f"GET {group}/datasets/{{dataset}}": self._dataset,
            f"GET {group}/datasets/{{dataset}}/refreshes": self._refreshes,
        }

    def _caller(self, request: Request) -> str:
        return str(self.entra.check(request, POWER_BI)["appid"])

    def _groups(self, request: Request) -> Response:
        visible = self._caller(request) in self.rights and self.group in request.query_params.get("$filter", "")
        group = {"id": self.group, "name": "midnight-test", "isOnDedicatedCapacity": self.on_capacity}
        return JSONResponse({"value": [group] if visible else []})

    def _users(self, request: Request) -> Response:
        self._caller(request)
        users = [
            {"identifier": client, "groupUserAccessRight": right, "principalType": "App"}
            for client, right in self.rights.items()
        ]
        return JSONResponse({"value": users})

    def _dataset(self, request: Request) -> Response:
        self._caller(request)
        return JSONResponse({"id": self.dataset, "name": "Midnight", "isRefreshable": self.refreshable})

    def _refreshes(self, request: Request) -> Response:
        self._caller(request)
        now = datetime.now(UTC).isoformat()
        last = {"requestId": "1", "status": self.last, "startTime": now, "endTime": now}
        return JSONResponse({"value": [last] * self.refreshes})


class Storage(WebService):
    """The blob endpoint of the lake's account.

    Attributes:
        writers: client ids with the role Storage Blob Data Contributor.
        containers: names.
    """

    def __init__(self, entra: Entra) -> None:
        self.entra = entra
        self.writers: set[str] = set()
        self.containers = {"bronze", "silver", "gold"}
        super().__init__(f"{ACCOUNT}.blob.core.windows.net")

    def routes(self) -> Mapping[str, Answer]:
        return {"PUT /{container}/{blob:path}": self._put, "GET /{container}": self._list}

    def error(self, status: int, message: str) -> Response:
        code, _, text = message.partition(": ")
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{text}</Message></Error>"
        return Response(body, status, {"x-ms-error-code": code}, "application/xml")

    def _check(self, request: Request) -> str:
        claims = self.entra.check(request, STORAGE)
        if request.path_params["container"] not in self.containers:
            raise HTTPException(404, "ContainerNotFound: The specified container does not exist.")
        return str(claims["appid"])

    def _put(self, request: Request) -> Response:
        if self._check(request) not in self.writers:
            raise HTTPException(403, "AuthorizationPermissionMismatch: This request is not authorized.")
        if request.headers.get("If-Match") == '"0x0"':
            raise HTTPException(412, "ConditionNotMet: The condition specified was not met.")
        raise HTTPException(409, "BlobAlreadyExists: doctor has to change nothing.")

    def _list(self, request: Request) -> Response:
        self._check(request)
        return Response(
            f"<?xml version='1.0'?><EnumerationResults ServiceEndpoint='https://{self.host}/'><Blobs/><NextMarker/>"
            "</EnumerationResults>",
            media_type="application/xml",
        )
