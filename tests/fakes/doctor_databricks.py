"""What ``make doctor`` asks of Databricks, answered as the public REST references describe it. The fake answers to the
bearer of a good token only, and what its owner may not do is refused.

Sources: Databricks "Clusters API" (spark-versions, list-node-types, get), "Jobs API 2.2" (get), "Permissions API",
"Cluster Policies API" (list), "Instance Pools API" (get), "Secrets API" (list), "SCIM API" (Me), "Files API"
(directories), "Unity Catalog: external locations", "Grants" (effective permissions), "Workspace API" (get-status).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from midnight.databricks.wheel_name import wheel_name
from tests.fakes.doctor_services import ACCOUNT
from tests.fakes.entra import DATABRICKS, Entra
from tests.fakes.web_service import Answer, WebService
from tests.support.deployed import deployed_job

HOST = "adb-1234567890123456.7.azuredatabricks.net"
WHEEL = f"/Volumes/main/midnight/wheels/{wheel_name()}"


class Workspace(WebService):
    """A Databricks workspace.

    Attributes:
        members: client ids that are in the workspace.
        wheels, versions, nodes, policies, locations: what there is for the caller.
        job: settings of the deployed one; None: there is none.
        level: the caller's permission on the job.
        privileges: of the caller on the volume with the wheel. folder_level: on a workspace folder with it.
        pools: id -> state. secrets: scope -> keys.
    """

    def __init__(self, entra: Entra) -> None:
        self.entra = entra
        self.members: set[str] = set()
        self.wheels = [WHEEL]
        self.versions = ["17.3.x-scala2.13", "18.x-scala2.13"]
        self.nodes: dict[str, list[str]] = {"Standard_D4ds_v5": []}
        self.policies = ["POLICY"]
        self.locations = {layer: layer == "bronze" for layer in ("bronze", "silver", "gold")}
        self.job: dict[str, Any] | None = deployed_job(WHEEL, policy="POLICY")
        self.level = "CAN_MANAGE_RUN"
        self.privileges = ["READ_VOLUME"]
        self.folder_level = "CAN_READ"
        self.pools: dict[str, str] = {}
        self.secrets: dict[str, list[str]] = {}
        super().__init__(HOST)

    def routes(self) -> Mapping[str, Answer]:
        return {
            "GET /api/2.1/clusters/spark-versions": self._versions,
            "GET /api/2.0/preview/scim/v2/Me": self._me,
            "GET /api/2.0/fs/directories/{path:path}": self._directory,
            "GET /api/2.2/jobs/get": self._get_job,
            "GET /api/2.0/workspace/get-status": self._status,
            "GET /api/2.0/permissions/directories/{folder}": self._folder,
            "GET /api/2.1/unity-catalog/effective-permissions/volume/{volume}": self._volume,
            "GET /api/2.0/permissions/jobs/{job}": self._permissions,
            "GET /api/2.1/clusters/list-node-types": self._node_types,
            "GET /api/2.0/policies/clusters/list": self._policies,
            "GET /api/2.1/unity-catalog/external-locations": self._locations,
            "GET /api/2.0/instance-pools/get": self._pool,
            "GET /api/2.0/secrets/list": self._secrets,
        }

    def error(self, status: int, message: str) -> Response:
        return JSONResponse({"error_code": "PERMISSION_DENIED", "message": message}, status)

    def _caller(self, request: Request) -> str:
        client = str(self.entra.check(request, DATABRICKS)["appid"])
        if client not in self.members:
            raise HTTPException(403, f"User {client} is not part of the workspace")
        return client

    def _versions(self, request: Request) -> Response:
        self._caller(request)
        return JSONResponse({"versions": [{"key": key, "name": key} for key in self.versions]})

    def _me(self, request: Request) -> Response:
        client = self._caller(request)
        return JSONResponse(
            {
                "id": "1",
                "userName": client,
                "displayName": "midnight-test-airflow",
                "groups": [],
                "entitlements": [],
            }
        )

    def _directory(self, request: Request) -> Response:
        self._caller(request)
        folder = f"/{request.path_params['path']}"
        return JSONResponse({"contents": [{"path": w} for w in self.wheels if w.rpartition("/")[0] == folder]})

    def _get_job(self, request: Request) -> Response:
        self._caller(request)
        if self.job is None or request.query_params["job_id"] != "7":
            raise HTTPException(400, f"Job {request.query_params['job_id']} does not exist.")
        return JSONResponse({"job_id": 7, "settings": self.job})

    def _permissions(self, request: Request) -> Response:
        return self._access("/jobs/7", self._caller(request), self.level)

    def _access(self, what: str, caller: str, level: str) -> Response:
        admins = {"group_name": "admins", "all_permissions": [{"permission_level": "CAN_MANAGE", "inherited": True}]}
        own = {"service_principal_name": caller, "all_permissions": [{"permission_level": level, "inherited": False}]}
        return JSONResponse({"object_id": what, "access_control_list": [admins, own]})

    def _status(self, request: Request) -> Response:
        self._caller(request)
        path = request.query_params["path"]
        return JSONResponse({"path": path, "object_id": 9, "object_type": "FILE" if ".whl" in path else "DIRECTORY"})

    def _folder(self, request: Request) -> Response:
        return self._access("/directories/9", self._caller(request), self.folder_level)

    def _volume(self, request: Request) -> Response:
        caller = self._caller(request)
        if request.path_params["volume"] != "main.midnight.wheels" or request.query_params["principal"] != caller:
            raise HTTPException(404, "Volume does not exist.")
        granted = [{"privilege": name} for name in self.privileges]
        return JSONResponse({"privilege_assignments": [{"principal": caller, "privileges": granted}]})

    def _node_types(self, request: Request) -> Response:
        self._caller(request)
        nodes = [
            {"node_type_id": node, "num_cores": 4.0, "node_info": {"status": status} if status else {}}
            for node, status in self.nodes.items()
        ]
        return JSONResponse({"node_types": nodes})

    def _policies(self, request: Request) -> Response:
        self._caller(request)
        return JSONResponse({"policies": [{"policy_id": policy} for policy in self.policies]})

    def _locations(self, request: Request) -> Response:
        self._caller(request)
        locations = [
            {"name": layer, "url": f"abfss://{layer}@{ACCOUNT}.dfs.core.windows.net/", "read_only": read_only}
            for layer, read_only in self.locations.items()
        ]
        return JSONResponse({"external_locations": locations})

    def _pool(self, request: Request) -> Response:
        self._caller(request)
        pool = request.query_params["instance_pool_id"]
        if pool not in self.pools:
            raise HTTPException(404, f"Can't find an instance pool with id {pool}")
        return JSONResponse({"instance_pool_id": pool, "instance_pool_name": pool, "state": self.pools[pool]})

    def _secrets(self, request: Request) -> Response:
        self._caller(request)
        scope = request.query_params["scope"]
        if scope not in self.secrets:
            raise HTTPException(404, f"Scope {scope} does not exist!")
        return JSONResponse({"secrets": [{"key": key} for key in self.secrets[scope]]})
