"""The Terraform files of ``infra/``, as far as they can be checked without the providers and without Azure.

The policies are those of the usual scanners that fit a lake without public readers; ``make scan`` runs such a scanner,
which cannot follow the switch for private endpoints.
"""

import re
import subprocess

import pytest

from midnight.access.matrix import ENVIRONMENTS, load_access_matrix
from midnight.settings import REPOSITORY
from tests.contracts.azure_guide import guide_pages, guide_script
from tests.contracts.terraform_files import SCHEMA, TerraformFiles, lock_problems, read_hcl

INFRA = REPOSITORY / "infra"
LOCK = INFRA / ".terraform.lock.hcl"
ENDPOINT = "azurerm_private_endpoint.main"
NAMES = "azurerm_private_dns_zone_virtual_network_link.main"


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


def test_every_reference_has_a_target(terraform):
    assert terraform.name_problems() == []


def test_every_argument_is_the_providers(terraform):
    assert terraform.argument_problems() == []


def test_there_is_no_dependency_cycle(terraform):
    assert terraform.cycle() == []


def test_a_cycle_is_found():
    """The workspace needs the network; the endpoints' targets need the workspace."""
    zone = "zones = toset([for endpoint in local.endpoints : endpoint.zone])"
    cyclic = read_files(network=(zone, "zones = toset([for name in keys(local.endpoint_targets) : name])"))
    assert {"azurerm_databricks_workspace.main", "local.network", "local.zones"} <= set(cyclic.cycle())


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
    ],
)
def test_the_checks_find_mistakes(check, stem, old, new, problem):
    assert problem in getattr(read_files(**{stem: (old, new)}), f"{check}_problems")()


@pytest.fixture(scope="module")
def pinned(terraform):
    """Provider source -> version constraint."""
    (providers,) = terraform.of_kind("terraform")[()]["required_providers"]
    return {p["source"]: p["version"] for name, p in providers.items() if name[0] != "_"}


def test_providers_are_pinned_to_the_checked_schemas(terraform, pinned):
    checked = SCHEMA["versions"]
    assert terraform.of_kind("terraform")[()]["required_version"] == ">= 1.11, < 2.0"  # write-only arguments
    assert pinned == {source: f"~> {version.rpartition('.')[0]}" for source, version in checked.items()}


def a_lock(**versions):
    """A lock file as ``terraform providers lock`` writes it."""
    block = """provider "registry.terraform.io/{}" {{
  version     = "{}"
  constraints = "{}"
  hashes = [
    "h1:3EwOQarDKNhtJ1zmtQAwtozYEayxN1AHT3",
    "zh:0c58",
  ]
}}"""
    return "\n".join(block.format(name.replace("__", "/"), *of) for name, of in versions.items())


def test_a_lock_file_that_fits_is_accepted():
    providers = {"hashicorp/azurerm": "~> 5.10", "hashicorp/time": "~> 0.14"}
    text = a_lock(hashicorp__azurerm=("5.12.1", "~> 5.10"), hashicorp__time=("0.14.0", "~> 0.14"))
    assert lock_problems(text, providers) == []


@pytest.mark.parametrize(
    ("lock", "problem"),
    [
        (a_lock(), "hashicorp/azurerm is not locked"),
        (a_lock(hashicorp__azurerm=("5.9.3", "~> 5.10")), "is locked to 5.9.3, and versions.tf wants ~> 5.10"),
        (a_lock(hashicorp__azurerm=("6.0.0", "~> 5.10")), "is locked to 6.0.0, and versions.tf wants ~> 5.10"),
        (a_lock(hashicorp__azurerm=("5.10.0", "~> 5.9")), "was locked for '~> 5.9', not '~> 5.10'"),
        (a_lock(hashicorp__azurerm=("5.10.0", "~> 5.10")).replace("zh:", "h1:"), "has no hash of a registry package"),
        (a_lock(hashicorp__random=("3.0.0", "~> 3.0")), "hashicorp/random is locked, but not in versions.tf"),
    ],
)
def test_a_lock_file_that_does_not_fit_is_refused(lock, problem):
    assert [p for p in lock_problems(lock, {"hashicorp/azurerm": "~> 5.10"}) if problem in p] != []


def test_the_committed_lock_file_fits_the_required_providers(pinned):
    """There is none yet: its hashes come from HashiCorp's registry (docs/azure/terraform.md has the command)."""
    assert (lock_problems(LOCK.read_text(), pinned) if LOCK.exists() else []) == []
    ignored = subprocess.run(["git", "check-ignore", "-q", str(LOCK)], cwd=REPOSITORY, check=False)
    assert ignored.returncode != 0, "a lock file must be committed"


