"""Power BI's REST API for the refresh of a dataset.

Source: "Datasets - Refresh Dataset In Group", "Get Refresh History In Group", "Get Refresh Execution Details In Group",
"Cancel Refresh In Group" and "Enhanced refresh with the Power BI REST API".
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.azure.entra import POWER_BI, Entra
from tests.azure.web_service import Answer, WebService, json_of

_DATASET = "/v1.0/myorg/groups/{group}/datasets/{dataset}"
START = f"POST {_DATASET}/refreshes"
HISTORY = f"GET {_DATASET}/refreshes"
DETAILS = f"GET {_DATASET}/refreshes/{{refresh}}"
_MAY_SAY = {"notifyOption", "type", "commitMode", "retryCount", "maxParallelism", "objects", "timeout"}


class PowerBi(WebService):
    """One workspace with one dataset on a premium capacity.

    Args:
        entra: whose tokens are accepted.

    Attributes:
        refresh: what a refresh does, given its id; raises ValueError with the service's reason when it fails.
        group, dataset: ids.
        contributors: client ids that may refresh.
        refreshes: id -> entry of the history, oldest first.
    """

    def __init__(self, entra: Entra) -> None:
        self.entra = entra
        self.group, self.dataset = str(uuid.uuid4()), str(uuid.uuid4())
        self.contributors: set[str] = set()
        self.refreshes: dict[str, dict[str, Any]] = {}
        self.refresh: Callable[[str], None] = lambda refresh_id: None
        super().__init__("api.powerbi.com")

    def routes(self) -> Mapping[str, Answer]:
        return {
            f"GET {_DATASET}": self._show,
            START: self._start,
            HISTORY: self._history,
            DETAILS: self._details,
            f"DELETE {_DATASET}/refreshes/{{refresh}}": self._cancel,
        }

    def error(self, status: int, message: str) -> Response:
        code = {400: "InvalidRequest", 403: "PowerBINotAuthorizedException", 404: "PowerBIEntityNotFound"}
        return JSONResponse({"error": {"code": code.get(status, "Unknown"), "message": message}}, status)

    def begin(self) -> str:
        """A refresh that somebody else starts, and that goes on until ``end``."""
        refresh_id = str(uuid.uuid4())
        self.refreshes[refresh_id] = {"requestId": refresh_id, "refreshType": "ViaEnhancedApi", "status": "Unknown"}
        return refresh_id

    def end(self, refresh_id: str, status: str, **more: Any) -> None:
        """Let a refresh end."""
        self.refreshes[refresh_id] |= {"status": status, **more}

    def _check(self, request: Request) -> None:
        claims = self.entra.check(request, POWER_BI)
        if claims["appid"] not in self.contributors:
            raise HTTPException(403, "User is not authorized")
        if (request.path_params["group"], request.path_params["dataset"]) != (self.group, self.dataset):
            raise HTTPException(404, f"Dataset {request.path_params['dataset']} is not found!")

    def _show(self, request: Request) -> Response:
        self._check(request)
        return JSONResponse({"id": self.dataset, "name": "Midnight", "isRefreshable": True})

    def _start(self, request: Request) -> Response:
        self._check(request)
        unknown = set(json_of(request)) - _MAY_SAY
        if unknown:
            raise HTTPException(400, f"unknown properties {sorted(unknown)}")
        if any(entry["status"] == "Unknown" for entry in self.refreshes.values()):
            raise HTTPException(400, "Another refresh request is already executing")
        refresh_id = self.begin()
        threading.Thread(target=self._work, args=(refresh_id,), daemon=True).start()
        location = f"https://{self.host}{request.url.path}/{refresh_id}"
        return Response(status_code=202, headers={"Location": location, "RequestId": refresh_id})

    def _work(self, refresh_id: str) -> None:
        try:
            self.refresh(refresh_id)
        except ValueError as error:
            self.end(refresh_id, "Failed", messages=[{"code": "0xC1", "message": str(error), "type": "Error"}])
        else:
            if self.refreshes[refresh_id]["status"] == "Unknown":
                self.end(refresh_id, "Completed")

    def _history(self, request: Request) -> Response:
        self._check(request)
        newest = list(reversed(self.refreshes.values()))[: int(request.query_params.get("$top", 60))]
        return JSONResponse({"value": newest})

    def _details(self, request: Request) -> Response:
        self._check(request)
        entry = self.refreshes.get(request.path_params["refresh"])
        if entry is None:
            raise HTTPException(404, "The refresh is not found")
        at_work = entry["status"] == "Unknown"
        return JSONResponse(
            {"extendedStatus": "InProgress" if at_work else entry["status"], **entry}, 202 if at_work else 200
        )

    def _cancel(self, request: Request) -> Response:
        self._check(request)
        self.end(request.path_params["refresh"], "Cancelled")
        return Response(status_code=200)
