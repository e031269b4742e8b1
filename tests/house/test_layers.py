"""Which module may import which: from its own layer and from those below; the list is tools/layers.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import architecture
from tools.imports import PACKAGE, Import, circles, imports, layer_of, layers, modules

ALL = imports()
"""With those for type checking alone: modules that know each other by type are one thing, too."""
EDGES = [edge for edge in ALL if not edge.typing]
LAYERS = layers()


def running_up(edges: list[Import]) -> list[str]:
    """Imports of a module by one of a lower layer, in words."""
    up = []
    for edge in edges:
        below, above = layer_of(edge.importer, LAYERS), layer_of(edge.imported, LAYERS)
        if below and above and below.place < above.place:
            up.append(f"{edge.importer}:{edge.line} ({below.name}) imports {edge.imported} ({above.name})")
    return up


def test_every_module_has_a_layer() -> None:
    assert [name for name in modules() if layer_of(name, LAYERS) is None] == []


def test_every_line_of_the_list_is_a_module() -> None:
    """A module that moved would leave its line behind."""
    names = {name.partition(".")[2] for name in modules()}
    assert [one for layer in LAYERS for one in layer.modules if one not in names] == []


def test_nothing_imports_up_a_layer() -> None:
    assert running_up(EDGES) == []


def test_nothing_imports_in_a_circle() -> None:
    assert circles(ALL) == []


def test_no_task_imports_another() -> None:
    """What two tasks share lies beside their folders."""
    folders = {path.parent.name for path in (PACKAGE / "tasks").glob("*/__init__.py")}
    across = []
    for edge in EDGES:
        ends = [
            name.split(".")[2] if name.startswith("humanbench.tasks.") else ""
            for name in (edge.importer, edge.imported)
        ]
        if ends[1] in folders and ends[0] != ends[1]:
            across.append(edge)
    assert across == []


def test_the_drawing_is_of_these_imports() -> None:
    drawn = architecture.drawn(LAYERS, modules(), EDGES)
    assert architecture.PICTURE.read_text(encoding="utf-8") == drawn, "run `python -m tools.architecture`"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A package with an import that runs up, in a function, a circle, and a circle for type checking alone."""
    package = tmp_path / "humanbench"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "data" / "__init__.py").write_text("")
    (package / "text.py").write_text("def late():\n    from humanbench.data import samples\n    return samples\n")
    (package / "data" / "samples.py").write_text("from humanbench.data.images import opened\nimport humanbench.text\n")
    (package / "data" / "images.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import humanbench.data.samples\nopened = 1\n"
    )
    return package


def test_what_is_wrong_would_be_seen(small: Path) -> None:
    edges = imports(small)
    run = [edge for edge in edges if not edge.typing]
    assert running_up(run) == ["humanbench.text:2 (ground) imports humanbench.data.samples (data)"]
    assert circles(run) == [["humanbench.data.samples", "humanbench.text"]]
    assert circles(edges) == [["humanbench.data.images", "humanbench.data.samples", "humanbench.text"]]
    assert Import("humanbench.data.samples", "humanbench.data.images", 1) in edges
    assert Import("humanbench.data.images", "humanbench.data.samples", 3, typing=True) in edges
