"""``make doctor`` ends in time when services do not answer."""

from __future__ import annotations

import socket
import time

import pytest

from cli.checks import azure, azure_data_factory, azure_databricks, azure_power_bi, azure_services
from cli.checks.finding import NETWORK_HINT, Check, Finding, run_checks
from tests.fakes.doctor_databricks import HOST
from tests.fakes.doctor_services import ACCOUNT
from tests.support.doctor_setup import Setup


def test_services_that_take_a_connection_and_say_nothing(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    """As behind a firewall that drops packets: no identity and no right is to blame, and nobody waits long."""
    for module in (azure, azure_databricks, azure_power_bi):
        monkeypatch.setattr(module, "SECONDS", 2)
    monkeypatch.setattr(azure_data_factory, "QUICK", {**azure_data_factory.QUICK, "read_timeout": 2})
    silent = {HOST, f"{ACCOUNT}.blob.core.windows.net", "management.azure.com", "api.powerbi.com"}
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        assert silent <= setup.cloud.tunnel.ports.keys()
        setup.cloud.tunnel.ports.update(dict.fromkeys(silent, server.getsockname()[1]))
        findings = [f for f in azure_services.check_azure(setup.settings, setup.loaded) if f.state == "fail"]
    hints = {finding.name: finding.hint.startswith(NETWORK_HINT) for finding in findings}
    assert hints == dict.fromkeys(("lake", "Databricks", "Data Factory", "Power BI"), True), findings


def test_what_has_not_ended_in_time_is_given_up_and_the_rest_is_told():
    checks = [Check("quick", lambda: [Finding.ok("quick", "")]), Check("slow", lambda: time.sleep(5) or [])]
    started = time.monotonic()
    found = run_checks(checks, deadline=started + 0.3)
    assert [(finding.name, finding.found) for finding in found] == [("quick", ""), ("slow", "no answer within 0 s")]
    assert time.monotonic() - started < 1
