"""The providers of ``infra/`` are pinned to the checked schemas, and a lock file must fit them."""

import subprocess

import pytest

from midnight.settings import REPOSITORY
from tests.contracts.infra_module import INFRA
from tests.contracts.terraform_files import SCHEMA, lock_problems

LOCK = INFRA / ".terraform.lock.hcl"


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