def test_variables_and_outputs_have_descriptions(terraform):
    described = [
        (kind, labels, content) for kind, labels, content in terraform.blocks if kind in ("variable", "output")
    ]
    assert [labels for _, labels, content in described if len(content.get("description", "")) < 20] == []
    assert [labels for kind, labels, content in described if kind == "variable" and "type" not in content] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_example_gives_every_variable_that_is_needed(terraform, environment):
    example = read_hcl((INFRA / f"{environment}.tfvars.example").read_text())
    variables = {name: content for (name,), content in terraform.of_kind("variable").items()}
    needed = {name for name, content in variables.items() if "default" not in content}
    assert needed <= example.keys() <= variables.keys()
    assert example["environment"] == environment


def test_terraform_knows_every_principal_and_scope_of_the_matrix(terraform):
    matrix = load_access_matrix(INFRA / "access.yml")
    groups = terraform.of_kind("variable")[("groups",)]["type"]
    known = {*re.findall(r"(\w+) += ", terraform.locals["principal_ids"]), *re.findall(r"(\w+) += string", groups)}
    assert {g.principal for g in matrix.azure} <= known
    assert {g.principal for g in matrix.synapse if g.permission == "sql_administrator"} <= known
    scopes = {*terraform.locals["scopes"], *terraform.locals["secret_scopes"]}
    assert {g.scope for g in matrix.azure} <= scopes
    # Roles on a secret wait for the secret; a custom role cannot be one of them.
    on_secrets = {g.scope: g.role_id for g in matrix.azure if g.scope.startswith("key_vault/")}
    assert on_secrets.keys() == terraform.locals["secret_scopes"].keys()
    assert None not in on_secrets.values()


def test_terraform_reads_the_matrix_itself(terraform):
    assert terraform.locals["access"] == '${yamldecode(file("${path.module}/access.yml"))}'
    for section in ("azure", "synapse", "databricks"):
        assert f"for grant in local.access.{section} : grant if contains(" in terraform.locals[f"{section}_grants"]
    assert list(INFRA.glob("*.auto.tfvars*")) == []


def test_each_role_id_is_compared_with_azures_before_it_is_assigned(terraform):
    assignments = terraform.resources("azurerm_role_assignment")
    assert {name: content["for_each"] for name, content in assignments.items()} == {
        "main": "${local.other_assignments}",
        "secret": "${local.secret_assignments}",
    }
    confirmed = (
        "basename(data.azurerm_role_definition.built_in[each.value.role].role_definition_id) == each.value.role_id"
    )
    for assignment in assignments.values():
        assert confirmed in assignment["lifecycle"][0]["precondition"][0]["condition"]
    # No other way to a right than through the matrix.
    assert [labels for labels in terraform.of_kind("resource") if labels[0].endswith("role_assignment")] == [
        ("azurerm_role_assignment", "main"),
        ("azurerm_role_assignment", "secret"),
        ("azurerm_synapse_role_assignment", "administrator"),
    ]


def test_users_of_a_role_wait_until_it_has_taken_effect(terraform):
    assert terraform.waits_for(("time_sleep", "roles")) == {"azurerm_role_assignment.main"}
    for labels in (
        ("azurerm_key_vault_secret", "placeholder"),
        ("databricks_storage_credential", "lake"),
        ("databricks_external_location", "lake"),
    ):
        assert "time_sleep.roles" in terraform.waits_for(labels), labels


def unreachable_without_endpoint(terraform):
    """Resources that are made through the workspace or another data plane, and do not wait for the way to it."""
    return {
        ".".join(labels)
        for labels in terraform.of_kind("resource")
        if labels[0].startswith("databricks_")
        or labels[0] in ("azurerm_synapse_role_assignment", "azurerm_key_vault_secret")
        if not {ENDPOINT, NAMES} <= terraform.waits_for(labels)
    }


def test_every_databricks_resource_waits_for_the_private_endpoint_and_its_name(terraform):
    assert unreachable_without_endpoint(terraform) == set()


def test_a_resource_that_does_not_wait_is_found():
    forgotten = read_files(databricks=(f"  depends_on = [{ENDPOINT}, {NAMES}]\n", ""))
    assert unreachable_without_endpoint(forgotten) == {"databricks_permission_assignment.group"}


def test_no_expression_relies_on_short_circuit_evaluation(terraform):
    """Terraform evaluates both sides before 1.12, and versions.tf allows 1.9: guards are written with ? : or try."""
    texts = {name: " ".join(re.sub("#.*", "", text).split()) for name, text in terraform.texts.items()}
    guarded = re.compile(r"== null \|\||!= null &&|\bcan\((?:(?!error_message).)*?\) &&")
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


