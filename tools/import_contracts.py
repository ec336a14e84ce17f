"""A contract for import-linter: what must not be loaded when a module is imported (pyproject.toml lists the modules).

import-linter sees every import, also those inside of functions. A DAG file may reach a function that imports pyarrow
when a task runs; it must not import pyarrow while Airflow parses the file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class ForbiddenAtImportContract(Contract):
    """No source module loads a forbidden module while it is imported, directly or through what it imports."""

    type_name = "forbidden_at_import"

    source_modules = fields.ListField(subfield=fields.StringField())
    source_files = fields.ListField(subfield=fields.StringField(), required=False, default=[])
    forbidden_modules = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Follow the imports at module level from each source."""
        forbidden = set(self.forbidden_modules)  # type: ignore[call-overload]
        chains: list[list[str]] = []
        for module in self.source_modules:  # type: ignore[attr-defined]
            chains.append(_find_chain(graph, [module], forbidden))
        for file in self.source_files:  # type: ignore[attr-defined]
            for name in _imports_at_module_level(Path(file).absolute()):
                chains.append(_find_chain(graph, [file, _module_of(graph, name)], forbidden))
        broken = [" -> ".join(chain) for chain in chains if chain]
        return ContractCheck(kept=not broken, metadata={"chains": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each chain of imports."""
        for chain in check.metadata["chains"]:
            output.print_error(f"{chain} (import it in the function that uses it)", bold=True)


def _find_chain(graph: ImportGraph, start: list[str], forbidden: set[str]) -> list[str]:
    """The shortest chain of module-level imports to a forbidden package; empty when there is none."""
    seen, queue = set(start), [start]
    while queue:
        chain = queue.pop(0)
        if chain[-1].partition(".")[0] in forbidden:
            return chain
        for imported in _loaded_by(graph, chain[-1]):
            if imported not in seen:
                seen.add(imported)
                queue.append([*chain, imported])
    return []


def _loaded_by(graph: ImportGraph, module: str) -> Iterator[str]:
    """What is imported when a module is: its packages, and what its top level imports."""
    parts = module.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts)))
    file = _file_of(module)
    if file is not None:
        yield from (_module_of(graph, name) for name in _imports_at_module_level(file))


def _module_of(graph: ImportGraph, name: str) -> str:
    """The module of ``package.module.name``, which is a module itself or what a module defines."""
    return name if name in graph.modules else name.rpartition(".")[0] or name


def _file_of(module: str) -> Path | None:
    """The file of one of our modules; None for a package of somebody else."""
    path = module.replace(".", "/")
    places = (Path(folder, path + ending) for folder in ("plugins", ".") for ending in (".py", "/__init__.py"))
    return next((place.absolute() for place in places if place.is_file()), None)


@cache
def _imports_at_module_level(file: Path) -> tuple[str, ...]:
    """The names that are imported when the file is executed, as ``package.module`` or ``package.module.name``."""
    return tuple(_executed_imports(ast.parse(file.read_text(encoding="utf-8")).body))


def _executed_imports(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from _executed_imports(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            for part in ("body", "handlers", "orelse", "finalbody"):
                for child in getattr(node, part, []):
                    yield from _executed_imports(child.body if isinstance(child, ast.ExceptHandler) else [child])
