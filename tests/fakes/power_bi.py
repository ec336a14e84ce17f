"""Power BI's REST API for datasets: refresh, owner and parameters.

Source: "Groups - Get Groups", "Datasets - Refresh Dataset In Group", "Get Refresh History In Group", "Get Refresh
Execution Details In Group", "Cancel Refresh In Group", "Take Over In Group", "Get Parameters In Group", "Update
Parameters In Group" and "Enhanced refresh with the Power BI REST API".
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.entra import POWER_BI, Entra
from tests.fakes.web_service import Answer, WebService, body_of, json_of

_DATASET = "/v1.0/myorg/groups/{group}/datasets/{dataset}"
START = f"POST {_DATASET}/refreshes"
HISTORY = f"GET {_DATASET}/refreshes"
DETAILS = f"GET {_DATASET}/refreshes/{{refresh}}"
_ALLOWED_FIELDS = {"notifyOption", "type", "commitMode", "retryCount", "maxParallelism", "objects", "timeout"}


def now() -> str:
    """The current time in the service's notation."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class PowerBi(WebService):
    """One workspace with one dataset; ``Fabric`` adds those that are published.

    "For Shared capacities, a maximum of eight requests per day … only notifyOption can be specified in the request body
    … Enhanced refresh is not supported for shared capacities", and notifyOption "is not applicable to … API operations
    with a service principal" (Datasets - Refresh Dataset In Group). "Scheduled and on-demand refreshes" can neither be
    cancelled nor queried for details (Enhanced refresh with the Power BI REST API).

    Args:
        entra: the tenant whose tokens are accepted.

    Attributes:
        on_capacity: whether the workspace is on a capacity.
        models: id -> name, owner (a client id) and parameters of published models.
        refresh: called with the id of each refresh; raises ValueError with the service's reason to make it fail.
        group, dataset: ids.
        contributors: client ids that may refresh.
        refreshes: id -> entry of the history, oldest first.
    """

    def __init__(self, entra: Entra) -> None:
        self.entra = entra
        self.group, self.dataset = str(uuid.uuid4()), str(uuid.uuid4())
        self.contributors: set[str] = set()
        self.on_capacity = True
        self.models: dict[str, dict[str, Any]] = {}
        self.refreshes: dict[str, dict[str, Any]] = {}
        self.refresh: Callable[[str], None] = lambda refresh_id: None
        super().__init__("api.powerbi.com")

    def routes(self) -> Mapping[str, Answer]:
        return {
            "GET /v1.0/myorg/groups": self._groups,
            f"GET {_DATASET}": self._show,
            f"GET {_DATASET}/parameters": self._parameters,
            f"POST {_DATASET}/Default.TakeOver": self._take_over,
            f"POST {_DATASET}/Default.UpdateParameters": self._update_parameters,
            START: self._start,
            HISTORY: self._history,
            DETAILS: self._details,
            f"DELETE {_DATASET}/refreshes/{{refresh}}": self._cancel,
        }

    def error(self, status: int, message: str) -> Response:
        code = {400: "InvalidRequest", 403: "PowerBINotAuthorizedException", 404: "PowerBIEntityNotFound"}
        return JSONResponse({"error": {"code": code.get(status, "Unknown"), "message": message}}, status)

    def begin(self, kind: str = "ViaEnhancedApi") -> str:
        """Start a refresh as another user; it is in progress until ``end``."""
        refresh_id = str(uuid.uuid4())
        started = {"requestId": refresh_id, "refreshType": kind, "status": "Unknown", "startTime": now()}
        self.refreshes[refresh_id] = started
        return refresh_id

    def end(self, refresh_id: str, status: str, **more: Any) -> None:
        """End a refresh."""
        self.refreshes[refresh_id] |= {"status": status, "endTime": now(), **more}

    @property
    def capacity_seconds(self) -> float:
        """The meter: from the start to the end of every refresh that has ended, if the workspace is on a capacity."""
        times = [
            (datetime.fromisoformat(entry["startTime"]), datetime.fromisoformat(entry["endTime"]))
            for entry in self.refreshes.values()
            if "endTime" in entry
        ]
        return sum((end - start).total_seconds() for start, end in times) if self.on_capacity else 0.0

    def _check(self, request: Request) -> str:
        caller = str(self.entra.check(request, POWER_BI)["appid"])
        if caller not in self.contributors:
            raise HTTPException(403, "User is not authorized")
        dataset = request.path_params["dataset"]
        if request.path_params["group"] != self.group or dataset not in (self.dataset, *self.models):
            raise HTTPException(404, f"Dataset {dataset} is not found!")
        return caller

    def _owned(self, request: Request) -> dict[str, Any]:
        """A published model that the caller owns: "the caller must be the dataset owner"."""
        caller, model = self._check(request), self.models[request.path_params["dataset"]]
        if model["owner"] != caller:
            raise HTTPException(403, "The caller is not the owner of the dataset")
        return model

    def _groups(self, request: Request) -> Response:
        caller = self.entra.check(request, POWER_BI)["appid"]
        shown = caller in self.contributors and self.group in request.query_params.get("$filter", self.group)
        group = {"id": self.group, "isOnDedicatedCapacity": self.on_capacity, "type": "Workspace"}
        return JSONResponse({"value": [group] if shown else []})

    def _show(self, request: Request) -> Response:
        self._check(request)
        dataset = request.path_params["dataset"]
        owner = self.models.get(dataset, {}).get("owner")
        return JSONResponse({"id": dataset, "name": "Midnight", "isRefreshable": True, "configuredBy": owner})

    def _take_over(self, request: Request) -> Response:
        self.models[request.path_params["dataset"]]["owner"] = self._check(request)
        return Response(status_code=200)

    def _parameters(self, request: Request) -> Response:
        self._check(request)
        values = self.models[request.path_params["dataset"]]["parameters"]
        shown = [{"name": n, "type": "Text", "isRequired": True, "currentValue": v} for n, v in values.items()]
        return JSONResponse({"value": shown})

    def _update_parameters(self, request: Request) -> Response:
        model = self._owned(request)
        details = json_of(request)["updateDetails"]
        unknown = {detail["name"] for detail in details} - model["parameters"].keys()
        if unknown:
            raise HTTPException(400, f"no parameters {sorted(unknown)}")
        model["parameters"] |= {detail["name"]: detail["newValue"] for detail in details}
        return Response(status_code=200)

    def _start(self, request: Request) -> Response:
        self._check(request)
        options = json_of(request) if body_of(request) else {}
        unknown = set(options) - _ALLOWED_FIELDS
        if unknown:
            raise HTTPException(400, f"unknown properties {sorted(unknown)}")
        if options.get("notifyOption", "NoNotification") != "NoNotification":
            raise HTTPException(400, "notifyOption is not applicable to a service principal")
        enhanced = set(options) - {"notifyOption"}
        if enhanced and (not self.on_capacity or "notifyOption" in options):
            raise HTTPException(400, f"{sorted(options)} are not supported for a refresh of this kind")
        if not self.on_capacity and len(self.refreshes) >= 8:
            raise HTTPException(400, "The limit of 8 refreshes a day is exceeded")
        if any(entry["status"] == "Unknown" for entry in self.refreshes.values()):
            raise HTTPException(400, "Another refresh request is already executing")
        refresh_id = self.begin("ViaEnhancedApi" if enhanced else "ViaApi")
        threading.Thread(target=self._work, args=(refresh_id,), daemon=True).start()
        location = f"https://{self.host}{request.url.path}/{refresh_id}"
        return Response(status_code=202, headers={"Location": location, "RequestId": refresh_id})

    def _work(self, refresh_id: str) -> None:
        try:
            self.refresh(refresh_id)
        except ValueError as error:
            messages = [{"code": "0xC1", "message": str(error), "type": "Error"}]
            exception = json.dumps({"errorCode": "ModelRefreshFailed", "errorDescription": str(error)})
            self.end(refresh_id, "Failed", messages=messages, serviceExceptionJson=exception)
        else:
            if self.refreshes[refresh_id]["status"] == "Unknown":
                self.end(refresh_id, "Completed")

    def _history(self, request: Request) -> Response:
        self._check(request)
        newest = list(reversed(self.refreshes.values()))[: int(request.query_params.get("$top", 60))]
        return JSONResponse({"value": [{k: v for k, v in entry.items() if k != "messages"} for entry in newest]})

    def _details(self, request: Request) -> Response:
        self._check(request)
        entry = self._enhanced(request)
        in_progress = entry["status"] == "Unknown"
        shown = {k: v for k, v in entry.items() if k not in ("refreshType", "serviceExceptionJson")}
        shown["extendedStatus"] = "InProgress" if in_progress else entry["status"]
        return JSONResponse(shown, 202 if in_progress else 200)

    def _enhanced(self, request: Request) -> dict[str, Any]:
        entry = self.refreshes.get(request.path_params["refresh"])
        if entry is None or entry["refreshType"] != "ViaEnhancedApi":
            raise HTTPException(404, "The refresh is not found")
        return entry

    def _cancel(self, request: Request) -> Response:
        self._check(request)
        self._enhanced(request)
        self.end(request.path_params["refresh"], "Cancelled")
        return Response(status_code=200)
