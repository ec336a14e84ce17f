"""A Power BI dataset, through the provider's hook, with errors that say what to do."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx
from airflow.exceptions import AirflowBadRequest
from airflow.providers.microsoft.azure.hooks.powerbi import PowerBIHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
from azure.core.exceptions import AzureError

from midnight.errors import RefreshLimitError, ReportRefreshError, SecretsError
from midnight.powerbi.refreshes import (
    ENHANCED_REQUEST,
    PLAIN_REFRESHES_PER_DAY,
    PLAIN_REQUEST,
    RefreshState,
    active_refresh,
    is_daily_limit,
    is_on_capacity,
    refresh_in_history,
    refresh_state,
    started_refresh,
)

SECONDS = 60
_REFRESHES = "myorg/groups/{group_id}/datasets/{dataset_id}/refreshes"


class PowerBiUnavailableError(ReportRefreshError):
    """The service cannot be asked just now; it may answer the next time."""


class PowerBiDataset:
    """One dataset; used with ``async with``.

    The provider keeps a signed-in client per connection for the life of the process. Here it ends with the block, so
    that a rotated client secret is taken up.

    Args:
        connection_id: Airflow connection of the service principal.
        group_id: the workspace.
        dataset_id: the semantic model.
    """

    def __init__(self, connection_id: str, group_id: str, dataset_id: str) -> None:
        self._hook = PowerBIHook(conn_id=connection_id, timeout=SECONDS)
        self._names = {"group_id": group_id, "dataset_id": dataset_id}
        self._whose = f"Power BI dataset {dataset_id!r} in workspace {group_id!r}"
        self._connection_id = connection_id

    async def __aenter__(self) -> PowerBiDataset:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._hook.close()

    async def active_refresh(self) -> str | None:
        """Id of the refresh that is going on."""
        return active_refresh(await self._history())

    async def is_on_capacity(self) -> bool:
        """Whether the dataset has the enhanced refresh."""
        groups = (await self._ask("GET", f"myorg/groups?$filter=id eq '{self._names['group_id']}'"))["value"]
        if not groups:
            raise ReportRefreshError(
                f"{self._whose}: the workspace is not visible; hint: make the service principal of "
                f"{self._connection_id!r} a Contributor of it"
            )
        return is_on_capacity(groups[0])

    async def start(self, *, enhanced: bool) -> str:
        """Start a refresh; its id.

        Args:
            enhanced: whether the workspace is on a capacity.

        Raises:
            RefreshLimitError: there were as many plain refreshes today as the service allows.
        """
        try:
            headers = await self._ask("POST", _REFRESHES, data=ENHANCED_REQUEST if enhanced else PLAIN_REQUEST)
        except ReportRefreshError as error:
            if enhanced or not is_daily_limit(str(error)):
                raise
            raise RefreshLimitError(
                f"{error}; a workspace without a capacity has {PLAIN_REFRESHES_PER_DAY} refreshes a day, scheduled "
                "ones included; hint: clear this task tomorrow, remove the dataset's schedule, or assign the "
                "workspace to a capacity"
            ) from error
        refresh_id = started_refresh(headers)
        if refresh_id is None:
            raise ReportRefreshError(f"{self._whose}: Power BI started a refresh, but named no id")
        return refresh_id

    async def state(self, refresh_id: str) -> RefreshState:
        """How a refresh stands; only an enhanced one has details."""
        state = refresh_in_history(refresh_id, await self._history())
        if not state.is_enhanced:
            return state
        return refresh_state(refresh_id, await self._ask("GET", f"{_REFRESHES}/{refresh_id}"))

    async def cancel(self, refresh_id: str) -> bool:
        """End a refresh; the report keeps its data. False for a plain one, which cannot be ended."""
        state = refresh_in_history(refresh_id, await self._history())
        if state.is_enhanced:
            await self._ask("DELETE", f"{_REFRESHES}/{refresh_id}")
        return state.is_enhanced

    async def _history(self) -> list[dict[str, Any]]:
        return list((await self._ask("GET", f"{_REFRESHES}?$top=20"))["value"])

    async def _ask(self, method: str, url: str, **options: Any) -> Any:
        """One request.

        Raises:
            PowerBiUnavailableError: no answer, or one that may be better the next time.
            ReportRefreshError: the service refuses.
        """
        try:
            return await self._hook.run(url=url, method=method, path_parameters=self._names, **options)
        except SecretsError as error:  # a PermissionError, too; but it is the vault's, which has said what to do
            raise PowerBiUnavailableError(f"{self._whose} cannot be asked: {error}") from error
        except PermissionError as error:
            raise ReportRefreshError(
                f"{self._whose} refuses: {error}; make the service principal of {self._connection_id!r} a Contributor "
                "of the workspace, and let service principals use the APIs (make doctor checks it)"
            ) from error
        except (AirflowBadRequest, AirflowNotFoundException) as error:
            raise ReportRefreshError(f"{self._whose}: {error}") from error
        except AirflowException as error:
            raise PowerBiUnavailableError(f"{self._whose}: {error}") from error
        except (httpx.HTTPError, AzureError) as error:
            raise PowerBiUnavailableError(f"{self._whose} cannot be asked: {error or type(error).__name__}") from error
