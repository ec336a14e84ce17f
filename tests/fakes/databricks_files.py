"""Files of a Databricks workspace: volumes (Files API) and workspace files (Workspace API)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.web_service import Answer, body_of, json_of


class DatabricksFiles:
    """The files; a folder must be created first.

    Args:
        files: path -> content.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.folders: set[str] = {"/Workspace/Shared"}

    def routes(self) -> Mapping[str, Answer]:
        return {
            "PUT /api/2.0/fs/directories/{path:path}": self._make_directory,
            "GET /api/2.0/fs/directories/{path:path}": self._list_directory,
            "PUT /api/2.0/fs/files/{path:path}": self._put,
            "GET /api/2.0/fs/files/{path:path}": self._get,
            "POST /api/2.0/workspace/mkdirs": self._mkdirs,
            "POST /api/2.0/workspace/import": self._import,
            "GET /api/2.0/workspace/export": self._export,
            "GET /api/2.0/workspace/get-status": self._status,
        }

    def _make_directory(self, request: Request) -> Response:
        path = "/" + request.path_params["path"]
        if not path.startswith("/Volumes/") or path.count("/") < 4:
            raise HTTPException(400, f"{path} is not below a volume")
        self.folders.add(path)
        return Response(status_code=204)

    def _list_directory(self, request: Request) -> Response:
        path = "/" + request.path_params["path"]
        if path not in self.folders:
            raise HTTPException(404, f"NOT_FOUND: {path} does not exist")
        found = [{"path": p, "is_directory": False} for p in sorted(self.files) if p.rpartition("/")[0] == path]
        return JSONResponse({"contents": found})

    def _put(self, request: Request) -> Response:
        path = "/" + request.path_params["path"]
        if path.rpartition("/")[0] not in self.folders:
            raise HTTPException(404, f"NOT_FOUND: the folder of {path} does not exist")
        if path in self.files and request.query_params.get("overwrite") != "true":
            raise HTTPException(409, f"ALREADY_EXISTS: {path} exists")
        self.files[path] = body_of(request)
        return Response(status_code=204)

    def _get(self, request: Request) -> Response:
        path = "/" + request.path_params["path"]
        if path not in self.files:
            raise HTTPException(404, f"NOT_FOUND: {path} does not exist")
        return Response(self.files[path], media_type="application/octet-stream")

    def _mkdirs(self, request: Request) -> Response:
        self.folders.add(_full(json_of(request)["path"]))
        return JSONResponse({})

    def _import(self, request: Request) -> Response:
        fields = _form(request)
        path = _full(fields["path"].decode())
        if path.rpartition("/")[0] not in self.folders:
            raise HTTPException(404, f"The parent folder of {path} does not exist.")
        if fields.get("format", b"SOURCE") not in (b"RAW", b"AUTO"):
            raise HTTPException(400, "a wheel is not a notebook: format must be RAW or AUTO")
        if path in self.files and fields.get("overwrite") != b"true":
            raise HTTPException(400, f"RESOURCE_ALREADY_EXISTS: Path ({path}) already exists.")
        self.files[path] = fields["content"]
        return JSONResponse({})

    def _export(self, request: Request) -> Response:
        path = _full(request.query_params["path"])
        if path not in self.files:
            raise HTTPException(404, f"Path ({path}) doesn't exist.")
        return Response(self.files[path], media_type="application/octet-stream")

    def _status(self, request: Request) -> Response:
        path = _full(request.query_params["path"])
        if path not in self.files:
            raise HTTPException(404, f"Path ({path}) doesn't exist.")
        return JSONResponse({"path": path.removeprefix("/Workspace"), "object_type": "FILE"})


def _full(path: str) -> str:
    return path if path.startswith("/Workspace/") else f"/Workspace{path}"


def _form(request: Request) -> dict[str, bytes]:
    """The fields of a multipart form or of a JSON document, whose content is base64."""
    kind = request.headers.get("Content-Type", "")
    if not kind.startswith("multipart/form-data"):
        body = json_of(request)
        fields = {name: str(value).lower().encode() for name, value in body.items() if name != "content"}
        return fields | {"path": body["path"].encode(), "content": base64.b64decode(body["content"])}
    boundary = kind.partition("boundary=")[2].strip('"').encode()
    fields = {}
    for part in body_of(request).split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'[ ;]name="([^"]+)"', head)
        assert name is not None, head
        fields[name[1].decode()] = content.removesuffix(b"\r\n")
    return fields
