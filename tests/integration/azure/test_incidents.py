"""The incidents of docs/incidents.md that only the azure profile has, in whole runs with the stand-ins of its services.

Outside of `make test`, as tests/system/test_incidents.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from cli.airflow.client import FINISHED_STATES
from tests.support.alert_sinks import WebSink, web_sink
from tests.support.azure_instance import AzureInstance
from tests.support.incidents import CHOSEN, Record, keep, wait_for_alert
from tests.support.waiting import wait_for
from tests.support.whole_cloud import VAULT_URL, WholeCloud

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get(CHOSEN), reason="make prove-incidents runs it"),
]

QUOTA = (
    "Cluster 1130-000000-midnight was terminated. Reason: AZURE_QUOTA_EXCEEDED_EXCEPTION (CLIENT_ERROR). Parameters: "
    "azure_error_code: QuotaExceeded"
)


@pytest.fixture(scope="module")
def sink() -> Iterator[WebSink]:
    with web_sink() as running:
        yield running


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory, whole_cloud: WholeCloud, sink: WebSink) -> Iterator[AzureInstance]:
    """After a first run, which publishes; with a channel for its alerts."""
    channel = {"conn_type": "http", "host": sink.url}
    whole_cloud.cloud.key_vault.values["airflow-connections-sink"] = json.dumps(channel)
    instance = AzureInstance(tmp_path_factory.mktemp("azure"), whole_cloud.variables, VAULT_URL)
    pipeline = instance.settings.config / "pipeline.yml"
    text = pipeline.read_text().replace("retry_delay_seconds: 0", "retry_delay_seconds: 10")
    pipeline.write_text(f"{text}\nalerts:\n  channels: [{{kind: webhook, connection: sink}}]\n")
    whole_cloud.data_factory.deploy(instance.settings.config / "adf")
    with instance.running():
        states = instance.run("first", {"ingest_with": "operator"}, seconds=500)
        assert set(states.values()) == {"success"}, instance.errors()
        yield instance


def begin(azure: AzureInstance, sink: WebSink, run_id: str) -> tuple[int, float]:
    """Start a run; how many alerts there were before, and the time."""
    before = len(sink.posts)
    azure.client.trigger(run_id, {"ingest_with": "operator"})
    return before, time.monotonic()


def end(azure: AzureInstance, run_id: str) -> str:
    """How a run ended."""
    return wait_for(lambda: (state := azure.client.run_state(run_id)) in FINISHED_STATES and state, azure.errors)


def test_databricks_quota(whole_cloud: WholeCloud, azure: AzureInstance, sink: WebSink) -> None:
    whole_cloud.databricks.runner.no_cluster.append(QUOTA)
    before, begun = begin(azure, sink, "quota")
    alert = wait_for_alert(sink, "retrying", before)
    seconds = time.monotonic() - begun
    assert end(azure, "quota") == "success", azure.errors()
    recovered = wait_for_alert(sink, "recovered", before, seconds=60)
    keep("Databricks quota", Record(alert, seconds, {"recovered": recovered["headline"]}))


def test_power_bi_refused(whole_cloud: WholeCloud, azure: AzureInstance, sink: WebSink) -> None:
    def refuse(refresh_id: str) -> None:
        raise ValueError("The credentials provided for the SQL source are invalid")

    accept, whole_cloud.power_bi.refresh = whole_cloud.power_bi.refresh, refuse
    before, begun = begin(azure, sink, "power-bi")
    alert = wait_for_alert(sink, "retrying", before)
    seconds = time.monotonic() - begun
    whole_cloud.power_bi.refresh = accept
    assert end(azure, "power-bi") == "success", azure.errors()
    wait_for_alert(sink, "recovered", before, seconds=60)
    keep("Power BI refused", Record(alert, seconds))


def test_secret_of_power_bi_expired(whole_cloud: WholeCloud, azure: AzureInstance, sink: WebSink) -> None:
    """Of one connection: the alert can be sent, since the vault is read with another identity."""
    entra, vault = whole_cloud.cloud.entra, whole_cloud.cloud.key_vault
    client, secret = entra.add_application()
    whole_cloud.power_bi.contributors.add(client)
    name = "airflow-connections-midnight-power-bi"
    good = vault.values[name]
    vault.values[name] = json.dumps(json.loads(good) | {"login": client, "password": secret})
    entra.expired.add(client)
    before, begun = begin(azure, sink, "secret-of-power-bi")
    alert = wait_for_alert(sink, "failed", before)
    seconds = time.monotonic() - begun
    end(azure, "secret-of-power-bi")
    vault.values[name] = good
    assert secret not in str(sink.posts)
    keep("secret expired", Record(alert, seconds))
    states = azure.run("after-the-secret", {"ingest_with": "operator"})
    assert set(states.values()) == {"success"}, azure.errors()


def test_secret_of_airflow_expired(whole_cloud: WholeCloud, azure: AzureInstance, sink: WebSink) -> None:
    """The channel's connection is in the same vault: no alert can be sent, and the log says so."""
    client, _ = whole_cloud.cloud.client
    whole_cloud.cloud.entra.expired.add(client)
    before, begun = begin(azure, sink, "secret")
    deadline, seconds = time.monotonic() + 240, None
    logs = azure.instance.logs / "tasks"
    while seconds is None and time.monotonic() < deadline:
        texts = [path.read_text(errors="replace") for path in logs.rglob("run_id=secret/**/*.log")]
        if any("NOT sent" in text for text in texts):
            seconds = time.monotonic() - begun
        time.sleep(0.2)
    told = [line for text in texts for line in text.splitlines() if "NOT sent" in line or "has expired" in line]
    whole_cloud.cloud.entra.expired.discard(client)
    assert seconds is not None, azure.errors()
    assert sink.posts[before:] == []
    entries = [json.loads(line) for line in told]
    cause = next(e for e in entries if "has expired" in str(e.get("error_detail")))
    keep(
        "secret of Airflow expired",
        Record(
            {},
            None,
            {
                "log": next(str(e["event"]) for e in entries if "NOT sent" in str(e["event"])),
                "log seconds": f"{seconds:.0f}",
                "cause in the log": str(cause["error_detail"][0]["exc_value"]),
            },
        ),
    )
