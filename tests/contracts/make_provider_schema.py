"""Makes ``provider_schema.json``: which arguments each Terraform resource of ``infra/`` has, and which it needs.

Terraform itself would fetch the providers to know this, which a machine without Terraform cannot. The CDK bindings on
the package index are generated from the same provider schemas: this takes the few resources that are used out of them.
Run it after a provider's version was raised or a new kind of resource is used (nothing is installed; 60 MB):

    pip download --no-deps -d /tmp/bindings cdktn-provider-azurerm==18.9.0 cdktn-provider-databricks==18.11.0 \
        cdktn-provider-time==14.0.2
    python tests/contracts/make_provider_schema.py /tmp/bindings/*.whl
"""

import io
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
INFRA = HERE.parents[1] / "infra"


def used_types() -> set[tuple[str, str]]:
    """Kind (``resource`` or ``data``) and type of every block in ``infra/``."""
    pattern = re.compile(r'^(resource|data)\s+"(\w+)"', re.MULTILINE)
    return {found for path in INFRA.glob("*.tf") for found in pattern.findall(path.read_text())}


def read_bindings(wheel: str) -> dict:
    """The assembly of a wheel of bindings: every type with its properties."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as inner:
            return json.load(inner.extractfile("package/.jsii"))


def structure(types: dict, name: str) -> dict:
    """Arguments of a block: ``{"required": bool}``, with ``"block"`` where it is a nested one."""
    arguments = {}
    for property_ in types[name].get("properties", []):
        argument = re.search(r"#(\w+) ", " ".join(str(text) for text in property_["docs"].values()) + " ")
        if argument is None:
            continue
        entry: dict = {"required": not property_.get("optional", False)}
        nested = next((n for n in re.findall(r'"fqn": "([^"]+)"', json.dumps(property_["type"])) if n in types), None)
        if nested is not None and not nested.startswith("cdktn."):
            entry["block"] = structure(types, nested)
        arguments[argument[1]] = entry
    return arguments


def main(wheels: list[str]) -> None:
    schema: dict = {"versions": {}}
    wanted = used_types()
    for wheel in wheels:
        types = read_bindings(wheel)["types"]
        for name, type_ in types.items():
            found = re.search(
                r"registry\.terraform\.io/providers/(\w+/\w+)/([\d.]+)/docs/(resources|data-sources)/\w+ (\w+)}",
                type_.get("docs", {}).get("summary", ""),
            )
            kind = "data" if found and found[3] == "data-sources" else "resource"
            if found is None or type_["kind"] != "class" or (kind, found[4]) not in wanted:
                continue
            wanted.remove((kind, found[4]))
            schema["versions"][found[1]] = found[2]
            attributes = [re.sub(r"([A-Z]|\d+)", r"_\1", p["name"]).lower() for p in type_["properties"]]
            schema[f"{kind}.{found[4]}"] = {
                "arguments": structure(types, f"{name}Config"),
                "attributes": sorted({a for a in attributes if not a.endswith("_input")}),
            }
    if wanted:
        sys.exit(f"not in these bindings: {sorted(wanted)}")
    (HERE / "provider_schema.json").write_text(json.dumps(schema, sort_keys=True, indent=None) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
