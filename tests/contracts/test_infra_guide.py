"""The guide for Azure names files, outputs, connections and resources that exist."""

import re
import subprocess

from midnight.access.matrix import ENVIRONMENTS
from midnight.settings import REPOSITORY
from tests.contracts.azure_guide import guide_pages, guide_script
from tests.contracts.infra_module import ENDPOINT, NAMES, read_files


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
