"""The Terraform files of ``infra/``, as far as they can be judged without Terraform and without Azure.

The policies are those of the usual scanners that fit a lake without public readers. A scanner itself is left out: it
brings 290 MB, asks its maker's server at every start, and cannot follow the switch for private endpoints.
"""

import json
import re
import subprocess

import pytest

from midnight.access_matrix import ENVIRONMENTS
from midnight.settings import REPOSITORY
from tests.contracts.terraform_files import SCHEMA, TerraformFiles, read_hcl

INFRA = REPOSITORY / "infra"
GENERATED = json.loads((INFRA / "role_assignments.auto.tfvars.json").read_text())


def read_files(**changes):
    """The module, with ``changes`` of file stem -> (old, new)."""
    texts = {path.name: path.read_text() for path in sorted(INFRA.glob("*.tf"))}
    for stem, (old, new) in changes.items():
        assert old in texts[f"{stem}.tf"], old
        texts[f"{stem}.tf"] = texts[f"{stem}.tf"].replace(old, new, 1)
    return TerraformFiles(texts)


@pytest.fixture(scope="module")
def terraform():
    return read_files()


def only(resources):
    ((_, content),) = resources.items()
    return content


def test_layout_is_terraforms(terraform):
    assert terraform.layout_problems() == [], "run terraform fmt infra"


def test_every_name_leads_somewhere(terraform):
    assert terraform.name_problems() == []


def test_every_argument_is_the_providers(terraform):
    assert terraform.argument_problems() == []


@pytest.mark.parametrize(
    ("check", "stem", "old", "new", "problem"),
    [
        ("name", "storage", "var.storage_replication", "var.replication", "var.replication is not declared"),
        ("name", "storage", "var.storage_replication", "var.replication", "var.storage_replication is not used"),
        ("name", "access", "local.airflow_object_id", "local.airflow", "local.airflow is not declared"),
        (
            "name",
            "key_vault",
            "client_config.caller",
            "client_config.me",
            "data.azurerm_client_config.me is not declared",
        ),
        ("name", "outputs", "main.workspace_url", "main.url", "azurerm_databricks_workspace.main has no url"),
        (
            "argument",
            "storage",
            "is_hns_enabled ",
            "hns_enabled ",
            "azurerm_storage_account.lake has no argument hns_enabled",
        ),
        (
            "argument",
            "key_vault",
            '    default_action = "Deny"\n',
            "",
            "azurerm_key_vault.main.network_acls needs default_action",
        ),
        (
            "argument",
            "data_factory",
            "identity {",
            "identity = {",
            "azurerm_data_factory.main: identity is a block, not an argument",
        ),
        (
            "argument",
            "databricks",
            "group_name  ",
            "group  ",
            "databricks_permissions.job_policy.access_control has no argument group",
        ),
        (
            "layout",
            "synapse",
            "  location   ",
            "  location    ",
            "synapse.tf:5: the = does not stand below its neighbours'",
        ),
        ("layout", "synapse", "  identity {", "   identity {", "synapse.tf:14: indented by 3, not 2"),
    ],
)
def test_the_checks_find_mistakes(check, stem, old, new, problem):
    assert problem in getattr(read_files(**{stem: (old, new)}), f"{check}_problems")()


def test_providers_are_pinned_to_the_checked_schemas(terraform):
    settings = terraform.of_kind("terraform")[()]
    (providers,) = settings["required_providers"]
    checked = SCHEMA["versions"]
    pinned = {p["source"]: p["version"] for name, p in providers.items() if name[0] != "_"}
    assert settings["required_version"] == ">= 1.9, < 2.0"
    assert pinned == {source: f"~> {version.rpartition('.')[0]}" for source, version in checked.items()}


def test_variables_and_outputs_explain_themselves(terraform):
    described = [
        (kind, labels, content) for kind, labels, content in terraform.blocks if kind in ("variable", "output")
    ]
    assert [labels for _, labels, content in described if len(content.get("description", "")) < 20] == []
    assert [labels for kind, labels, content in described if kind == "variable" and "type" not in content] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_example_gives_every_variable_that_is_needed(terraform, environment):
    example = read_hcl((INFRA / f"{environment}.tfvars.example").read_text())
    variables = {name: content for (name,), content in terraform.of_kind("variable").items()}
    needed = {name for name, content in variables.items() if "default" not in content} - GENERATED.keys()
    assert needed <= example.keys() <= variables.keys()
    assert example["environment"] == environment


