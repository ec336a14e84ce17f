"""Identities, roles and secrets in ``infra/``: rights come from the access matrix, and no secret reaches the state."""

import re

from midnight.access.matrix import load_access_matrix
from tests.contracts.infra_module import INFRA, only


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


def test_groups_come_from_the_account_and_the_admins_own_the_lake(terraform):
    assert "databricks_group" not in {labels[0] for labels in terraform.of_kind("resource")}
    group = terraform.of_kind("data")[("databricks_group", "member")]
    assert group["provider"] == "${databricks.account}"
    assert group["lifecycle"][0]["postcondition"][0]["condition"] == "${self.external_id == var.groups[each.key]}"
    for type_ in ("databricks_storage_credential", "databricks_external_location"):
        owner = only(terraform.resources(type_))["owner"]
        assert owner == '${databricks_permission_assignment.group["admins"].display_name}'
    assert only(terraform.resources("databricks_directory"))["path"].startswith("/Shared") is False
