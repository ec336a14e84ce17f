"""Power BI: the kind of refresh that the workspace offers, the permission to refresh, and the state of the dataset."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cli.checks.finding import NETWORK_HINT, Finding
from midnight.errors import first_line
from midnight.powerbi.refreshes import PLAIN_REFRESHES_PER_DAY, is_on_capacity
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

SECONDS = 15
# groupUserAccessRight of those that may write, and so refresh ("Groups - Get Group Users").
MAY_REFRESH = ("Admin", "Member", "Contributor")
_SCOPE = "https://analysis.windows.net/powerbi/api/.default"


def check_power_bi(settings: Settings, connection: Connection) -> list[Finding]:
    """The dataset can be seen and refreshed.

    Args:
        settings: name workspace and dataset.
        connection: of the service principal.
    """
    return asyncio.run(_check(settings, connection))


async def _check(settings: Settings, connection: Connection) -> list[Finding]:
    import httpx
    from airflow.providers.microsoft.azure.hooks.powerbi import PowerBIHook

    hook = PowerBIHook(conn_id=connection.conn_id, timeout=SECONDS)
    names = {"group_id": settings.powerbi_group_id, "dataset_id": settings.powerbi_dataset_id}

    async def ask(url: str, **query: Any) -> Any:
        parameters = {f"${name}": value for name, value in query.items()}
        return await hook.run(url=f"myorg/{url}", path_parameters=dict(names), query_parameters=parameters)

    try:
        groups = (await ask("groups", filter=f"id eq '{settings.powerbi_group_id}'")).get("value", [])
        if not groups:
            hint = "add the service principal to the workspace as a Contributor; correct MIDNIGHT_POWERBI_GROUP_ID"
            return [Finding.fail("Power BI", f"workspace {settings.powerbi_group_id} is not visible", hint)]
        result = [_refresh_kind(groups[0])]
        users = (await ask("groups/{group_id}/users")).get("value", [])
        result += await _role(users, connection)
        result.append(_dataset(await ask("groups/{group_id}/datasets/{dataset_id}")))
        history = (await ask("groups/{group_id}/datasets/{dataset_id}/refreshes", top=60)).get("value", [])
        return [*result, *_last(history), *([] if is_on_capacity(groups[0]) else _daily_limit(history))]
    except Exception as error:  # noqa: BLE001 - Kiota, httpx, azure-identity and Airflow each have their own errors
        found = f"dataset {settings.powerbi_dataset_id}: {first_line(error)}"
        hint = "make the service principal a Contributor of the workspace, and allow service principals to use the APIs"
        if "AADSTS" in str(error) or type(error).__name__ == "ClientAuthenticationError":
            hint = f"correct the connection {connection.conn_id!r} (login, password, tenant_id in extra)"
        elif isinstance(error, httpx.TransportError):
            hint = NETWORK_HINT
        return [Finding.fail("Power BI", found, hint)]
    finally:
        await hook.close()


def _refresh_kind(group: dict[str, Any]) -> Finding:
    if is_on_capacity(group):
        return Finding.ok("Power BI workspace", f"{group.get('name')}, on a capacity: enhanced refresh")
    found = (
        f"{group.get('name')}, without a capacity: plain refresh, at most {PLAIN_REFRESHES_PER_DAY} a day, "
        "which cannot be cancelled"
    )
    return Finding.ok("Power BI workspace", found)


def _daily_limit(history: list[dict[str, Any]]) -> list[Finding]:
    """Without a capacity: whether there is a refresh left for the next run."""
    since = datetime.now(UTC) - timedelta(days=1)
    count = sum(1 for entry in history if (started := _time(entry.get("startTime"))) and started > since)
    if count < PLAIN_REFRESHES_PER_DAY:
        return []
    hint = "remove the dataset's own schedule, or assign the workspace to a capacity"
    return [Finding.warn("Power BI refresh", f"{count} refreshes in the last 24 hours: the next is refused", hint)]


def _time(text: Any) -> datetime | None:
    """A time of the service; some of its times have no zone, and are UTC."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _role(users: list[dict[str, Any]], connection: Connection) -> list[Finding]:
    """The role of the principal's own entry; nothing where it may have its role through a group."""
    own = await asyncio.to_thread(_object_id, connection)
    rights = [user.get("groupUserAccessRight") for user in users if str(user.get("identifier")).lower() == own]
    if not rights:
        return []
    if any(right in MAY_REFRESH for right in rights):
        return [Finding.ok("Power BI right", f"{rights[0]} of the workspace")]
    hint = "make the service principal a Contributor of the workspace (docs/azure.md, step 7)"
    return [Finding.fail("Power BI right", f"a {rights[0]} may not refresh", hint)]


def _object_id(connection: Connection) -> str:
    """Of the service principal, from the middle part of its own token."""
    from azure.identity import ClientSecretCredential

    tenant = connection.extra_dejson.get("tenant_id", "")
    quick: dict[str, Any] = {"retry_total": 0, "connection_timeout": 8, "read_timeout": 8}
    with ClientSecretCredential(tenant, connection.login or "", connection.password or "", **quick) as credential:
        claims = credential.get_token(_SCOPE).token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["oid"]).lower()


def _dataset(dataset: dict[str, Any]) -> Finding:
    name = dataset.get("name")
    if dataset.get("isRefreshable") is False:
        return Finding.fail("Power BI", f"{name} cannot be refreshed", "publish include/powerbi again")
    return Finding.ok("Power BI", f"dataset {name}")


def _last(history: list[dict[str, Any]]) -> list[Finding]:
    if history and history[0].get("status") == "Failed":
        hint = "open the dataset's refresh history: credentials of its data source, gateway, or the model"
        return [Finding.warn("Power BI refresh", f"the last one failed ({history[0].get('endTime')})", hint)]
    return []