def test_terraform_knows_every_principal_and_scope_of_the_matrix(terraform):
    assignments = [a for e in ENVIRONMENTS for a in GENERATED["role_assignments"][e].values()]
    groups = terraform.of_kind("variable")[("groups",)]["type"]
    known = {*re.findall(r"(\w+) = ", terraform.locals["principal_ids"]), *re.findall(r"(\w+) = string", groups)}
    assert {a["principal"] for a in assignments} <= known
    assert {a["scope"] for a in assignments} <= terraform.locals["scopes"].keys()
    users = {
        p
        for kind in ("synapse_administrators", "cluster_policy_users")
        for e in ENVIRONMENTS
        for p in GENERATED[kind][e]
    }
    assert users <= known


def test_azure_confirms_each_role_id_before_it_is_assigned(terraform):
    assignment = only(terraform.resources("azurerm_role_assignment"))
    assert assignment["for_each"] == "${local.assignments}"
    (lifecycle,) = assignment["lifecycle"]
    (precondition,) = lifecycle["precondition"]
    assert (
        "basename(data.azurerm_role_definition.built_in[each.value.role].role_definition_id) == each.value.role_id"
        in (precondition["condition"])
    )
    # No other way to a right than through the matrix.
    assert [labels for labels in terraform.of_kind("resource") if labels[0].endswith("role_assignment")] == [
        ("azurerm_role_assignment", "main"),
        ("azurerm_synapse_role_assignment", "administrator"),
    ]


def test_nothing_relies_on_a_logical_operator_that_stops_early(terraform):
    """Terraform evaluates both sides before 1.12, and versions.tf allows 1.9: guards are written with ? : or try."""
    texts = {name: " ".join(re.sub("#.*", "", text).split()) for name, text in terraform.texts.items()}
    guarded = re.compile(r"== null \|\||!= null &&|\bcan\(.*?\) &&")
    assert {name: found.group() for name, text in texts.items() if (found := guarded.search(text))} == {}


def test_the_lake_is_opened_by_identities_only(terraform):
    lake = only(terraform.resources("azurerm_storage_account"))
    wanted = {
        "is_hns_enabled": True,
        "shared_access_key_enabled": False,
        "default_to_oauth_authentication": True,
        "local_user_enabled": False,
        "allow_nested_items_to_be_public": False,
        "cross_tenant_replication_enabled": False,
        "allowed_copy_scope": "AAD",
        "https_traffic_only_enabled": True,
        "min_tls_version": "TLS1_2",
        "infrastructure_encryption_enabled": True,
    }
    assert {name: lake[name] for name in wanted} == wanted
    (blobs,) = lake["blob_properties"]
    for policy in ("delete_retention_policy", "container_delete_retention_policy"):
        assert blobs[policy][0]["days"] == "${var.soft_delete_days}"
    containers = only(terraform.resources("azurerm_storage_container"))
    assert containers["for_each"] == '${toset(["bronze", "silver", "gold", "synapse"])}'
    assert containers["container_access_type"] == "private"


def test_bronze_is_kept_unless_somebody_says_otherwise(terraform):
    assert "delete_after_days = optional(number)" in re.sub(
        " +", " ", terraform.of_kind("variable")[("bronze_lifecycle",)]["type"]
    )
    (rule,) = only(terraform.resources("azurerm_storage_management_policy"))["rule"]
    assert rule["filters"][0]["prefix_match"] == ["bronze/"]
    assert only(terraform.resources("azurerm_management_lock"))["lock_level"] == "CanNotDelete"


def test_the_vault_is_governed_by_roles_and_cannot_be_purged(terraform):
    vault = only(terraform.resources("azurerm_key_vault"))
    assert (vault["rbac_authorization_enabled"], vault["purge_protection_enabled"]) == (True, True)
    assert vault["soft_delete_retention_days"] == 90
    assert "access_policy" not in vault
    assert vault["network_acls"][0]["default_action"] == "Deny"


def test_services_have_identities_and_no_passwords(terraform):
    synapse = only(terraform.resources("azurerm_synapse_workspace"))
    assert synapse["azuread_authentication_only"] is True
    assert synapse["managed_virtual_network_enabled"] is True
    for type_ in ("azurerm_synapse_workspace", "azurerm_data_factory", "azurerm_databricks_access_connector"):
        assert only(terraform.resources(type_))["identity"][0]["type"] == "SystemAssigned"
    assert only(terraform.resources("azurerm_log_analytics_workspace"))["local_authentication_enabled"] is False
    databricks = only(terraform.resources("azurerm_databricks_workspace"))
    assert databricks["sku"] == "premium"
    assert databricks["custom_parameters"][0]["no_public_ip"] is True


