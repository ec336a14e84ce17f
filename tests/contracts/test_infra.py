"""The Terraform files of ``infra/``, as far as they can be checked without the providers and without Azure."""

import re

import pytest

from midnight.access.matrix import ENVIRONMENTS
from tests.contracts.infra_module import INFRA, read_files
from tests.contracts.terraform_files import SCHEMA, read_hcl


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


def test_the_parser_sees_every_block(terraform):
    written = sum(
        len(re.findall(r"^(terraform|provider|variable|output|locals|resource|data)\b", text, re.MULTILINE))
        for text in terraform.texts.values()
    )
    assert len(terraform.blocks) == written


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


def test_no_expression_relies_on_short_circuit_evaluation(terraform):
    """Terraform evaluates both sides before 1.12, and versions.tf allows 1.9: guards are written with ? : or try."""
    texts = {name: " ".join(re.sub("#.*", "", text).split()) for name, text in terraform.texts.items()}
    guarded = re.compile(r"== null \|\||!= null &&|\bcan\((?:(?!error_message).)*?\) &&")
    assert {name: found.group() for name, text in texts.items() if (found := guarded.search(text))} == {}


def test_every_resource_that_can_has_tags(terraform):
    resources = terraform.of_kind("resource")
    azure = {labels for labels in resources if labels[0].startswith("azurerm_")}
    taggable = {labels for labels in azure if "tags" in SCHEMA[f"resource.{labels[0]}"]["arguments"]}
    assert [labels for labels in sorted(taggable) if resources[labels].get("tags") != "${local.tags}"] == []
