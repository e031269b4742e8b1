"""Which module of a package imports which, read from the source; nothing is loaded.

Imports inside functions count as those at the top. Those under `if TYPE_CHECKING`, which nothing runs, are marked.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "humanbench"
LAYERS = Path(__file__).with_name("layers.toml")


@dataclass(frozen=True)
class Import:
    """`importer` imports `imported` in a line; dotted names, the package itself being the first part.

    `typing`: it is for type checking alone.
    """

    importer: str
    imported: str
    line: int
    typing: bool = False


@dataclass(frozen=True)
class Layer:
    """A layer as `layers.toml` lists it, with its place from the bottom."""

    place: int
    name: str
    about: str
    modules: tuple[str, ...]


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Files by dotted name, in the order of the names; a package's name stands for its `__init__`."""
    files = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def imports(package: Path = PACKAGE) -> list[Import]:
    """All imports of one module of the package by another; what is taken from a package may itself be a module."""
    files = modules(package)
    return [
        Import(name, target, line, typing)
        for name, path in files.items()
        for target, line, typing in _targets(ast.parse(path.read_text(encoding="utf-8")), files)
        if target != name
    ]


def _targets(tree: ast.AST, files: Mapping[str, Path], typing: bool = False) -> Iterator[tuple[str, int, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for statements, only_types in ((node.body, True), (node.orelse, typing)):
                yield from _targets(ast.Module(statements, []), files, only_types)
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, typing) for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom) and node.module in files:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole if whole in files else node.module), node.lineno, typing
        yield from _targets(node, files, typing)


def layers(file: Path = LAYERS) -> list[Layer]:
    """The layers from the bottom up."""
    listed = tomllib.loads(file.read_text(encoding="utf-8"))["layer"]
    return [Layer(n, one["name"], one["about"], tuple(one["modules"])) for n, one in enumerate(listed)]


def layer_of(module: str, listed: list[Layer]) -> Layer | None:
    """The layer of a module of the package, None where the list has none for it."""
    _, _, name = module.partition(".")
    fits = [
        (len(prefix), layer.place)
        for layer in listed
        for prefix in layer.modules
        if name == prefix or (prefix and name.startswith(f"{prefix}."))
    ]
    return listed[max(fits)[1]] if fits else None


def circles(edges: list[Import]) -> list[list[str]]:
    """Sets of modules that import each other, directly or through others; each once, in the order of the names."""
    after: dict[str, set[str]] = {}
    for edge in edges:
        after.setdefault(edge.importer, set()).add(edge.imported)
        after.setdefault(edge.imported, set())
    reached = {name: _reached(name, after) for name in after}
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in after
        if name in reached[name]
    }
    return [list(group) for group in sorted(groups)]


def _reached(start: str, after: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(after[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += after[name]
    return seen