def test_no_secret_reaches_the_state(terraform):
    secret = re.compile(r"password|access_key\b|connection_string|auth_key|_secret\b|azurerm_key_vault_secret")
    assert [name for name, text in terraform.texts.items() if secret.search(re.sub("#.*", "", text))] == []


def test_serverless_only(terraform):
    types = {labels[0] for labels in terraform.of_kind("resource")}
    assert {"azurerm_synapse_sql_pool", "azurerm_synapse_spark_pool"} & types == set()


def test_the_switch_closes_every_service(terraform):
    switch = "!var.private_endpoints"
    assert switch in only(terraform.resources("azurerm_key_vault"))["public_network_access_enabled"]
    assert switch in only(terraform.resources("azurerm_synapse_workspace"))["public_network_access_enabled"]
    assert switch in only(terraform.resources("azurerm_databricks_workspace"))["public_network_access_enabled"]
    assert switch in only(terraform.resources("azurerm_data_factory"))["public_network_enabled"]
    rules = only(terraform.resources("azurerm_storage_account_network_rules"))
    assert (rules["count"], rules["default_action"]) == ("${var.private_endpoints ? 1 : 0}", "Deny")
    assert "AzureServices" not in rules["bypass"]
    parts = re.findall(r'part = "(\w+)", zone = "([\w.]+)"', terraform.texts["network.tf"])
    assert dict(parts) == {
        "dfs": "privatelink.dfs.core.windows.net",
        "blob": "privatelink.blob.core.windows.net",
        "vault": "privatelink.vaultcore.azure.net",
        "dataFactory": "privatelink.datafactory.azure.net",
        "databricks_ui_api": "privatelink.azuredatabricks.net",
        "browser_authentication": "privatelink.azuredatabricks.net",
        "SqlOnDemand": "privatelink.sql.azuresynapse.net",
        "Dev": "privatelink.dev.azuresynapse.net",
    }


def test_everything_that_can_is_logged_and_paid_attention_to(terraform):
    logged = terraform.locals["logged"]
    assert sorted(logged) == ["data-factory", "databricks", "key-vault", "storage", "synapse"]
    setting = only(terraform.resources("azurerm_monitor_diagnostic_setting"))
    assert setting["enabled_log"][0]["category_group"] == "allLogs"
    budget = only(terraform.resources("azurerm_consumption_budget_resource_group"))
    assert [n["threshold_type"] for n in budget["notification"]] == ["Actual", "Forecasted"]


def test_what_can_carry_tags_does(terraform):
    resources = terraform.of_kind("resource")
    taggable = {labels for labels in resources if "tags" in SCHEMA[f"resource.{labels[0]}"]["arguments"]}
    assert [labels for labels in sorted(taggable) if resources[labels].get("tags") != "${local.tags}"] == []


def test_the_parser_sees_every_block(terraform):
    written = sum(
        len(re.findall(r"^(terraform|provider|variable|output|locals|resource|data)\b", text, re.MULTILINE))
        for text in terraform.texts.values()
    )
    assert len(terraform.blocks) == written


def test_the_page_names_what_exists():
    text = (REPOSITORY / "docs" / "azure.md").read_text()
    for environment in ENVIRONMENTS:
        here = text.replace("$env", environment)
        paths = re.findall(r"(?:infra|include|config|docs)/[\w./-]*\w", here) + re.findall(r"\]\(([\w./-]+)\)", here)
        missing = {p for p in paths if not (REPOSITORY / p).exists() and not (REPOSITORY / "docs" / p).exists()}
        assert missing <= {f"infra/{environment}.tfvars", "include/adf"}
    outputs = {name for (name,) in read_files().of_kind("output")}
    assert set(re.findall(r"\$\(out (\w+)", text)) <= outputs
    connections = set(re.findall(r"\b(?:airflow-connections-|connection )(midnight-[\w-]+)", text))
    assert connections == {
        f"midnight-{name}" for name in ("source", "lake", "data-factory", "databricks", "synapse", "power-bi")
    }
    script = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
