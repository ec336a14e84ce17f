"""Sign-in to the Airflow UI through Entra ID, for the FAB auth manager (``AIRFLOW__CORE__AUTH_MANAGER``).

The three groups are assigned to app roles of the app registration (docs/azure.md); the app role in the token determines
the Airflow role at every sign-in. A user without an app role has no permissions. Airflow reads this file when
``AIRFLOW__FAB__CONFIG_FILE`` names it; the local profile does not use it.
"""

import os

from flask_appbuilder.const import AUTH_OAUTH

# <access matrix>: made from infra/access.yml by python -m tools.generated_files; do not edit
ROLES_OF_APP_ROLES = {
    "dev": {
        "midnight.admin": ["Admin"],
        "midnight.engineer": ["Op"],
        "midnight.reader": ["Viewer"],
    },
    "prod": {
        "midnight.admin": ["Admin"],
        "midnight.engineer": ["User"],
        "midnight.reader": ["Viewer"],
    },
}
# </access matrix>

_tenant = os.environ["ENTRA_TENANT_ID"]

AUTH_TYPE = AUTH_OAUTH
AUTH_ROLES_MAPPING = ROLES_OF_APP_ROLES[os.environ["ENTRA_ENVIRONMENT"]]
AUTH_ROLES_SYNC_AT_LOGIN = True  # a user who left a group loses the role at the next sign-in
AUTH_USER_REGISTRATION = True
AUTH_USER_REGISTRATION_ROLE = "Public"  # FAB gives it to every user: it must be a role without permissions

OAUTH_PROVIDERS = [
    {
        "name": "azure",  # for this name FAB reads the claim "roles" and validates issuer, audience and signature
        "icon": "fa-windows",
        "token_key": "access_token",
        "remote_app": {
            "client_id": os.environ["ENTRA_CLIENT_ID"],
            "client_secret": os.environ["ENTRA_CLIENT_SECRET"],  # from Key Vault, by the container platform
            "api_base_url": f"https://login.microsoftonline.com/{_tenant}/oauth2",
            "access_token_url": f"https://login.microsoftonline.com/{_tenant}/oauth2/v2.0/token",
            "authorize_url": f"https://login.microsoftonline.com/{_tenant}/oauth2/v2.0/authorize",
            "jwks_uri": f"https://login.microsoftonline.com/{_tenant}/discovery/v2.0/keys",
            "client_kwargs": {"scope": "openid email profile", "tenant_id": _tenant},
        },
    }
]
