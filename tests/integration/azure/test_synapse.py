"""The fake of Synapse rejects what serverless rejects, and works with the real driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal

import mssql_python
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import base_views_of_build, synapse_base_view
from midnight.synapse.connection import connect
from tests.fakes.entra import SYNAPSE
from tests.fakes.synapse_workspace import POWER_BI, PUBLISHER, READER, Workspace
from tests.unit.conftest import SmallLake, sale


def _refused(message: str) -> pytest.RaisesExc:
    return pytest.raises(mssql_python.Error, match=message)


@pytest.fixture
def administrator(ready_workspace: Workspace) -> Iterator[mssql_python.Connection]:
    with closing(connect(ready_workspace.server("admin"), autocommit=True)) as connection:
        yield connection


@pytest.fixture
def base_views(administrator: mssql_python.Connection, small_lake: SmallLake) -> None:
    """The views gold.dim_shop and gold.fact_sale."""
    build = small_lake.build("B1", [sale(1), sale(3, note="Ærø", amount=None)])
    for view in base_views_of_build(build):
        administrator.execute(synapse_base_view(view, build.models[view.name].path))


def test_values_of_every_type_arrive(ready_workspace: Workspace, base_views: None):
    rows = ready_workspace.rows(
        "SELECT sale_key, shop_key, sold_at, [day], amount, [weight], is_returned, note FROM gold.fact_sale"
    )
    assert sorted(rows) == [
        (1, 2, datetime(2026, 1, 1, 1), date(2026, 1, 1), Decimal("1.10"), 0.5, False, None),
        (3, 2, datetime(2026, 1, 1, 3), date(2026, 1, 1), None, 1.5, True, "Ærø"),
    ]


def test_texts_and_bytes_of_any_length_arrive(ready_workspace: Workspace, administrator, small_lake: SmallLake):
    texts, blobs = ["", "é" * 5000, "\U0001f6eb"], [b"", bytes(range(256)) * 40, b"\x00"]
    write_deltalake(f"{small_lake.paths.gold}/long", pa.table({"t": texts, "b": blobs}))
    found = ready_workspace.rows(
        "SELECT r.t, r.b FROM OPENROWSET(BULK 'long', DATA_SOURCE = 'gold', FORMAT = 'DELTA') WITH "
        "(t VARCHAR(MAX) COLLATE Latin1_General_100_BIN2_UTF8, b VARBINARY(MAX)) AS r",
    )
    assert sorted(found) == sorted(zip(texts, blobs, strict=True))


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("CREATE TABLE gold.t (a INT)", "'CREATE TABLE' is not supported"),
        ("CREATE INDEX i ON gold.t (a)", "'CREATE INDEX' is not supported"),
        ("INSERT INTO gold.t (a) VALUES (1)", "'INSERT INTO' is not supported"),
        ("UPDATE gold.t SET a = 1", "'UPDATE GOLD.T' is not supported"),
        ("CREATE OR ALTER VEIW gold.v AS SELECT 1 AS a", "Incorrect syntax"),
        ("CREATE OR ALTER VIEW other.v AS SELECT shop_key FROM gold.dim_shop", 'schema name "other"'),
        ("CREATE OR ALTER VIEW reporting.v AS SELECT a FROM gold.nothing", "Invalid object name 'gold.nothing'"),
        ("CREATE OR ALTER VIEW reporting.v AS SELECT nothing FROM gold.dim_shop", "Invalid column name"),
        (
            "CREATE OR ALTER VIEW gold.v AS SELECT a FROM OPENROWSET(BULK 'x/', DATA_SOURCE = 'other', "
            "FORMAT = 'DELTA') WITH (a INT) AS r",
            "Cannot find the external data source 'other'",
        ),
        (
            "CREATE OR ALTER VIEW gold.v AS SELECT a FROM OPENROWSET(BULK 'x/', DATA_SOURCE = 'gold', "
            "FORMAT = 'DELTA') WITH (a VARCHAR(10)) AS r",
            "Column 'a' of a view over files needs a type with a UTF-8 collation",
        ),
        (
            "SELECT TOP (1) r.a FROM OPENROWSET(BULK 'x/', DATA_SOURCE = 'gold', FORMAT = 'DELTA') WITH (a INT) AS r",
            "cannot be listed",
        ),
        (
            "CREATE DATABASE SCOPED CREDENTIAL [midnight_gold] WITH IDENTITY = 'Managed Identity'",
            "already an credential",
        ),
        ("CREATE LOGIN [x] FROM EXTERNAL PROVIDER", "must be in the master database"),
        ("CREATE USER [x] FOR LOGIN [x]", "'x' is not a valid login"),
        ("GRANT SELECT ON SCHEMA::[gold] TO [x]", "Cannot find the user 'x'"),
        ("ALTER ROLE [midnight_read] ADD MEMBER [x]", "Cannot find the principal 'x'"),
    ],
)
def test_statements_that_serverless_rejects(administrator, base_views: None, sql: str, refusal: str):
    with pytest.raises(mssql_python.Error, match=refusal.replace("(", r"\(")):
        administrator.execute(sql)


def test_a_database_cannot_be_created_in_a_transaction(ready_workspace: Workspace):
    refusal = "not allowed within multi-statement transaction"
    with closing(connect(ready_workspace.server("admin", "master"))) as connection, _refused(refusal):
        connection.execute("CREATE DATABASE [x] COLLATE Latin1_General_100_BIN2_UTF8")


def test_rights_are_those_of_the_access_matrix(ready_workspace: Workspace, base_views: None):
    view = "CREATE OR ALTER VIEW reporting.v AS SELECT shop_key FROM gold.dim_shop"
    with closing(connect(ready_workspace.server(READER))) as reader, _refused('schema name "reporting"'):
        reader.execute(view)
    with closing(connect(ready_workspace.server(PUBLISHER), autocommit=True)) as publisher:
        publisher.execute(view)
        with pytest.raises(mssql_python.Error, match="User does not have permission"):
            publisher.execute("CREATE SCHEMA [more]")
    assert sorted(ready_workspace.rows("SELECT shop_key FROM reporting.v", READER)) == [(1,), (2,)]
    assert sorted(ready_workspace.rows("SELECT shop_key FROM reporting.v", POWER_BI)) == [(1,), (2,)]
    with pytest.raises(mssql_python.Error, match=r"The SELECT permission was denied on the .*gold"):
        ready_workspace.rows("SELECT shop_key FROM gold.dim_shop", POWER_BI)
    rights = ready_workspace.synapse.databases["midnight"].rights
    bulk = ("GRANT", "ADMINISTER DATABASE BULK OPERATIONS", "", "", "midnight_read")
    rights.remove(bulk)
    with pytest.raises(mssql_python.Error, match="You do not have permission to use the bulk load statement"):
        ready_workspace.rows("SELECT shop_key FROM reporting.v", READER)
    rights.add(bulk)
    rights.remove(("GRANT", "REFERENCES", "DATABASE SCOPED CREDENTIAL", "midnight_gold", "midnight_read"))
    with pytest.raises(mssql_python.Error, match="Cannot find the CREDENTIAL 'midnight_gold'"):
        ready_workspace.rows("SELECT shop_key FROM reporting.v", READER)


def test_an_uncommitted_view_is_invisible_to_others(ready_workspace: Workspace, base_views: None):
    with closing(connect(ready_workspace.server(PUBLISHER))) as publisher:
        publisher.execute("CREATE OR ALTER VIEW reporting.v AS SELECT shop_key FROM gold.dim_shop")
        with pytest.raises(mssql_python.Error, match="not allowed within a transaction that changes metadata"):
            publisher.execute("SELECT shop_key FROM reporting.v")
        with pytest.raises(mssql_python.Error, match="Invalid object name"):
            ready_workspace.rows("SELECT shop_key FROM reporting.v")
        publisher.rollback()
    assert sorted(ready_workspace.synapse.views()) == ["gold.dim_shop", "gold.fact_sale"]


def test_strict_encryption(ready_workspace: Workspace):
    with closing(connect(ready_workspace.server(encrypt="strict"))) as connection:
        assert connection.execute("SELECT 1 AS one").fetchval() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"database": "nothing"}, r'Cannot open database "nothing".*make synapse.* creates the database'),
        ({"who": "stranger"}, r"Login failed for user '<token-identified principal>'.*grants the service principal"),
        ({"client_secret": "wrong~canary"}, r"issued no token for Synapse to the service principal .*AADSTS7000215"),
        ({"host": "127.0.0.1"}, r"(certificate verify failed|TLS handshake failed).*check the host name"),
        ({"port": 1}, r"check host and port of connection 'midnight_synapse', DNS, firewall"),
    ],
)
def test_a_failed_sign_in_has_a_reason_and_a_hint(ready_workspace: Workspace, changes, message: str):
    server = ready_workspace.server(**changes)
    with pytest.raises(ServingError, match=message) as raised:
        connect(server, login_seconds=5, retries=0)
    assert "canary" not in str(raised.value)
    assert "canary" not in repr(server)


def test_a_token_for_another_service_is_refused(ready_workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    entra = ready_workspace.cloud.entra
    other = entra.token("https://storage.azure.com", ready_workspace.applications[PUBLISHER][0])
    monkeypatch.setattr("midnight.synapse.connection.access_token", lambda server: other)
    with pytest.raises(ServingError, match="Login failed"):
        connect(ready_workspace.server())
    assert ready_workspace.synapse.requests["REFUSED LOGIN"] == 1
    assert SYNAPSE in entra.issued


def test_the_machines_own_identity_signs_in(ready_workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    server = ready_workspace.server(client_id="", client_secret="", tenant_id="")
    with pytest.raises(ServingError, match=r"Login failed .* grants this machine's identity access"):
        connect(server, retries=0)  # the cloud's own client has no access to Synapse
    client, secret = ready_workspace.applications[PUBLISHER]
    monkeypatch.setenv("AZURE_CLIENT_ID", client)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", secret)
    with closing(connect(server)) as connection:
        assert connection.execute("SELECT 1 AS one").fetchval() == 1
