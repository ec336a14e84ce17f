"""The wheel of the Databricks job: it exists, and Airflow's identity cannot replace it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.checks.azure_databricks_compute import NoAnswerError, ask, permission_level
from cli.checks.finding import Finding

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

# "Volumes" in Unity Catalog's privileges: with one of these files can be written.
_WRITES_VOLUME = {"WRITE_VOLUME", "ALL_PRIVILEGES", "MANAGE"}
_FOLDER_LEVELS = ("CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE")
_PUBLISH = "make publish-wheel, copy the line that it prints into the .tfvars file, then terraform apply"


def check_wheel(hook: DatabricksHook, wheels: Sequence[str], me: Mapping[str, Any]) -> list[Finding]:
    """Each wheel of the job.

    Args:
        hook: of the workspace.
        wheels: paths.
        me: answer of SCIM's ``Me``.
    """
    return [
        finding
        for path in dict.fromkeys(wheels)
        for finding in (_check_presence(hook, path), _check_writers(hook, path, me))
    ]


def _check_presence(hook: DatabricksHook, wheel: str) -> Finding:
    hint = _PUBLISH
    try:
        if wheel.startswith("/Volumes/"):
            found = ask(hook, f"2.0/fs/directories{wheel.rpartition('/')[0]}").get("contents", [])
            present = any(entry.get("path") == wheel for entry in found)
        else:
            present = bool(ask(hook, "2.0/workspace/get-status", _workspace_path(wheel)).get("path"))
    except NoAnswerError as error:
        if error.status == 403:
            hint = "give Airflow's service principal READ VOLUME, or CAN READ on the folder"
        return Finding.fail("wheel", f"{wheel}: {error}", hint)
    if not present:
        return Finding.fail("wheel", f"{wheel} does not exist", hint)
    return Finding.ok("wheel", wheel)


def _check_writers(hook: DatabricksHook, wheel: str, me: Mapping[str, Any]) -> Finding:
    """Whoever can write the wheel decides what runs with the job's permissions on the lake."""
    name, folder = "wheel's folder", wheel.rpartition("/")[0]
    try:
        rights = _volume_rights(hook, wheel, me) if wheel.startswith("/Volumes/") else _folder_rights(hook, folder, me)
    except NoAnswerError as error:
        found = f"who may write {folder} cannot be looked up: {error}"
        return Finding.warn(name, found, "only deployers should (infra/access.yml, wheel_deploy)")
    if rights:
        found = f"Airflow's identity may write {folder} ({', '.join(rights)})"
        return Finding.fail(name, found, "revoke it: only deployers should have it (infra/access.yml, wheel_deploy)")
    return Finding.ok(name, f"Airflow's identity may not write {folder}")


def _volume_rights(hook: DatabricksHook, wheel: str, me: Mapping[str, Any]) -> list[str]:
    volume = ".".join(wheel.split("/")[2:5])
    asked = {"principal": str(me.get("userName"))}
    answer = ask(hook, f"2.1/unity-catalog/effective-permissions/volume/{volume}", asked)
    granted = {
        str(privilege.get("privilege"))
        for assignment in answer.get("privilege_assignments", [])
        for privilege in assignment.get("privileges", [])
    }
    return sorted(granted & _WRITES_VOLUME)


def _folder_rights(hook: DatabricksHook, folder: str, me: Mapping[str, Any]) -> list[str]:
    number = ask(hook, "2.0/workspace/get-status", _workspace_path(folder)).get("object_id")
    answer = ask(hook, f"2.0/permissions/directories/{number}")
    level = permission_level(answer.get("access_control_list", []), me, _FOLDER_LEVELS)
    return [level] if level in ("CAN_EDIT", "CAN_MANAGE") else []


def _workspace_path(path: str) -> dict[str, str]:
    return {"path": path.removeprefix("/Workspace")}
