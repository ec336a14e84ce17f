"""Who may do what: the model of ``infra/access.yml``.

Terraform reads the file itself (``infra/access.tf``); ``midnight.access.outputs`` generates everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.yaml_document import Location, YamlDocument, located_error
from midnight.errors import ConfigurationError

Environment = Literal["dev", "prod"]
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
AzureScope = Literal[
    "resource_group",
    "storage",
    "storage/bronze",
    "storage/silver",
    "storage/gold",
    "key_vault",
    "key_vault/masking_key",
    "key_vault/source_password",
    "data_factory",
]

# Azure built-in roles that Midnight may use: id (the same in every tenant) and the scopes at which it has an effect.
# Source: "Azure built-in roles", learn.microsoft.com/azure/role-based-access-control/built-in-roles. Terraform compares
# each pair with Azure's own list before it assigns anything. Owner, Contributor and User Access Administrator are
# not listed: nothing here needs them.
_SECRETS = ("key_vault", "key_vault/masking_key", "key_vault/source_password")
_STORAGE = ("storage", "storage/bronze", "storage/silver", "storage/gold")
BUILT_IN_ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Reader": ("acdd72a7-3385-48ef-bd42-f606fba81ae7", get_args(AzureScope)),
    "Storage Blob Data Contributor": ("ba92f5b4-2d11-453d-a403-e96b0029c9fe", _STORAGE),
    "Storage Blob Data Reader": ("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", _STORAGE),
    "Storage Queue Data Message Sender": ("c6a89b2d-59bc-44d0-9896-0f6e12d7b80a", ("storage",)),
    "Key Vault Administrator": ("00482a5a-887f-4fb3-b363-3b7fe8e74483", ("key_vault",)),
    "Key Vault Secrets Officer": ("b86a8fe4-44ce-4948-aee5-eccb2c155cd7", ("key_vault",)),
    "Key Vault Secrets User": ("4633458b-17de-408a-b874-0445c86b69e6", _SECRETS),
    "Data Factory Contributor": ("673868aa-7521-48a0-acc6-0f60742d39f5", ("resource_group", "data_factory")),
    "Log Analytics Reader": ("73c42c96-874c-492b-b04d-ab87d138a893", ("resource_group",)),
}
_ACTION = re.compile(r"Microsoft\.\w+(/\w+)+/(read|write|delete|action)")


def _safe_principal_name(name: str) -> str:
    """Names are used in SQL and Terraform."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", name.replace("{environment}", "dev")):
        raise ValueError(f"{name!r} is not a valid name; hint: letters, digits, spaces, '.', '_' and '-'")
    return name


def _single_action(action: str) -> str:
    if not _ACTION.fullmatch(action):
        raise ValueError(
            f"{action!r} is not a single action; hint: for example Microsoft.DataFactory/factories/read, no wildcards"
        )
    return action


class Principal(ConfigurationModel):
    """A group or an identity.

    Args:
        kind: ``group`` of Entra, or managed ``identity``.
        name: display name in Entra, which is also its name in SQL; ``{environment}`` stands for dev or prod. A system
            identity has the name of its resource and needs none.
        description: for people.
    """

    kind: Literal["group", "identity"]
    name: Annotated[str, AfterValidator(_safe_principal_name)] | None = None
    description: str

    def name_in(self, environment: Environment) -> str | None:
        return self.name and self.name.replace("{environment}", environment)


class CustomRole(ConfigurationModel):
    """A custom Azure role: management actions, each named in full."""

    description: str
    actions: tuple[Annotated[str, AfterValidator(_single_action)], ...] = Field(min_length=1)


class Grant(ConfigurationModel):
    """Fields of every grant.

    Args:
        principal: key of ``principals``.
        environments: environments in which it applies.
        why: what the principal could not do without it.
    """

    principal: str
    environments: tuple[Environment, ...] = Field(default=ENVIRONMENTS, min_length=1)
    why: str = Field(min_length=3)


class AzureGrant(Grant):
    """An Azure role assignment; ``role_id`` is the built-in role's GUID, none for a custom role."""

    role: str
    role_id: str | None = None
    scope: AzureScope


class SynapseGrant(Grant):
    """What a principal may do in Synapse SQL.

    ``select``: read all schemas; ``select_reporting``: read ``reporting`` and ``midnight`` only; ``view_ddl``: read all
    and replace their views; ``sql_administrator``: everything.
    """

    permission: Literal["sql_administrator", "select", "select_reporting", "view_ddl"]


class DatabricksGrant(Grant):
    """``wheel_deploy``: write to the folder of the wheel, and so control the code that runs with the job's rights."""

    permission: Literal["metastore_admin", "wheel_deploy", "cluster_policy_use", "job_manage_run"]


