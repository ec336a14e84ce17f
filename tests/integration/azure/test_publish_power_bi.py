"""Publishing the Power BI model and report, over TLS, with the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ClientSecretCredential
from starlette.responses import JSONResponse

from cli.commands.publish_power_bi import main
from midnight.errors import ReportPublicationError
from midnight.powerbi import rest_api
from midnight.powerbi.data_source import ServicePrincipal
from midnight.powerbi.model.semantic_model import SemanticModel, build_model
from midnight.powerbi.publish import Published, Target, publish_report
from midnight.powerbi.rest_api import RestApi
from midnight.settings import REPOSITORY
from tests.contracts.read_tmdl import read_tmdl
from tests.fakes.cloud import Cloud, enter, running_cloud
from tests.fakes.entra import Entra
from tests.fakes.fabric import CREATE, LIST, OPERATION, UPDATE, Fabric
from tests.fakes.power_bi import PowerBi

INCLUDE = REPOSITORY / "include"
SERVER = "midnight-prod-contso-ondemand.sql.azuresynapse.net"


@cache
def built_model() -> SemanticModel:
    return build_model(INCLUDE)


@dataclass
class Tenant:
    """The services, and two principals: one that publishes, one that only reads."""

    cloud: Cloud
    fabric: Fabric
    publisher: ServicePrincipal
    reader: ServicePrincipal
    waits: list[float] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def power_bi(self) -> PowerBi:
        return self.fabric.power_bi

    def publish(self, *, reader: bool = True, workspace: str = "", connection: str = "power_bi_reader") -> Published:
        who = self.publisher
        credential = ClientSecretCredential(who.tenant_id, who.client_id, who.client_secret)
        api = RestApi(credential, "the publisher", sleep=self.waits.append)
        target = Target(
            workspace or self.power_bi.group, SERVER, "midnight", connection, self.reader if reader else None
        )
        return publish_report(built_model(), target, api, self.lines.append)


@pytest.fixture
def tenant(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    power_bi = PowerBi(entra)
    fabric = Fabric(power_bi)
    with running_cloud(tmp_path, entra=entra, services=[power_bi, fabric]) as cloud:
        enter(cloud, monkeypatch)
        publisher = ServicePrincipal(entra.tenant, *entra.add_application())
        reader = ServicePrincipal(entra.tenant, *entra.add_application())
        power_bi.contributors.add(publisher.client_id)
        yield Tenant(cloud, fabric, publisher, reader)
        assert cloud.tunnel.refused == set()
        unknown = [name for service in (power_bi, fabric) for name in service.requests if name.startswith("unknown")]
        assert unknown == []


def test_model_and_report_are_published(tenant: Tenant, tmp_path: Path) -> None:
    published = tenant.publish()
    ((model_id, model),) = tenant.fabric.items["semanticModels"].items()
    ((report_id, report),) = tenant.fabric.items["reports"].items()
    assert (published.model_id, published.report_id) == (model_id, report_id)
    # What arrived is a model to Microsoft's parser, with the measures of the repository's.
    for path, text in model["parts"].items():
        (tmp_path / "model" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / path).write_text(text)
    arrived, own = read_tmdl(
        tmp_path / "model" / "definition", INCLUDE / "powerbi" / "Midnight.SemanticModel" / "definition"
    )
    assert arrived["tables"] == own["tables"]
    assert SERVER in arrived["parameters"]["Server"]
    reference = json.loads(report["parts"]["definition.pbir"])["datasetReference"]
    assert reference == {"byConnection": {"connectionString": f"semanticmodelid={model_id}"}}
    assert "definition/pages/pages.json" in report["parts"]
    assert [path for item in (model, report) for path in item["parts"] if path.startswith(".")] == []
    assert tenant.power_bi.models[model_id] == {
        "owner": tenant.publisher.client_id,
        "parameters": {"Server": SERVER, "Database": "midnight"},
    }
    (connection,) = tenant.fabric.connections
    assert tenant.fabric.bindings == {model_id: connection["id"]}
    assert tenant.waits == [20.0, 20.0] * 2  # Retry-After of two operations


def test_publishing_again_updates_everything_and_duplicates_nothing(tenant: Tenant) -> None:
    first = tenant.publish()
    tenant.fabric.items["semanticModels"][first.model_id]["parts"] = {}
    assert tenant.publish() == first
    assert {kind: len(items) for kind, items in tenant.fabric.items.items()} == {"semanticModels": 1, "reports": 1}
    assert tenant.fabric.items["semanticModels"][first.model_id]["parts"] != {}
    assert len(tenant.fabric.connections) == 1
    assert tenant.power_bi.requests["POST /v1.0/myorg/groups/{group}/datasets/{dataset}/Default.TakeOver"] == 0


def test_other_items_of_the_workspace_are_not_changed(tenant: Tenant) -> None:
    for kind in ("semanticModels", "reports"):
        tenant.fabric.items[kind]["other"] = {"name": "Sales", "description": "", "parts": {}}
    first = tenant.publish()
    assert tenant.publish() == first
    assert [len(items) for items in tenant.fabric.items.values()] == [2, 2]


def test_a_model_of_another_owner_is_taken_over(tenant: Tenant) -> None:
    first = tenant.publish()
    tenant.power_bi.models[first.model_id] |= {"owner": "somebody", "parameters": {"Server": "", "Database": ""}}
    tenant.publish()
    assert tenant.power_bi.models[first.model_id]["owner"] == tenant.publisher.client_id
    assert "semantic model taken over by the publisher" in tenant.lines


def test_a_workspace_is_found_by_its_name(tenant: Tenant) -> None:
    assert tenant.publish(workspace="midnight-dev").workspace_id == tenant.power_bi.group
    with pytest.raises(ReportPublicationError, match="no workspace 'midnight' is visible to the publisher; hint:"):
        tenant.publish(workspace="midnight")


def test_a_workspace_without_capacity(tenant: Tenant) -> None:
    assert tenant.publish().on_capacity
    tenant.power_bi.on_capacity = False
    assert not tenant.publish().on_capacity


def test_the_connection_gets_the_readers_current_secret(tenant: Tenant) -> None:
    tenant.publish()
    tenant.cloud.entra.secrets[tenant.reader.client_id] = "rotated"
    with pytest.raises(ReportPublicationError, match="InvalidCredentialDetails: The credentials provided are invalid"):
        tenant.publish()
    tenant.reader = ServicePrincipal(tenant.reader.tenant_id, tenant.reader.client_id, "rotated")
    tenant.publish()


def test_a_connection_through_a_gateway_is_not_changed(tenant: Tenant) -> None:
    with pytest.raises(ReportPublicationError, match="no connection 'gateway' is visible to the publisher"):
        tenant.publish(reader=False, connection="gateway")
    made = {"id": "g", "displayName": "gateway", "connectivityType": "VirtualNetworkGateway"}
    tenant.fabric.connections.append(
        {**made, "connectionDetails": {"type": "SQL", "path": f"{SERVER.upper()};midnight"}}
    )
    with pytest.raises(ReportPublicationError, match="BindConnectionDetailNotFound"):
        tenant.publish(reader=False, connection="gateway")
    tenant.fabric.connections[-1]["connectionDetails"]["path"] = f"{SERVER};midnight"
    published = tenant.publish(reader=False, connection="gateway")
    assert tenant.fabric.bindings == {published.model_id: "g"}


def test_a_connection_to_another_database_is_refused(tenant: Tenant) -> None:
    details = {"type": "SQL", "path": "other;midnight"}
    other = {"id": "o", "displayName": "power_bi_reader", "connectivityType": "ShareableCloud"}
    tenant.fabric.connections.append({**other, "connectionDetails": details})
    with pytest.raises(ReportPublicationError, match="is to SQL 'other;midnight', not to SQL"):
        tenant.publish()


def test_throttling_is_retried_and_then_reported(tenant: Tenant) -> None:
    throttled = JSONResponse({"errorCode": "RequestBlocked", "message": "Slow down"}, 429, {"Retry-After": "7"})
    tenant.fabric.fail(CREATE, throttled, throttled)
    tenant.publish()
    assert tenant.waits.count(7.0) == 2
    late = JSONResponse({"errorCode": "RequestBlocked", "message": "Slow down"}, 429, {"Retry-After": "3600"})
    tenant.fabric.fail(LIST, late)
    with pytest.raises(ReportPublicationError, match=r"\(429\): RequestBlocked: Slow down; hint: the service is throt"):
        tenant.publish()


def test_a_lost_response_to_a_creation_creates_no_second_item(tenant: Tenant) -> None:
    tenant.publish()
    ((report_id, report),) = tenant.fabric.items["reports"].items()
    # The list did not have it yet when it was asked for the first time.
    tenant.fabric.fail(LIST, *[JSONResponse({"value": []}) for _ in range(1)])
    model_before = dict(tenant.fabric.items["semanticModels"])
    tenant.publish()
    assert tenant.fabric.items["semanticModels"].keys() == model_before.keys()
    assert list(tenant.fabric.items["reports"]) == [report_id]
    assert report["name"] == "Midnight"


def test_the_error_of_a_failed_operation(tenant: Tenant) -> None:
    details = [{"errorCode": "Dataset_Import_Error", "message": "Table 'Flights' has no partition"}]
    tenant.fabric.failures.append({"errorCode": "Failed", "message": "Import failed", "moreDetails": details})
    with pytest.raises(ReportPublicationError, match="Failed: Import failed: Table 'Flights' has no partition"):
        tenant.publish()
    assert tenant.fabric.items["reports"] == {}


def test_an_operation_that_does_not_end_has_a_timeout(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_api, "OPERATION_SECONDS", 10)
    with pytest.raises(ReportPublicationError, match="did not end within 10 s"):
        tenant.publish()


def test_missing_permissions_are_named(tenant: Tenant) -> None:
    tenant.power_bi.contributors.clear()
    with pytest.raises(ReportPublicationError, match=r"\(403\): InsufficientPriv.*hint: make the publisher a Contrib"):
        tenant.publish()
    tenant.power_bi.contributors.add(tenant.publisher.client_id)
    nobody = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(ReportPublicationError, match=r"\(404\): WorkspaceNotFound.*hint: correct the id"):
        tenant.publish(workspace=nobody)
    tenant.cloud.entra.secrets[tenant.publisher.client_id] = "rotated"
    with pytest.raises(ReportPublicationError, match=r"could not sign in: .*AADSTS7000215") as raised:
        tenant.publish()
    assert tenant.publisher.client_secret not in str(raised.value)


def test_a_server_error_on_reading_is_retried(tenant: Tenant) -> None:
    tenant.fabric.fail(OPERATION, JSONResponse({}, 500), JSONResponse({}, 502))
    tenant.publish()
    tenant.fabric.fail(UPDATE, JSONResponse({"errorCode": "UnknownError", "message": "?"}, 500))
    with pytest.raises(ReportPublicationError, match=r"\(500\): UnknownError"):  # it may have taken effect
        tenant.publish()


def run_command(tenant: Tenant) -> int:
    return main(
        workspace=tenant.power_bi.group, server=SERVER, database=None, connection="power_bi_reader", as_person=False
    )


def environment(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, *, reader: bool = True) -> None:
    connections: dict[str, ServicePrincipal] = {"MIDNIGHT_POWER_BI": tenant.publisher}
    if reader:
        connections["MIDNIGHT_POWER_BI_READER"] = tenant.reader
    for name, who in connections.items():
        extra: Any = {"tenant_id": who.tenant_id}
        document = {"conn_type": "powerbi", "login": who.client_id, "password": who.client_secret, "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(document))
    monkeypatch.delenv("AIRFLOW__SECRETS__BACKEND", raising=False)
    monkeypatch.setattr(RestApi, "sleep", tenant.waits.append)
    monkeypatch.setattr(RestApi.__init__, "__defaults__", (tenant.waits.append, tenant.lines.append))


def test_the_command_publishes_and_prints_what_goes_into_env(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    environment(tenant, monkeypatch)
    tenant.power_bi.on_capacity = False
    assert run_command(tenant) == 0
    printed = "".join(capfd.readouterr())
    (model_id,) = tenant.fabric.items["semanticModels"]
    assert f"MIDNIGHT_POWERBI_GROUP_ID={tenant.power_bi.group}\nMIDNIGHT_POWERBI_DATASET_ID={model_id}\n" in printed
    assert "plain (shared capacity: at most 8 a day)" in printed
    for who in (tenant.publisher, tenant.reader):
        assert who.client_secret not in printed
        assert who.client_secret not in repr(who)


def test_the_command_without_its_connections_is_an_error(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tenant, monkeypatch, reader=False)
    with pytest.raises(ReportPublicationError, match="no connection 'power_bi_reader' is visible"):
        run_command(tenant)
    monkeypatch.delenv("AIRFLOW_CONN_MIDNIGHT_POWER_BI")
    with pytest.raises(ReportPublicationError, match=r"connection midnight_power_bi: .*--as-person"):
        run_command(tenant)
