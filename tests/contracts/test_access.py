"""The access matrix against the agreed table and Azure's own role ids, and the files generated from it."""

import json
import shutil

import pytest
from sqlfluff.core import Linter

from midnight.access.matrix import BUILT_IN_ROLES, ENVIRONMENTS, load_access_matrix
from midnight.access.outputs import CREDENTIAL, SCHEMAS, synapse_grants, synapse_logins
from midnight.errors import ConfigurationError
from midnight.gold_to_serving.base_views import DATA_SOURCE
from midnight.gold_to_serving.synapse_statements import SCHEMAS as PUBLISHED_SCHEMAS
from midnight.settings import REPOSITORY
from tools.generated_files import access_files, main, stale_files

# Copied from "Azure built-in roles" (learn.microsoft.com/azure/role-based-access-control/built-in-roles) and compared
# with Microsoft's published templates; independent of the table in the module. Owner, Contributor and User Access
# Administrator are here to see that the matrix does not use them.
PUBLISHED_ROLE_IDS = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "673868aa-7521-48a0-acc6-0f60742d39f5": "Data Factory Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "73c42c96-874c-492b-b04d-ab87d138a893": "Log Analytics Reader",
}

BOTH = ("dev", "prod")
# What was agreed, line by line: principal, section, scope or None, role or permission, environments.
AGREED = {
    ("admins", "azure", "key_vault", "Key Vault Administrator", BOTH),
    ("admins", "azure", "resource_group", "Data Factory Contributor", BOTH),
    ("admins", "synapse", None, "sql_administrator", BOTH),
    ("admins", "databricks", None, "metastore_admin", BOTH),
    ("engineers", "azure", "storage", "Storage Blob Data Contributor", ("dev",)),
    ("engineers", "azure", "resource_group", "Data Factory Contributor", ("dev",)),
    ("engineers", "azure", "key_vault", "Key Vault Secrets User", ("dev",)),
    ("engineers", "azure", "resource_group", "Reader", ("prod",)),
    ("engineers", "synapse", None, "select", BOTH),
    ("readers", "synapse", None, "select", BOTH),
    ("readers", "power_bi", None, "Viewer", BOTH),
    ("adf", "azure", "storage/bronze", "Storage Blob Data Contributor", BOTH),
    ("adf", "azure", "key_vault/source_password", "Key Vault Secrets User", BOTH),
    ("databricks", "azure", "storage/silver", "Storage Blob Data Contributor", BOTH),
    ("databricks", "azure", "storage/gold", "Storage Blob Data Contributor", BOTH),
    ("databricks", "azure", "storage/bronze", "Storage Blob Data Reader", BOTH),
    ("synapse", "azure", "storage/gold", "Storage Blob Data Reader", BOTH),
    ("airflow", "azure", "key_vault", "Key Vault Secrets User", BOTH),
    ("airflow", "azure", "data_factory", "Midnight Pipeline Runner", BOTH),
    ("airflow", "databricks", None, "job_manage_run", BOTH),
    # One identity for each task: lake and jobs, the views, the refresh, and what the Power BI model reads with.
    ("serving", "synapse", None, "view_ddl", BOTH),
    ("refresh", "power_bi", None, "Contributor", BOTH),
    ("power_bi_reader", "synapse", None, "select_reporting", BOTH),
    # On call: clear a failed task, and nothing of the configuration.
    ("engineers", "airflow_ui", None, "User", ("prod",)),
    # Who may write the wheel decides what runs with the job's rights.
    ("admins", "databricks", None, "wheel_deploy", BOTH),
    ("engineers", "databricks", None, "wheel_deploy", ("dev",)),
}
# What the product needs in addition.
ADDED = {
    # The vault logs the expiry of secrets only while its events are delivered to somebody: a queue.
    ("vault_events", "azure", "storage", "Storage Queue Data Message Sender", BOTH),
    # The operator writes bronze itself, and run documents and manifests for every kind of ingest.
    ("airflow", "azure", "storage/bronze", "Storage Blob Data Contributor", BOTH),
    # The gate reads the ledger, publishing reads which build is complete, maintenance removes what nobody needs.
    ("airflow", "azure", "storage/silver", "Storage Blob Data Contributor", BOTH),
    ("airflow", "azure", "storage/gold", "Storage Blob Data Contributor", BOTH),
    # A run may only make the cluster that the policy allows.
    ("airflow", "databricks", None, "cluster_policy_use", BOTH),
    ("engineers", "databricks", None, "cluster_policy_use", ("dev",)),
    # The job gets the masking key from a secret scope, which this application of Microsoft's reads from the vault.
    ("databricks_service", "azure", "key_vault/masking_key", "Key Vault Secrets User", BOTH),
    ("admins", "power_bi", None, "Admin", BOTH),
    ("engineers", "power_bi", None, "Contributor", ("dev",)),
    ("engineers", "power_bi", None, "Viewer", ("prod",)),
    ("admins", "airflow_ui", None, "Admin", BOTH),
    ("engineers", "airflow_ui", None, "Op", ("dev",)),
    ("readers", "airflow_ui", None, "Viewer", BOTH),
}


