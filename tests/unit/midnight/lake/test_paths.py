"""Where the files and tables of the lake are, in both profiles."""

import pytest

from cli.commands import up
from midnight.errors import NON_RETRYABLE_ERRORS, LakePathError
from midnight.lake.paths import LakePaths, check_lake_path, planned_batches, relative_path


def test_paths_of_both_profiles():
    local = LakePaths.below("/lake/")
    assert (
        local.manifest("erp", "Sales", "Order Items", "b1")
        == "/lake/bronze/erp/Sales-u1.Order-20Items-u21/b1/_manifest.json"
    )
    azure = LakePaths.in_account("contoso")
    assert azure.gold_model("dim_date", "b1-1") == "abfss://gold@contoso.dfs.core.windows.net/dim_date/b1-1"
    assert LakePaths(**azure.as_dict()) == azure


@pytest.mark.parametrize("name", ["with space", "größe", "100%", "a#b", "[a]", "a?b", "a^b"])
def test_paths_that_an_engine_does_not_support_are_rejected(name):
    with pytest.raises(LakePathError, match="MIDNIGHT_LAKE"):
        check_lake_path("sail", f"/data/{name}/lake")
    if name in ("with space", "größe"):
        check_lake_path("spark", f"/data/{name}/lake")
    else:
        with pytest.raises(LakePathError, match="MIDNIGHT_LAKE"):
            check_lake_path("spark", f"/data/{name}/lake")
    check_lake_path("sail", "/data/a-b_c.d/silver")
    check_lake_path("sail", "abfss://silver@account.dfs.core.windows.net")
    check_lake_path("databricks", f"abfss://silver@account.dfs.core.windows.net/{name}")
    assert LakePathError in NON_RETRYABLE_ERRORS


def test_up_rejects_such_a_folder_before_it_starts_anything(tmp_path, monkeypatch):
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "my home"))
    monkeypatch.setenv("MIDNIGHT_ENGINE", "sail")
    with pytest.raises(LakePathError, match=r"does not support the characters ' ' in the path '.*my home/lake'"):
        up.main()
    assert list(tmp_path.iterdir()) == []


def test_a_path_relative_to_a_layer():
    paths = LakePaths.in_account("contoso")
    assert relative_path(paths.gold, paths.gold_builds) == "_midnight/builds"
    with pytest.raises(ValueError, match=r"'abfss://silver@contoso\.\S+' is not below 'abfss://gold@contoso"):
        relative_path(paths.gold, paths.ledger)


def test_only_run_documents_name_planned_batches():
    paths = LakePaths.below("/lake")
    files = [paths.run_document("b2"), paths.sealing_document("shop", "main", "b3")]
    assert planned_batches(relative_path(paths.run_documents, file) for file in files) == ["b2"]
