"""Environment variables are validated together and named in every problem."""

import pytest

from midnight.errors import ConfigurationError
from midnight.settings import load_settings


def test_defaults_are_the_local_profile_with_sail():
    settings = load_settings({})
    assert (settings.profile, settings.engine, settings.ingest) == ("local", "sail", "operator")
    assert settings.paths.bronze == f"{settings.home}/lake/bronze"


def test_empty_variables_count_as_not_set():
    assert load_settings({"MIDNIGHT_PROFILE": "", "MIDNIGHT_ENGINE": ""}) == load_settings({})


def test_all_problems_of_variables_are_reported():
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"MIDNIGHT_PROFILE": "azur", "MIDNIGHT_DATABRICKS_JOB_ID": "many"})
    assert [problem.field for problem in caught.value.problems] == ["MIDNIGHT_PROFILE", "MIDNIGHT_DATABRICKS_JOB_ID"]
    assert "'azur'" in str(caught.value)


def test_the_azure_profile_lists_missing_variables():
    with pytest.raises(ConfigurationError, match=r"MIDNIGHT_STORAGE_ACCOUNT, MIDNIGHT_DATABRICKS_JOB_ID"):
        load_settings({"MIDNIGHT_PROFILE": "azure"})