@pytest.fixture
def matrix():
    return load_access_matrix(REPOSITORY / "infra" / "access.yml")


@pytest.fixture
def changed(tmp_path):
    """Loads the matrix after a change of its text, and gives the problems."""

    def load(*replacements):
        text = (REPOSITORY / "infra" / "access.yml").read_text()
        for old, new in replacements:
            assert text.count(old) >= 1, old
            text = text.replace(old, new, 1)
        (tmp_path / "access.yml").write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            load_access_matrix(tmp_path / "access.yml")
        return [f"{problem.field}: {problem.message}" for problem in caught.value.problems]

    return load


def test_the_matrix_grants_only_what_was_agreed(matrix):
    granted = {
        (g.principal, section, getattr(g, "scope", None), getattr(g, "role", None) or g.permission, g.environments)
        for section, _, g in matrix.grants()
    }
    assert set() == AGREED & ADDED
    assert granted == AGREED | ADDED


def test_readers_have_no_azure_role_and_no_principal_has_a_privileged_role(matrix):
    assert [grant.role for grant in matrix.azure if grant.principal == "readers"] == []
    assert {"Owner", "Contributor", "User Access Administrator"} & {grant.role for grant in matrix.azure} == set()


def test_role_ids_are_azures():
    assert {role_id: name for name, (role_id, _) in BUILT_IN_ROLES.items()}.items() <= PUBLISHED_ROLE_IDS.items()


def test_a_wrong_role_id_is_refused(changed):
    wrong = "00482a5a-887f-4fb3-b363-3b7fe8e74484"
    assert changed(("00482a5a-887f-4fb3-b363-3b7fe8e74483", wrong)) == [
        f"azure[0].role_id: '{wrong}' is not the id of 'Key Vault Administrator'; hint: "
        "'00482a5a-887f-4fb3-b363-3b7fe8e74483'"
    ]


def test_every_problem_is_reported_at_once(changed):
    assert changed(
        ("principal: admins", "principal: admin"),
        ("role: Data Factory Contributor", "role: Owner"),
        ("scope: storage\n", "scope: key_vault\n"),
        ("role: Midnight Pipeline Runner", "role: Midnight Pipeline Runner\n    role_id: x"),
        ("{principal: engineers, permission: select", "{principal: readers, permission: select"),
        ("role: Viewer, why: see whether", "role: Op, why: see whether"),
        ("app_role: midnight.engineer, role: Op", "app_role: midnight.reader, role: Op"),
    ) == [
        "azure[0].principal: 'admin' is not a principal; hint: one of "
        "['adf', 'admins', 'airflow', 'databricks', 'databricks_service', 'engineers', 'power_bi_reader', 'readers', "
        "'refresh', 'serving', 'synapse', 'vault_events']",
        "azure[1].role: 'Owner' is not a permitted role; hint: one of "
        f"{sorted([*BUILT_IN_ROLES, 'Midnight Pipeline Runner'])!r}",
        "azure[2].scope: 'Storage Blob Data Contributor' has no effect at 'key_vault'; hint: one of "
        "['storage', 'storage/bronze', 'storage/silver', 'storage/gold']",
        "azure[15].role_id: 'Midnight Pipeline Runner' is a custom role, whose id is assigned by Azure; "
        "hint: remove role_id",
        "synapse[2]: repeats synapse[1] in dev; hint: keep one",
        "synapse[2]: repeats synapse[1] in prod; hint: keep one",
    ]


def test_fields_are_checked_with_their_lines(changed):
    assert changed(
        ("Microsoft.DataFactory/factories/read", "Microsoft.DataFactory/*"),
        ("name: midnight-admins", 'name: "midnight\'; DROP"'),
    ) == [
        "principals.admins.name: \"midnight'; DROP\" is not a valid name; hint: letters, digits, spaces, '.', "
        "'_' and '-'",
        "custom_roles.Midnight Pipeline Runner.actions[0]: 'Microsoft.DataFactory/*' is not a single action; hint: for "
        "example Microsoft.DataFactory/factories/read, no wildcards",
    ]


def test_sql_needs_a_name(changed):
    assert changed(("{principal: readers, permission: select,", "{principal: adf, permission: select,")) == [
        "principals.adf: has a grant in Synapse SQL, but no name; hint: set its display name in Entra"
    ]


def test_an_app_role_maps_to_one_airflow_role(changed):
    assert changed(("app_role: midnight.engineer, role: Op", "app_role: midnight.admin, role: Op")) == [
        "airflow_ui[1].app_role: 'midnight.admin' maps to 'Admin' and 'Op' in dev; hint: keep one"
    ]


def test_generated_files_are_up_to_date():
    assert sorted(stale_files(REPOSITORY)) == [], "run python -m tools.generated_files"


def test_a_stale_file_is_found(tmp_path):
    for path in ["infra/access.yml", *access_files(REPOSITORY)]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / path, tmp_path / path)
    (tmp_path / "docs" / "access.md").write_text("old")
    webserver = tmp_path / "config" / "webserver_config.py"
    webserver.write_text(webserver.read_text().replace('"midnight.engineer": ["Op"]', '"midnight.engineer": ["Admin"]'))
    stale = {path for path, text in access_files(tmp_path).items() if (tmp_path / path).read_text() != text}
    assert stale == {"docs/access.md", "config/webserver_config.py"}


