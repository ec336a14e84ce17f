"""Checks Terraform files without Terraform: names, arguments against the providers' schemas, dependencies, lock file.

The layout is checked by the real formatter (``make terraform-fmt``). ``terraform validate`` needs the providers
themselves, which only HashiCorp's registry serves, so a machine that reaches package indexes alone cannot run it: where
the registry is reached, ``make terraform-validate`` does.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import hcl2

META_ARGUMENTS = {"count", "for_each", "depends_on", "lifecycle", "provider"}
SCHEMA = json.loads((Path(__file__).parent / "provider_schema.json").read_text())


class TerraformFiles:
    """The ``.tf`` files of one module.

    Args:
        texts: file name -> text.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    @cached_property
    def blocks(self) -> list[tuple[str, tuple[str, ...], dict[str, Any]]]:
        """Every top-level block as its kind, labels and content."""
        found: list[tuple[str, tuple[str, ...], dict[str, Any]]] = []
        for text in self.texts.values():
            for kind, blocks in read_hcl(text).items():
                for block in blocks:
                    labels: tuple[str, ...] = ()
                    content = block
                    while labels_of(kind) > len(labels):
                        ((label, content),) = ((k, v) for k, v in content.items() if k != "__is_block__")
                        labels += (label,)
                    found.append((kind, labels, content))
        return found

    def of_kind(self, kind: str) -> dict[tuple[str, ...], dict[str, Any]]:
        return {labels: content for k, labels, content in self.blocks if k == kind}

    def resources(self, type_: str) -> dict[str, dict[str, Any]]:
        """Name -> arguments of the resources of a type."""
        return {labels[1]: content for labels, content in self.of_kind("resource").items() if labels[0] == type_}

    @cached_property
    def locals(self) -> dict[str, Any]:
        return {k: v for kind, _, content in self.blocks if kind == "locals" for k, v in content.items() if k[0] != "_"}

    def waits_for(self, labels: tuple[str, str]) -> set[str]:
        """Addresses (``type.name``) in the ``depends_on`` of a resource."""
        return {reference.strip("${}") for reference in self.of_kind("resource")[labels].get("depends_on", [])}

    def name_problems(self) -> list[str]:
        """References without a target, and variables and locals that nothing refers to."""
        code = "\n".join(re.sub(r"(^|\s)(#|//).*", "", text, flags=re.MULTILINE) for text in self.texts.values())
        code = re.sub(r'(description|error_message) += "[^$]*?"\n', "", code)
        variables = {name for (name,) in self.of_kind("variable")}
        objects = {".".join(labels): f"resource.{labels[0]}" for labels in self.of_kind("resource")}
        objects |= {".".join(("data", *labels)): f"data.{labels[0]}" for labels in self.of_kind("data")}
        declarations = re.compile(r'^variable ".*?^}', re.MULTILINE | re.DOTALL)
        read_variables = set(re.findall(r"\bvar\.(\w+)", declarations.sub("", code)))
        used_locals = set(re.findall(r"\blocal\.(\w+)", code))
        problems = [f"var.{name} is not declared" for name in read_variables - variables]
        problems += [f"var.{name} is not used" for name in variables - read_variables]
        problems += [f"local.{name} is not declared" for name in used_locals - self.locals.keys()]
        problems += [f"local.{name} is not used" for name in self.locals.keys() - used_locals]
        reference = r"(?<![\w./-])((?:data\.)?(?:azurerm|databricks|time)_\w+\.\w+)(?:\[[^\]]*\])?(?:\.(\w+))?"
        for name, attribute in re.findall(reference, code):
            if name not in objects:
                problems.append(f"{name} is not declared")
            elif attribute:
                known = SCHEMA[objects[name]]
                if attribute not in {*known["attributes"], *known["arguments"]}:
                    problems.append(f"{name} has no {attribute}")
        return sorted(problems)

    def cycle(self) -> list[str]:
        """Resources, data and locals that need each other, which Terraform refuses; empty if there are none."""
        needs: dict[str, set[str]] = {}
        reference = re.compile(r"(?<![\w./-])(local\.\w+|(?:data\.)?(?:azurerm|databricks|time)_\w+\.\w+)")
        providers = [content for kind, _, content in self.blocks if kind == "provider"]
        provider = {name for content in providers for name in reference.findall(str(content))}
        for kind, labels, content in self.blocks:
            if kind == "locals":
                needs |= {f"local.{name}": set(reference.findall(str(value))) for name, value in content.items()}
            elif kind in ("resource", "data"):
                name = ".".join(labels) if kind == "resource" else ".".join(("data", *labels))
                through = provider if labels[0].startswith("databricks_") else set()
                needs[name] = (set(reference.findall(str(content))) | through) - {name}
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            return list(error.args[1])
        return []

    def argument_problems(self) -> list[str]:
        """Arguments that a resource does not have, and those that it lacks."""
        problems: list[str] = []
        for kind in ("resource", "data"):
            for labels, content in self.of_kind(kind).items():
                schema = SCHEMA.get(f"{kind}.{labels[0]}")
                if schema is None:
                    problems.append(f"{labels[0]}: run make_provider_schema.py, it is not in provider_schema.json")
                else:
                    problems += _argument_problems(".".join(labels), content, schema["arguments"], META_ARGUMENTS)
        return problems


