"""Key Vault's secrets, with the authentication challenge of the real service.

Source: "Get Secret" of the Key Vault REST API 7.4 and "Authentication, requests and responses".
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.entra import KEY_VAULT, Entra
from tests.fakes.web_service import Answer, WebService

READ = "GET /secrets/{name}/{version:path}"
_CODES = {401: "Unauthorized", 403: "Forbidden", 404: "SecretNotFound", 429: "Throttled"}
# innererror.code of the response, by a part of its message ("Azure Key Vault REST API error codes").
_REASONS = {
    "Caller is not authorized": "ForbiddenByRbac",
    "Client address is not authorized": "ForbiddenByFirewall",
    "disabled secret": "SecretDisabled",
}


class KeyVault(WebService):
    """A vault.

    Args:
        name: name of the vault.
        entra: the tenant whose tokens are accepted.

    Attributes:
        values: secret name -> value.
        readers: client ids with the role Key Vault Secrets User.
        disabled: names of secrets that are disabled.
        expires: secret name -> expiry, seconds since 1970. An expired secret is returned nevertheless ("About
            Azure Key Vault secrets": date-time controlled operations).
        asked: requested names, in order.
    """

    def __init__(self, name: str, entra: Entra) -> None:
        self.entra = entra
        self.values: dict[str, str] = {}
        self.readers: set[str] = set()
        self.disabled: set[str] = set()
        self.expires: dict[str, int] = {}
        self.asked: list[str] = []
        super().__init__(f"{name}.vault.azure.net")

    def routes(self) -> Mapping[str, Answer]:
        return {READ: self._read}

    def error(self, status: int, message: str) -> Response:
        code = _CODES.get(status, "BadParameter")
        inner = next((inner for words, inner in _REASONS.items() if status == 403 and words in message), None)
        reason = {"innererror": {"code": inner}} if inner else {}
        return JSONResponse({"error": {"code": code, "message": message, **reason}}, status)

    def _read(self, request: Request) -> Response:
        if "Authorization" not in request.headers:
            challenge = (
                f'Bearer authorization="https://login.microsoftonline.com/{self.entra.tenant}", '
                'resource="https://vault.azure.net"'
            )
            raise HTTPException(
                401, "AKV10000: Request is missing a Bearer or PoP token.", {"WWW-Authenticate": challenge}
            )
        claims = self.entra.check(request, KEY_VAULT)
        if "api-version" not in request.query_params:
            raise HTTPException(400, "The api-version query parameter is required.")
        name = request.path_params["name"]
        self.asked.append(name)
        if claims["appid"] not in self.readers:
            raise HTTPException(
                403, f"Caller is not authorized to perform action on resource. Caller: appid={claims['appid']}"
            )
        if not name.replace("-", "").isalnum():
            raise HTTPException(400, f"The request URI contains an invalid name: {name}")
        if name in self.disabled:
            raise HTTPException(403, f"Operation get is not allowed on a disabled secret ({name}).")
        if name not in self.values:
            raise HTTPException(404, f"A secret with (name/id) {name} was not found in this key vault.")
        identity = f"https://{self.host}/secrets/{name}/{secrets.token_hex(16)}"
        expires = {"exp": self.expires[name]} if name in self.expires else {}
        attributes = {"enabled": True, **expires}
        return JSONResponse({"value": self.values[name], "id": identity, "attributes": attributes})