def test_the_command_checks_without_writing(capsys):
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == "all generated files are up to date\n"


def test_data_factory_and_databricks_read_one_secret_each(matrix):
    """Airflow reads the vault: each connection is a secret. The admins rotate it; engineers develop against dev's."""
    on_the_vault = {g.principal: g.environments for g in matrix.azure if g.scope == "key_vault"}
    assert on_the_vault == {"admins": BOTH, "engineers": ("dev",), "airflow": BOTH}
    one_secret = {g.principal: g.scope for g in matrix.azure if g.scope.startswith("key_vault/")}
    assert one_secret == {"adf": "key_vault/source_password", "databricks_service": "key_vault/masking_key"}


def test_no_identity_has_the_rights_of_two_tasks(matrix):
    places: dict[str, set[str]] = {}
    for section, _, grant in matrix.grants():
        if matrix.principals[grant.principal].kind == "identity":
            places.setdefault(grant.principal, set()).add(section)
    assert places["airflow"] == {"azure", "databricks"}
    assert (places["serving"], places["refresh"], places["power_bi_reader"]) == ({"synapse"}, {"power_bi"}, {"synapse"})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_power_bi_reads_no_gold(matrix, environment):
    statements = synapse_grants(matrix, environment)
    reader = f"[midnight-{environment}-power-bi-reader]"
    assert [s for s in statements if s.startswith("ALTER ROLE") and reader in s] == [
        f"ALTER ROLE [midnight_read_reporting] ADD MEMBER {reader}"
    ]
    assert [s for s in statements if s.startswith("GRANT") and s.endswith("TO [midnight_read_reporting]")] == [
        "GRANT SELECT ON SCHEMA::[reporting] TO [midnight_read_reporting]",
        "GRANT SELECT ON SCHEMA::[midnight] TO [midnight_read_reporting]",
        # Without these two a view that opens files is refused to whoever may select from it.
        "GRANT REFERENCES ON DATABASE SCOPED CREDENTIAL::[midnight_gold] TO [midnight_read_reporting]",
        "GRANT ADMINISTER DATABASE BULK OPERATIONS TO [midnight_read_reporting]",
    ]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_synapse_statements_are_t_sql(matrix, environment):
    linter = Linter(dialect="tsql")
    for statement in [*synapse_logins(matrix, environment), *synapse_grants(matrix, environment)]:
        # The parser lacks this one class of securable (documented under "GRANT Database Scoped Credential").
        known = statement.replace("DATABASE SCOPED CREDENTIAL::", "SCHEMA::")
        parsed = linter.parse_string(known + ";")
        assert [str(violation) for violation in parsed.violations] == [], statement


def test_the_setup_creates_the_objects_of_grants_and_views():
    text = (REPOSITORY / "include/sql/synapse/setup.sql").read_text()
    assert f"CREATE DATABASE SCOPED CREDENTIAL [{CREDENTIAL}] WITH IDENTITY = 'Managed Identity'" in text
    assert f"CREATE EXTERNAL DATA SOURCE [{DATA_SOURCE}]" in text
    assert SCHEMAS == PUBLISHED_SCHEMAS
    assert [schema for schema in SCHEMAS if f"EXEC ('CREATE SCHEMA [{schema}]')" not in text] == []
    parsed = Linter(dialect="tsql").parse_string(text.replace("$(storage_account)", "account"))
    assert [str(violation) for violation in parsed.violations] == []


def test_app_roles_keep_their_ids(matrix):
    roles = json.loads((REPOSITORY / "infra" / "app_roles.json").read_text())
    assert [role["value"] for role in roles] == sorted({grant.app_role for grant in matrix.airflow_ui})
    # Assignments in Entra refer to the id: it must never change.
    assert {role["value"]: role["id"] for role in roles} == {
        "midnight.admin": "9f08cc3d-0251-508d-aef4-207036abf16a",
        "midnight.engineer": "38678cd7-f830-5105-bbb8-c38777522d8c",
        "midnight.reader": "7827365b-f31d-516e-afa1-093fc100a0d3",
    }


def test_a_removed_permission_is_revoked(matrix):
    without = matrix.model_copy(update={"synapse": tuple(g for g in matrix.synapse if g.principal != "readers")})
    before, after = synapse_grants(matrix, "prod"), synapse_grants(without, "prod")
    assert set(before) - set(after) == {
        "IF DATABASE_PRINCIPAL_ID(N'midnight-readers') IS NULL\n"
        "    CREATE USER [midnight-readers] FOR LOGIN [midnight-readers]",
        "ALTER ROLE [midnight_read] ADD MEMBER [midnight-readers]",
    }
    assert set(after) - set(before) == {
        "IF IS_ROLEMEMBER(N'midnight_read', N'midnight-readers') = 1\n"
        "    ALTER ROLE [midnight_read] DROP MEMBER [midnight-readers]"
    }