def test_a_second_plan_does_not_change_a_delegation(terraform):
    """Azure adds these actions by itself ("az network vnet subnet list-available-delegations")."""
    join = "Microsoft.Network/virtualNetworks/subnets/join/action"
    policies = "Microsoft.Network/virtualNetworks/subnets/{}NetworkPolicies/action"
    assert terraform.locals["delegations"] == {
        "Microsoft.Databricks/workspaces": [join, policies.format("prepare"), policies.format("unprepare")],
        "Microsoft.PowerPlatform/vnetaccesslinks": [join],
    }
    services = set(re.findall(r'service = "(Microsoft[^"]+)"', terraform.texts["network.tf"]))
    assert services == terraform.locals["delegations"].keys()


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
    """Placeholders only, by a write-only argument; Terraform never looks at them again."""
    secret = re.compile(
        r"\bvalue +=|access_key\b|connection_string|auth_key|password += (?!\"source-password\")|client_secret\b"
    )
    kept = {"outputs.tf"}  # each output has a value
    found = {name for name, text in terraform.texts.items() if secret.search(re.sub("#.*|\\{ type = .*", "", text))}
    assert found - kept == set()
    placeholder = only(terraform.resources("azurerm_key_vault_secret"))
    assert placeholder["lifecycle"][0]["ignore_changes"] == "all"
    assert (placeholder["value_wo_version"], "value" in placeholder) == (1, False)


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


def test_groups_come_from_the_account_and_the_admins_own_the_lake(terraform):
    assert "databricks_group" not in {labels[0] for labels in terraform.of_kind("resource")}
    group = terraform.of_kind("data")[("databricks_group", "member")]
    assert group["provider"] == "${databricks.account}"
    assert group["lifecycle"][0]["postcondition"][0]["condition"] == "${self.external_id == var.groups[each.key]}"
    for type_ in ("databricks_storage_credential", "databricks_external_location"):
        owner = only(terraform.resources(type_))["owner"]
        assert owner == '${databricks_permission_assignment.group["admins"].display_name}'
    assert only(terraform.resources("databricks_directory"))["path"].startswith("/Shared") is False


def test_every_resource_that_can_has_tags(terraform):
    resources = terraform.of_kind("resource")
    azure = {labels for labels in resources if labels[0].startswith("azurerm_")}
    taggable = {labels for labels in azure if "tags" in SCHEMA[f"resource.{labels[0]}"]["arguments"]}
    assert [labels for labels in sorted(taggable) if resources[labels].get("tags") != "${local.tags}"] == []


def test_the_parser_sees_every_block(terraform):
    written = sum(
        len(re.findall(r"^(terraform|provider|variable|output|locals|resource|data)\b", text, re.MULTILINE))
        for text in terraform.texts.values()
    )
    assert len(terraform.blocks) == written


def test_the_guide_names_what_exists():
    pages = guide_pages()
    docs = REPOSITORY / "docs"
    assert {path.name for path in (docs / "azure").glob("*.md")} == {name.rpartition("/")[2] for name in pages} - {
        "azure.md"
    }
    for page, text in pages.items():
        for environment in ENVIRONMENTS:
            here = text.replace("$env", environment)
            paths = set(re.findall(r"(?<![\w./])(?:infra|include|config|docs)/[\w./-]*\w", here))
            missing = {path for path in paths if not (REPOSITORY / path).exists()}
            assert missing <= {f"infra/{environment}.tfvars", "infra/.terraform.lock.hcl"}, page
        links = re.findall(r"\]\(((?!https:)[\w./-]+)(?:#[\w-]+)?\)", text)
        assert [link for link in links if not ((docs / page).parent / link).exists()] == [], page
    text = "\n".join(pages.values())
    outputs = {name for (name,) in read_files().of_kind("output")}
    assert set(re.findall(r"\$\(out (\w+)", text)) <= outputs
    connections = set(re.findall(r"\b(?:airflow-connections-|connection |managed )(midnight-[\w-]+)", text))
    assert connections == {
        f"midnight-{name}"
        for name in ("source", "lake", "data-factory", "databricks", "synapse", "power-bi", "power-bi-reader")
    }
    subprocess.run(["bash", "-n"], input=guide_script(), text=True, check=True)


def test_the_targets_of_the_first_phase_exist(terraform):
    targets = re.findall(r"-target=([\w.]+)", guide_pages()["azure/terraform.md"])
    assert {ENDPOINT, NAMES} <= set(targets)
    assert set(targets) <= {".".join(labels) for labels in terraform.of_kind("resource")}