@cache
def read_hcl(text: str) -> dict[str, Any]:
    """The file as the parser gives it, without comments and without the quotes around texts and keys."""
    return {key: _plain(value) for key, value in hcl2.loads(text).items() if not key.startswith("__")}


def labels_of(kind: str) -> int:
    return {"resource": 2, "data": 2, "variable": 1, "output": 1, "provider": 1}.get(kind, 0)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.strip('"'): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def _blocks(value: Any) -> list[dict[str, Any]]:
    """The nested blocks that a value is; none for an argument."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict) and item.get("__is_block__")]


def _argument_problems(
    place: str, content: Mapping[str, Any], schema: Mapping[str, Any], also: set[str]
) -> Iterator[str]:
    given = {key for key in content if not key.startswith("__")} - also
    dynamic: dict[str, list[dict[str, Any]]] = {}
    for block in content.get("dynamic", []):
        for name, inner in block.items():
            if not name.startswith("__"):
                dynamic.setdefault(name, []).extend(inner["content"])
    for name in sorted((given | dynamic.keys()) - {"dynamic"} - schema.keys()):
        yield f"{place} has no argument {name}"
    for name, argument in schema.items():
        if argument["required"] and name not in given | dynamic.keys():
            yield f"{place} needs {name}"
        nested = _blocks(content.get(name))
        if name in content and "block" in argument and not nested:
            yield f"{place}: {name} is a block, not an argument"
        if nested and "block" not in argument:
            yield f"{place}: {name} is an argument, not a block"
        for block in [*nested, *dynamic.get(name, [])] if "block" in argument else []:
            yield from _argument_problems(f"{place}.{name}", block, argument["block"], set())


def lock_problems(lock: str, providers: Mapping[str, str]) -> list[str]:
    """Where a ``.terraform.lock.hcl`` does not fit ``required_providers``.

    Args:
        lock: the file's text.
        providers: source -> version constraint of the form ``~> x.y``.
    """
    problems = []
    locked = {}
    for block in read_hcl(lock).get("provider", []):
        ((address, content),) = ((k, v) for k, v in block.items() if k != "__is_block__")
        locked[address.removeprefix("registry.terraform.io/").removeprefix("registry.opentofu.org/")] = content
    for source in sorted(locked.keys() ^ providers.keys()):
        problems.append(f"{source} is {'not locked' if source in providers else 'locked, but not in versions.tf'}")
    for source in sorted(locked.keys() & providers.keys()):
        content, constraint = locked[source], providers[source]
        least = tuple(int(part) for part in constraint.removeprefix("~> ").split("."))
        version = tuple(int(part) for part in content["version"].split("."))
        if version[: len(least) - 1] != least[:-1] or version < least:
            problems.append(f"{source} is locked to {content['version']}, and versions.tf wants {constraint}")
        if content.get("constraints") != constraint:
            problems.append(f"{source} was locked for {content.get('constraints')!r}, not {constraint!r}")
        platforms = [h for h in content.get("hashes", []) if h.startswith("zh:")]
        if not platforms:
            problems.append(f"{source} has no hash of a registry package (zh:)")
    return problems
