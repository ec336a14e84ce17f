"""Generates ``docs/access.md`` from the access matrix, ``infra/access.yml``."""

from __future__ import annotations

from midnight.access.matrix import ENVIRONMENTS, AccessMatrix, AzureGrant, Grant
from midnight.access.outputs import NOTICE
from tools.markdown_lines import list_item, paragraph

_HEAD = f"""# Who may do what

<!-- {NOTICE} -->

After this page you know which person and which service has which right, and why.
No other right is granted.
To change one, edit `infra/access.yml`, run `python -m tools.generated_files`, and apply what
changed ([Azure](azure.md#changing-who-may-do-what) describes it).

## Who

"""
_WHAT = """
## What

A right is granted in every environment unless the entry names one.
"""
_IDS = """
## Azure role ids

| role | id |
|---|---|
"""
_PLACES = {
    "SynapseGrant": "Synapse SQL",
    "DatabricksGrant": "Databricks",
    "PowerBiGrant": "Power BI workspace",
    "AirflowUiGrant": "Airflow UI",
}


def access_page(matrix: AccessMatrix) -> str:
    """The text of the page."""
    parts = [_HEAD]
    for key, principal in matrix.principals.items():
        name = f"`{principal.name.replace('{environment}', '<env>')}`" if principal.name else "named as the resource"
        parts.append(list_item(f"**{key}** ({principal.kind}, {name}): {principal.description}"))
    parts.append(_WHAT)
    for key in matrix.principals:
        parts.append(f"\n### {key}\n\n")
        parts += [_right(grant) for _, _, grant in matrix.grants() if grant.principal == key]
    ids = {grant.role: grant.role_id for grant in matrix.azure}
    parts.append(_IDS)
    parts += [f"| {role} | {f'`{ids[role]}`' if ids[role] else 'made by Terraform'} |\n" for role in sorted(ids)]
    for name, custom in sorted(matrix.custom_roles.items()):
        parts += ["\n", paragraph(f"{name} ({custom.description}) consists of:"), "\n"]
        parts += [list_item(f"`{action}`") for action in custom.actions]
    return "".join(parts)


def _right(grant: Grant) -> str:
    if isinstance(grant, AzureGrant):
        where, what = f"`{grant.scope}`", grant.role
    else:
        values = grant.model_dump(exclude={"principal", "environments", "why"}).values()
        where, what = _PLACES[type(grant).__name__], " as ".join(str(value).replace("_", " ") for value in values)
    only = [environment for environment in ENVIRONMENTS if environment in grant.environments]
    note = "" if len(only) == len(ENVIRONMENTS) else f" (only {' and '.join(only)})"
    return list_item(f"{where}, {what}{note}: {grant.why}")
