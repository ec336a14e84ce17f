"""Each fault of variables and configuration is provoked, and the doctor names it with its hint."""

from __future__ import annotations

import shutil

from cli.checks import configuration
from midnight.settings import REPOSITORY, load_settings
from tests.unit.cli.commands.conftest import states


def test_all_wrong_variables_at_once():
    settings, found = configuration.check_settings(
        {"MIDNIGHT_ENGINE": "flink", "MIDNIGHT_PROFILE": "aws", "MIDNIGHT_HOEM": "/tmp"}  # noqa: S108
    )
    assert (settings, sorted(states(found))) == (
        None,
        [("settings", "fail"), ("settings", "fail"), ("settings", "warn")],
    )
    assert "MIDNIGHT_HOEM" in found[0].found


def test_all_problems_of_the_configuration_at_once(tmp_path):
    shutil.copytree(REPOSITORY / "include", tmp_path / "include")
    tables = tmp_path / "include" / "tables"
    (tables / "public.airlines.yml").write_text("schema: public\ntable: airlines\nsilvr: airlines\n")
    settings = load_settings({"MIDNIGHT_CONFIG": str(tmp_path / "include")})
    loaded, found = configuration.check_files(settings)
    assert (loaded, states(found).count(("configuration", "fail")) >= 3) == (None, True)
    assert "tables/public.airlines.yml:3: silvr" in " ".join(finding.found for finding in found)


def test_a_wrong_view_and_a_wrong_model_are_findings_of_their_own(tmp_path):
    shutil.copytree(REPOSITORY / "include", tmp_path / "include")
    settings = load_settings({"MIDNIGHT_CONFIG": str(tmp_path / "include")})
    loaded, found = configuration.check_files(settings)
    assert loaded is not None
    assert {state for _, state in states(found)} == {"ok"}
    (tmp_path / "include" / "sql" / "serving" / "x.sql").write_text("CREATE OR ALTER VIEW reporting.x AS SELEC 1")
    (tmp_path / "include" / "sql" / "gold" / "x.sql").write_text("SELECT 1 AS a FROM silver.nowhere")
    loaded, found = configuration.check_files(settings)
    assert loaded is not None  # the source can be looked at all the same
    wrong = [name for name, state in states(found) if state == "fail"]
    assert wrong == ["gold models", "gold models", "reporting views"]
