"""Files generated from the access matrix: Synapse statements, the Airflow UI's role mapping and app roles."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from typing import TypeVar

from midnight.access.matrix import ENVIRONMENTS, AccessMatrix, Environment, Grant
from midnight.sql_text import quote_bracketed, unicode_literal

REPORTING_SCHEMA = "reporting"
RUN_SCHEMA = "midnight"  # what each run did: for all who read reports
SCHEMAS = ("gold", REPORTING_SCHEMA, RUN_SCHEMA)
CREDENTIAL = "midnight_gold"  # the database scoped credential (the workspace's identity) of the data source
READ_ROLE = "midnight_read"
REPORTING_ROLE = "midnight_read_reporting"
PUBLISH_ROLE = "midnight_publish"
ROLES = (READ_ROLE, REPORTING_ROLE, PUBLISH_ROLE)
NOTICE = "made from infra/access.yml by python -m tools.generated_files; do not edit"

MAPPING_BEGIN = "# <access matrix>: " + NOTICE
MAPPING_END = "# </access matrix>"


def synapse_logins(matrix: AccessMatrix, environment: Environment) -> tuple[str, ...]:
    """Statements for the database ``master``: a login for each group or identity that queries or publishes."""
    return tuple(
        f"IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = {unicode_literal(name)})\n"
        f"    CREATE LOGIN {quote_bracketed(name)} FROM EXTERNAL PROVIDER"
        for name, roles in _database_roles(matrix, environment)
        if roles
    )


def synapse_grants(matrix: AccessMatrix, environment: Environment) -> tuple[str, ...]:
    """Statements for Midnight's database, each a batch of its own; running them again changes nothing.

    The schemas and the credential must exist. A permission that was removed from the matrix is revoked. A principal
    that may read only ``reporting`` and ``midnight`` needs no right on ``gold``: their views have the same owner, so
    Synapse checks only the first view of the chain ("Ownership chaining"). But files are opened with the caller's own
    rights: REFERENCES on the credential, and ADMINISTER DATABASE BULK OPERATIONS (error 4834, "bulk load statement").
    A login has the latter by default, unless the company has revoked it; so it is granted.
    """
    statements = []
    for role in ROLES:
        statements.append(
            f"IF DATABASE_PRINCIPAL_ID({unicode_literal(role)}) IS NULL\n    CREATE ROLE {quote_bracketed(role)}"
        )
    for schema in SCHEMAS:
        statements.append(f"GRANT SELECT ON SCHEMA::{quote_bracketed(schema)} TO {quote_bracketed(READ_ROLE)}")
        statements.append(f"GRANT ALTER ON SCHEMA::{quote_bracketed(schema)} TO {quote_bracketed(PUBLISH_ROLE)}")
    for schema in (REPORTING_SCHEMA, RUN_SCHEMA):
        statements.append(f"GRANT SELECT ON SCHEMA::{quote_bracketed(schema)} TO {quote_bracketed(REPORTING_ROLE)}")
    for role in (READ_ROLE, REPORTING_ROLE):
        credential = f"DATABASE SCOPED CREDENTIAL::{quote_bracketed(CREDENTIAL)}"
        statements.append(f"GRANT REFERENCES ON {credential} TO {quote_bracketed(role)}")
        statements.append(f"GRANT ADMINISTER DATABASE BULK OPERATIONS TO {quote_bracketed(role)}")
    statements.append(f"GRANT CREATE VIEW TO {quote_bracketed(PUBLISH_ROLE)}")
    for name, roles in _database_roles(matrix, environment):
        user = quote_bracketed(name)
        if roles:
            statements.append(
                f"IF DATABASE_PRINCIPAL_ID({unicode_literal(name)}) IS NULL\n    CREATE USER {user} FOR LOGIN {user}"
            )
        for role in ROLES:
            if role in roles:
                statements.append(f"ALTER ROLE {quote_bracketed(role)} ADD MEMBER {user}")
            else:
                statements.append(
                    f"IF IS_ROLEMEMBER({unicode_literal(role)}, {unicode_literal(name)}) = 1\n"
                    f"    ALTER ROLE {quote_bracketed(role)} DROP MEMBER {user}"
                )
    return tuple(statements)


def sql_file(statements: tuple[str, ...], purpose: str) -> str:
    """The statements as a file; without ``GO``, which only some tools know and none of these statements needs."""
    return f"-- {purpose}\n-- {NOTICE}\n\n" + "".join(f"{statement};\n\n" for statement in statements).rstrip() + "\n"


def airflow_role_mapping(matrix: AccessMatrix) -> str:
    """The marked part of ``config/webserver_config.py``: environment -> Entra app role -> Airflow roles."""
    lines = [MAPPING_BEGIN, "ROLES_OF_APP_ROLES = {"]
    for environment in ENVIRONMENTS:
        lines.append(f'    "{environment}": {{')
        roles = {grant.app_role: grant.role for grant in _in(matrix.airflow_ui, environment)}
        lines += [f'        "{app_role}": ["{role}"],' for app_role, role in roles.items()]
        lines.append("    },")
    return "\n".join([*lines, "}", MAPPING_END])


def app_roles(matrix: AccessMatrix) -> str:
    """The app roles for ``az ad app create --app-roles``, as JSON.

    The id of a role is derived from its name, so that it does not change: assignments in Entra refer to it.
    """
    roles = [
        {
            "allowedMemberTypes": ["User"],  # groups, too
            "description": f"Airflow UI of Midnight: {name.rpartition('.')[2]}",
            "displayName": name,
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"midnight/app-role/{name}")),
            "isEnabled": True,
            "value": name,
        }
        for name in sorted({grant.app_role for grant in matrix.airflow_ui})
    ]
    return json.dumps(roles, indent=2) + "\n"


def replace_marked(text: str, part: str) -> str:
    """``text`` with the section between the marks replaced by ``part``, which includes the marks.

    Raises:
        ValueError: the marks are missing.
    """
    before, begin, rest = text.partition(MAPPING_BEGIN)
    _, end, after = rest.partition(MAPPING_END)
    if not begin or not end:
        raise ValueError(f"the lines {MAPPING_BEGIN!r} and {MAPPING_END!r} are missing")
    return before + part + after


_GrantType = TypeVar("_GrantType", bound=Grant)


def _in(grants: Iterable[_GrantType], environment: Environment) -> Iterator[_GrantType]:
    return (grant for grant in grants if environment in grant.environments)


def _database_roles(matrix: AccessMatrix, environment: Environment) -> list[tuple[str, set[str]]]:
    """Name of each principal that can sign in to SQL, with its database roles; administrators need none."""
    roles_of: dict[str, set[str]] = {
        "select": {READ_ROLE},
        "select_reporting": {REPORTING_ROLE},
        "view_ddl": {READ_ROLE, PUBLISH_ROLE},
        "sql_administrator": set(),
    }
    result = []
    for key, principal in matrix.principals.items():
        permissions = [g.permission for g in _in(matrix.synapse, environment) if g.principal == key]
        roles = {role for permission in permissions for role in roles_of[permission]}
        name = principal.name_in(environment)
        if name is not None:
            result.append((name, roles))
    return result