class PowerBiGrant(Grant):
    role: Literal["Admin", "Member", "Contributor", "Viewer"]


class AirflowUiGrant(Grant):
    """``app_role`` is the value of the Entra app role, ``role`` a role of Airflow's FAB auth manager."""

    app_role: str = Field(pattern=r"^[a-z][a-z._-]*$")
    role: Literal["Admin", "Op", "User", "Viewer"]


_SECTIONS = ("azure", "synapse", "databricks", "power_bi", "airflow_ui")


class AccessMatrix(ConfigurationModel):
    """``infra/access.yml``."""

    principals: dict[str, Principal]
    custom_roles: dict[str, CustomRole] = Field(default_factory=dict)
    azure: tuple[AzureGrant, ...]
    synapse: tuple[SynapseGrant, ...]
    databricks: tuple[DatabricksGrant, ...]
    power_bi: tuple[PowerBiGrant, ...]
    airflow_ui: tuple[AirflowUiGrant, ...]

    def grants(self) -> Iterator[tuple[str, int, Grant]]:
        """Every grant with its section and position."""
        for section in _SECTIONS:
            for index, grant in enumerate(getattr(self, section)):
                yield section, index, grant

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> AccessMatrix:
        problems: list[tuple[Location, str]] = []
        for role in sorted(self.custom_roles.keys() & BUILT_IN_ROLES.keys()):
            problems.append((("custom_roles", role), "is the name of a built-in role; hint: choose another name"))
        seen: dict[object, str] = {}
        for section, index, grant in self.grants():
            place: Location = (section, index)
            if grant.principal not in self.principals:
                known = sorted(self.principals)
                problems.append(
                    ((*place, "principal"), f"{grant.principal!r} is not a principal; hint: one of {known!r}")
                )
            elif isinstance(grant, SynapseGrant) and self.principals[grant.principal].name is None:
                problems.append(
                    (
                        ("principals", grant.principal),
                        "has a grant in Synapse SQL, but no name; hint: set its display name in Entra",
                    )
                )
            if isinstance(grant, AzureGrant):
                problems += [((*place, *inner), text) for inner, text in self._role_problems(grant)]
            for environment in grant.environments:
                what = grant.model_dump_json(exclude={"why", "environments", "role_id"})
                first = seen.setdefault((section, environment, what), f"{section}[{index}]")
                if first != f"{section}[{index}]":
                    problems.append((place, f"repeats {first} in {environment}; hint: keep one"))
        used = {grant.principal for _, _, grant in self.grants()}
        for key in sorted(self.principals.keys() - used):
            problems.append((("principals", key), "has no grant; hint: remove it, or add a grant"))
        problems += self._airflow_role_problems()
        if problems:
            raise located_error(problems)
        return self

    def _role_problems(self, grant: AzureGrant) -> Iterator[tuple[Location, str]]:
        if grant.role in self.custom_roles:
            if grant.role_id is not None:
                yield (
                    ("role_id",),
                    f"{grant.role!r} is a custom role, whose id is assigned by Azure; hint: remove role_id",
                )
            return
        if grant.role not in BUILT_IN_ROLES:
            known = sorted({*BUILT_IN_ROLES, *self.custom_roles})
            yield ("role",), f"{grant.role!r} is not a permitted role; hint: one of {known!r}"
            return
        role_id, scopes = BUILT_IN_ROLES[grant.role]
        if grant.role_id != role_id:
            yield ("role_id",), f"{grant.role_id!r} is not the id of {grant.role!r}; hint: {role_id!r}"
        if grant.scope not in scopes:
            yield ("scope",), f"{grant.role!r} has no effect at {grant.scope!r}; hint: one of {list(scopes)!r}"

    def _airflow_role_problems(self) -> Iterator[tuple[Location, str]]:
        """An app role maps to one Airflow role per environment: FAB would give a user all of several roles."""
        roles: dict[tuple[str, str], str] = {}
        for index, grant in enumerate(self.airflow_ui):
            for environment in grant.environments:
                first = roles.setdefault((grant.app_role, environment), grant.role)
                if first != grant.role:
                    text = f"maps to {first!r} and {grant.role!r} in {environment}; hint: keep one"
                    yield ("airflow_ui", index, "app_role"), f"{grant.app_role!r} {text}"


def load_access_matrix(path: Path) -> AccessMatrix:
    """Read and validate the access matrix.

    Raises:
        ConfigurationError: lists all problems of the file.
    """
    document = YamlDocument(path, path.parent)
    matrix = document.validate(AccessMatrix)
    if matrix is None:
        raise ConfigurationError(document.problems)
    return matrix
