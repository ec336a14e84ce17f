"""``config/webserver_config.py`` in the real FAB auth manager: a signed Entra token becomes the right Airflow role."""

import json
import os
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

from midnight.settings import REPOSITORY
from tests.contracts.azure_guide import guide_script

TENANT = "11111111-2222-3333-4444-555555555555"

# Runs in a process of its own: Airflow reads its configuration when it is imported.
SIGN_IN = f"""
import json, sys, time
from authlib.jose import JsonWebKey, jwt
from airflow import settings
from airflow.providers.fab.auth_manager.models import Model
from airflow.providers.fab.www.app import create_app

Model.metadata.create_all(settings.engine)
app = create_app(enable_plugins=False)
manager = app.appbuilder.sm
key = JsonWebKey.generate_key("RSA", 2048, {{"kid": "k"}}, is_private=True)
manager._get_microsoft_jwks = lambda *_: {{"keys": [key.as_dict(is_private=False)]}}

def sign_in(roles, issuer="{TENANT}"):
    claims = {{"iss": f"https://login.microsoftonline.com/{{issuer}}/v2.0", "aud": "client", "oid": "person",
              "email": "person@example.com", "roles": roles, "exp": int(time.time()) + 600}}
    token = jwt.encode({{"alg": "RS256", "kid": "k"}}, claims, key).decode()
    try:
        user_info = manager.get_oauth_user_info("azure", {{"id_token": token}})
    except Exception as error:
        return type(error).__name__
    user = manager.auth_user_oauth(user_info, rotate_session_id=False)
    return sorted(role.name for role in user.roles)

with app.app_context():
    results = [sign_in(*case) for case in json.loads(sys.argv[1])]
print("RESULT " + json.dumps(results))

# Airflow mounts the application below /auth, behind a proxy that ends TLS.
forwarded = {{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "airflow.example.com"}}
answer = app.test_client().get("/login/azure", headers=forwarded, environ_overrides={{"SCRIPT_NAME": "/auth"}})
print("LOCATION " + answer.headers["Location"])
"""


def sign_in(tmp_path, *cases):
    """Roles of each case, and where somebody who has not signed in is sent to."""
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": "for-this-test-only",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__FAB__CONFIG_FILE": str(REPOSITORY / "config" / "webserver_config.py"),
        "AIRFLOW__FAB__ENABLE_PROXY_FIX": "true",
        "AIRFLOW__API__BASE_URL": "https://airflow.example.com",
        "ENTRA_ENVIRONMENT": "prod",
        "ENTRA_TENANT_ID": TENANT,
        "ENTRA_CLIENT_ID": "client",
        "ENTRA_CLIENT_SECRET": "for-this-test-only",
    }
    command = [sys.executable, "-c", SIGN_IN, json.dumps(cases)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("RESULT ", "LOCATION ")))
    assert len(said) == 2, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(said["RESULT"]), urlsplit(said["LOCATION"])


def test_app_roles_become_airflow_roles_at_every_sign_in(tmp_path):
    roles, page = sign_in(
        tmp_path,
        [["midnight.admin"]],
        [["midnight.engineer"]],  # the same person, moved to another group
        [["midnight.reader"]],
        [[]],
        [["somebody.elses.role"]],
        [["midnight.admin"], "99999999-2222-3333-4444-555555555555"],  # a token of another tenant
    )
    assert roles == [
        ["Admin", "Public"],
        ["Public", "User"],  # on call: may clear a task
        ["Public", "Viewer"],
        ["Public"],
        ["Public"],
        "InvalidClaimError",
    ]
    # Entra compares the address with the one that docs/azure/airflow.md registers, and takes https only.
    assert (page.hostname, page.path) == ("login.microsoftonline.com", f"/{TENANT}/oauth2/v2.0/authorize")
    assert parse_qs(page.query)["redirect_uri"] == ["https://airflow.example.com/auth/oauth-authorized/azure"]
    guide = guide_script()
    assert "--web-redirect-uris $url/auth/oauth-authorized/azure" in guide
    assert {"AIRFLOW__FAB__ENABLE_PROXY_FIX=true", "AIRFLOW__API__BASE_URL=$url"} <= set(guide.splitlines())
