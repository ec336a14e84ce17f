"""The Terraform files of ``infra/`` as they are, or with a change that a check has to find."""

from midnight.settings import REPOSITORY
from tests.contracts.terraform_files import TerraformFiles

INFRA = REPOSITORY / "infra"
ENDPOINT = "azurerm_private_endpoint.main"
NAMES = "azurerm_private_dns_zone_virtual_network_link.main"


def read_files(**changes):
    """The module, with ``changes`` of file stem -> (old, new)."""
    texts = {path.name: path.read_text() for path in sorted(INFRA.glob("*.tf"))}
    for stem, (old, new) in changes.items():
        assert old in texts[f"{stem}.tf"], old
        texts[f"{stem}.tf"] = texts[f"{stem}.tf"].replace(old, new, 1)
    return TerraformFiles(texts)


def only(resources):
    ((_, content),) = resources.items()
    return content
