"""How ``infra/`` configures lake, Key Vault, Synapse, Databricks, logs and budget.

The policies are those of the usual scanners that fit a lake without public readers; ``make scan`` runs such a scanner.
"""

import re

from tests.contracts.infra_module import only


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


def test_what_cannot_be_recomputed_is_not_destroyed(terraform):
    kept = {
        labels
        for labels, content in terraform.of_kind("resource").items()
        if content.get("lifecycle", [{}])[0].get("prevent_destroy") is True
    }
    assert kept == {
        ("azurerm_storage_account", "lake"),
        ("azurerm_key_vault", "main"),
        ("azurerm_synapse_workspace", "main"),
    }


def test_a_synapse_workspace_is_never_sent_a_password(terraform):
    """Entra-only sign-in refuses any update, since azurerm puts a password into it (azurerm issue 25755).

    The list is the one in azurerm 5.2's resourceSynapseWorkspaceUpdate: a change of any of them sends the update.
    """
    synapse = only(terraform.resources("azurerm_synapse_workspace"))
    assert synapse["sql_administrator_login"] == "sqladminuser"  # another one, or none, replaces the workspace
    assert set(synapse["lifecycle"][0]["ignore_changes"]) == {
        "tags",
        "sql_administrator_login_password",
        "github_repo",
        "azure_devops_repo",
        "customer_managed_key",
        "public_network_access_enabled",
    }


def test_bronze_is_kept_by_default(terraform):
    assert "delete_after_days = optional(number)" in re.sub(
        " +", " ", terraform.of_kind("variable")[("bronze_lifecycle",)]["type"]
    )
    (rule,) = only(terraform.resources("azurerm_storage_management_policy"))["rule"]
    assert rule["filters"][0]["prefix_match"] == ["bronze/"]
    assert only(terraform.resources("azurerm_management_lock"))["lock_level"] == "CanNotDelete"


def test_the_vault_uses_roles_and_cannot_be_purged(terraform):
    vault = only(terraform.resources("azurerm_key_vault"))
    assert (vault["rbac_authorization_enabled"], vault["purge_protection_enabled"]) == (True, True)
    assert vault["soft_delete_retention_days"] == 90
    assert "access_policy" not in vault
    assert vault["network_acls"][0]["default_action"] == "Deny"


def test_serverless_only(terraform):
    types = {labels[0] for labels in terraform.of_kind("resource")}
    assert {"azurerm_synapse_sql_pool", "azurerm_synapse_spark_pool"} & types == set()


def test_every_resource_that_can_is_logged_and_has_alerts(terraform):
    logged = terraform.locals["logged"]
    categories = {
        name: re.findall(r'"(\w+)"', str(of["categories"])) or of["categories"] for name, of in logged.items()
    }
    # Reads of the lake are not logged: a run reads every file that it works on.
    assert categories.pop("storage") == ["StorageWrite", "StorageDelete"]
    assert categories == {name: [] for name in ("data-factory", "databricks", "key-vault", "synapse")}
    workspace = only(terraform.resources("azurerm_log_analytics_workspace"))
    assert workspace["daily_quota_gb"] == "${var.logs.daily_quota_gb}"


def test_the_budget_counts_all_resource_groups_and_starts_in_a_month_that_is_not_past(terraform):
    budget = only(terraform.resources("azurerm_consumption_budget_subscription"))
    assert [n["threshold_type"] for n in budget["notification"]] == ["Actual", "Forecasted"]
    (dimension,) = budget["filter"][0]["dimension"]
    assert dimension["name"] == "ResourceGroupName"
    assert [re.findall(r"azurerm_\w+\.main\.\w+", value)[0] for value in dimension["values"]] == [
        "azurerm_resource_group.main.name",
        "azurerm_databricks_workspace.main.managed_resource_group_name",
        "azurerm_synapse_workspace.main.managed_resource_group_name",
    ]
    start = budget["time_period"][0]["start_date"]
    assert start == """${formatdate("YYYY-MM-'01T00:00:00Z'", plantimestamp())}"""
    assert budget["lifecycle"][0]["ignore_changes"] == ["time_period"]


def test_a_new_subscription_has_the_quota_for_the_default(terraform):
    """10 vCPU a region and family at most in a new pay-as-you-go subscription; one driver and no worker."""
    default = terraform.of_kind("variable")[("databricks",)]["type"]
    assert 'optional(list(string), ["Standard_D4ds_v5"])' in default
    assert "max_workers" in default
    assert "optional(number, 0)" in default


def test_the_cluster_policy_cannot_be_bypassed(terraform):
    policy = terraform.texts["databricks.tf"].partition("cluster_policy = merge(")[2].partition("resource ")[0]
    forbidden = set(re.findall(r'"([\w.]+)" += \{ type = "forbidden" \}', policy))
    assert {"driver_node_type_id", "driver_instance_pool_id", "docker_image.url"} == forbidden
    # Machines are of a fixed type or of a fixed pool.
    assert (
        '(var.databricks.instance_pool_id == null ? "instance_pool_id" : "node_type_id") = { type = "forbidden" }'
        in policy
    )
    assert 'for place in ["workspace", "volumes", "abfss", "dbfs", "file", "s3", "gcs"]' in policy
    assert '"init_scripts.*.${place}.destination" => { type = "forbidden" }' in policy
    assert '"runtime_engine"' in policy
