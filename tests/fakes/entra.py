"""Entra ID: tokens for applications with a client secret (OAuth 2.0 client credentials, RFC 6749 section 4.4).

Source: "Microsoft identity platform and the OAuth 2.0 client credentials flow", and the older endpoint without v2.0,
which Databricks' documentation and Airflow's provider use.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.web_service import Answer, WebService, body_of

HOST = "login.microsoftonline.com"
# The audiences of tokens, as the services define them.
STORAGE = "https://storage.azure.com"
KEY_VAULT = "https://vault.azure.net"
MANAGEMENT = "https://management.azure.com"
DATABRICKS = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
SYNAPSE = "https://database.windows.net"
POWER_BI = "https://analysis.windows.net/powerbi/api"
FABRIC = "https://api.fabric.microsoft.com"


class Entra(WebService):
    """A tenant with its applications.

    Args:
        tenant: id of the tenant.

    Attributes:
        secrets: client id -> client secret.
        expired: client ids whose secret has expired.
        issued: audience -> number of issued tokens.
    """

    takes_secrets = True

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.secrets: dict[str, str] = {}
        self.expired: set[str] = set()
        self.issued: Counter[str] = Counter()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        super().__init__(HOST)

    def routes(self) -> Mapping[str, Answer]:
        return {
            "GET /{tenant}/v2.0/.well-known/openid-configuration": self._configuration,
            "GET /common/discovery/instance": self._instance,
            "POST /{tenant}/oauth2/v2.0/token": self._token,
            "POST /{tenant}/oauth2/token": self._token,
        }

    def add_application(self) -> tuple[str, str]:
        """Add an application; its client id and secret."""
        identity = f"{secrets.token_hex(4)}-0000-4000-8000-{secrets.token_hex(6)}"
        self.secrets[identity] = f"canary~{secrets.token_hex(20)}"
        return identity, self.secrets[identity]

    def token(self, audience: str, client: str, seconds: int = 3600) -> str:
        """A token as Entra would issue it."""
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant}/",
            "iat": now - 5,
            "nbf": now - 5,
            "exp": now + seconds,
            "appid": client,
            "oid": client,
            "tid": self.tenant,
            "ver": "1.0",
        }
        self.issued[audience] += 1
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "midnight"})

    def verify(self, token: str, audience: str) -> dict[str, Any]:
        """The claims of a token for this audience.

        Raises:
            jwt.InvalidTokenError: it was not issued here, is for another audience, or has expired.
        """
        return jwt.decode(token, self._key.public_key(), algorithms=["RS256"], audience=audience)

    def check(self, request: Request, audience: str) -> dict[str, Any]:
        """The claims of a request's bearer token.

        Raises:
            HTTPException: 401 without a valid token.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme != "Bearer":
                raise jwt.InvalidTokenError("no bearer token")
            return self.verify(token, audience)
        except jwt.InvalidTokenError as error:
            raise HTTPException(401, f"the token is not accepted: {error}") from error

    def _configuration(self, request: Request) -> Response:
        root = f"https://{HOST}/{request.path_params['tenant']}"
        return JSONResponse(
            {
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
                "issuer": f"{root}/v2.0",
                "jwks_uri": f"{root}/discovery/v2.0/keys",
            }
        )

    def _instance(self, request: Request) -> Response:
        tenant = f"https://{HOST}/{self.tenant}/v2.0/.well-known/openid-configuration"
        aliases = [{"preferred_network": HOST, "preferred_cache": "login.windows.net", "aliases": [HOST]}]
        return JSONResponse({"tenant_discovery_endpoint": tenant, "api-version": "1.1", "metadata": aliases})

    def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(body_of(request).decode()).items()}
        client = form.get("client_id", "")
        if request.path_params["tenant"] != self.tenant:
            return _refusal("invalid_request", f"AADSTS90002: Tenant '{request.path_params['tenant']}' not found.")
        if form.get("grant_type") != "client_credentials":
            return _refusal("unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
        if client not in self.secrets:
            return _refusal("unauthorized_client", f"AADSTS700016: Application '{client}' was not found.")
        if client in self.expired:
            return _refusal("invalid_client", "AADSTS7000222: The provided client secret keys are expired.")
        if form.get("client_secret") != self.secrets[client]:
            return _refusal("invalid_client", "AADSTS7000215: Invalid client secret provided.")
        audience = form.get("resource") or form.get("scope", "").removesuffix("/.default")
        audience = audience.rstrip("/")
        token = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599}
        expiry = {"expires_on": str(int(time.time()) + 3599)} if "resource" in form else {}
        return JSONResponse(token | expiry | {"access_token": self.token(audience, client)})


def _refusal(code: str, description: str) -> Response:
    return JSONResponse({"error": code, "error_description": f"{description} Trace ID: 0"}, 401)
