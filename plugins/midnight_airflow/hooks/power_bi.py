"""A Power BI dataset, through the provider's hook, with errors that contain a hint."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx
from airflow.exceptions import AirflowBadRequest
from airflow.providers.microsoft.azure.hooks.powerbi import PowerBIHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
from azure.core.exceptions import AzureError

from midnight.errors import RefreshLimitError, ReportRefreshError, ReportSignInError, SecretsError
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
from midnight.sign_in import refused_secret

REQUEST_TIMEOUT_SECONDS = 60
_REFRESHES = "myorg/groups/{group_id}/datasets/{dataset_id}/refreshes"


class PowerBiUnavailableError(ReportRefreshError):
    """A request to Power BI failed with a transient error."""


class PowerBiDataset:
    """One dataset; an asynchronous context manager.

    The provider caches a signed-in client per connection for the life of the process. Here it is closed at the end of
    the block, so that a rotated client secret takes effect.

    Args:
        connection_id: Airflow connection of the service principal.
        group_id: id of the workspace.
        dataset_id: id of the semantic model.
    """

    def __init__(self, connection_id: str, group_id: str, dataset_id: str) -> None:
        self._hook = PowerBIHook(conn_id=connection_id, timeout=REQUEST_TIMEOUT_SECONDS)
        self._names = {"group_id": group_id, "dataset_id": dataset_id}
        self._name = f"Power BI dataset {dataset_id!r} in workspace {group_id!r}"
        self._connection_id = connection_id

    async def __aenter__(self) -> PowerBiDataset:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._hook.close()

    async def active_refresh(self) -> str | None:
        """Id of the refresh in progress; None when there is none."""
        return active_refresh(await self._history())

    async def is_on_capacity(self) -> bool:
        """Whether the workspace is on a capacity, and the dataset therefore has the enhanced refresh.

        Raises:
            ReportRefreshError: the workspace is not visible.
        """
        groups = (await self._request("GET", f"myorg/groups?$filter=id eq '{self._names['group_id']}'"))["value"]
        if not groups:
            raise ReportRefreshError(
                f"{self._name}: the workspace is not visible; hint: make the service principal of "
                f"{self._connection_id!r} a Contributor of it"
            )
        return is_on_capacity(groups[0])

    async def start(self, *, enhanced: bool) -> str:
        """Start a refresh and return its id.

        Args:
            enhanced: whether the workspace is on a capacity.

        Raises:
            RefreshLimitError: the daily limit of plain refreshes is reached.
        """
        try:
            headers = await self._request("POST", _REFRESHES, data=ENHANCED_REQUEST if enhanced else PLAIN_REQUEST)
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
            raise ReportRefreshError(f"{self._name}: Power BI accepted a refresh, but its response contains no id")
        return refresh_id

    async def state(self, refresh_id: str) -> RefreshState:
        """State of a refresh; only an enhanced one has details."""
        state = refresh_in_history(refresh_id, await self._history())
        if not state.is_enhanced:
            return state
        return refresh_state(refresh_id, await self._request("GET", f"{_REFRESHES}/{refresh_id}"))

    async def cancel(self, refresh_id: str) -> bool:
        """Cancel a refresh; the report keeps its data. False for a plain one, which cannot be cancelled."""
        state = refresh_in_history(refresh_id, await self._history())
        if state.is_enhanced:
            await self._request("DELETE", f"{_REFRESHES}/{refresh_id}")
        return state.is_enhanced

    async def _history(self) -> list[dict[str, Any]]:
        return list((await self._request("GET", f"{_REFRESHES}?$top=20"))["value"])

    async def _request(self, method: str, url: str, **options: Any) -> Any:
        """Send one request.

        Raises:
            PowerBiUnavailableError: a transient error: no response, or a status that may change.
            ReportSignInError: Entra ID refuses the client secret of the connection.
            ReportRefreshError: the service refused the request.
        """
        try:
            return await self._hook.run(url=url, method=method, path_parameters=self._names, **options)
        except SecretsError as error:  # also a PermissionError, but raised by the vault and with a hint of its own
            raise PowerBiUnavailableError(f"could not reach {self._name}: {error}") from error
        except PermissionError as error:
            raise ReportRefreshError(
                f"{self._name} refused the request: {error}; hint: make the service principal of "
                f"{self._connection_id!r} a Contributor of the workspace, and allow service principals to use the APIs "
                "(make doctor checks both)"
            ) from error
        except (AirflowBadRequest, AirflowNotFoundException) as error:
            raise ReportRefreshError(f"{self._name}: {error}") from error
        except AirflowException as error:
            raise PowerBiUnavailableError(f"{self._name}: {error}") from error
        except (httpx.HTTPError, AzureError) as error:
            if refused := refused_secret(str(error)):
                raise ReportSignInError(
                    f"{self._name}: the client secret in the connection {self._connection_id!r} {refused[1]} "
                    f"({refused[0]}); hint: create a new one (az ad app credential reset --append), and store it "
                    "as the password of each connection that has it"
                ) from error
            raise PowerBiUnavailableError(f"could not reach {self._name}: {error or type(error).__name__}") from error
