"""A Synapse workspace for tests: the fake endpoint, identities of a tenant, and a lake on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midnight.gold_to_serving.synapse_setup import check_setup, run_setup, setup_scripts
from midnight.settings import REPOSITORY
from midnight.synapse.connection import SynapseServer, connect
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.cloud import Cloud
from tests.fakes.entra import SYNAPSE
from tests.fakes.synapse import Synapse
from tests.fakes.synapse_queries import Locate

ACCOUNT = "midnightdevtest"
LOCATION = f"abfss://gold@{ACCOUNT}.dfs.core.windows.net"
PUBLISHER, READER = "midnight-dev-serving", "midnight-readers"
POWER_BI = "midnight-dev-power-bi-reader"


@dataclass
class Workspace:
    """A running workspace.

    Args:
        synapse: the fake endpoint.
        cloud: its Entra issues the tokens.
        applications: name in Synapse -> client id and secret; ``admin`` is a Synapse SQL administrator.
    """

    synapse: Synapse
    cloud: Cloud
    applications: dict[str, tuple[str, str]]

    def server(self, who: str = PUBLISHER, database: str = "midnight", **others: Any) -> SynapseServer:
        """The server, with the credentials of an application."""
        client, secret = self.applications[who]
        given: dict[str, Any] = {
            "host": "localhost",
            "port": self.synapse.port,
            "database": database,
            "client_id": client,
            "client_secret": secret,
            "tenant_id": self.cloud.entra.tenant,
            "name": "connection 'midnight_synapse'",
        }
        return SynapseServer(**given | others)

    def connection_uri(self, who: str = PUBLISHER, **extra: str) -> dict[str, Any]:
        """The Airflow connection, as JSON in the vault."""
        client, secret = self.applications[who]
        return {
            "conn_type": "odbc",
            "host": "localhost",
            "port": self.synapse.port,
            "login": client,
            "password": secret,
            "extra": {"tenantId": self.cloud.entra.tenant, **extra},
        }

    def set_up(self, account: str = ACCOUNT, messages: list[str] | None = None) -> None:
        """Run the setup, as the administrator does once."""
        scripts = setup_scripts(
            REPOSITORY / "include", "dev", database="midnight", storage_account=account, weekly_limit_tb=1
        )
        administrator = self.server("admin")
        run_setup(administrator, scripts, ([] if messages is None else messages).append)
        check_setup(administrator, f"abfss://gold@{account}.dfs.core.windows.net")

    def rows(self, sql: str, who: str = READER, database: str = "midnight") -> list[tuple[Any, ...]]:
        """The rows of a query over a connection of its own."""
        with closing(connect(self.server(who, database))) as connection, connection.cursor() as cursor:
            return [tuple(row) for row in cursor.execute(sql).fetchall()]


def in_folder(gold: Path) -> Locate:
    """Locate folders of the container gold in a folder of this machine."""

    def locate(url: str) -> Path:
        assert url.startswith(LOCATION), url
        return gold / url.removeprefix(LOCATION).strip("/")

    return locate


@contextlib.contextmanager
def running_workspace(cloud: Cloud, authority: CertificateAuthority, locate: Locate) -> Iterator[Workspace]:
    """Start a workspace without any database.

    Args:
        cloud: its Entra issues the tokens.
        authority: that this process trusts (``SSL_CERT_FILE``).
        locate: finds folders, see ``Synapse``; ``in_folder`` for a lake on this machine.
    """
    applications = {name: cloud.entra.add_application() for name in ("admin", PUBLISHER, READER, POWER_BI, "stranger")}
    names = {client: None if name == "admin" else name for name, (client, _) in applications.items()}

    def check(token: str) -> str | None:
        return names[cloud.entra.verify(token, SYNAPSE)["appid"]]

    with Synapse(check, locate, authority.issue("localhost")).running() as synapse:
        yield Workspace(synapse, cloud, applications)
