"""What the site of the documentation is made of beside the pages under docs/: a hook of MkDocs (`make docs`).

Three things come in: pages that lie elsewhere in the repository (`OUTSIDE`), notebooks as pages, and the reference of
metrics and of what the verbs return. Pages are written so that their links work in the repository; here, and nowhere
else, they are turned into those of the site. A link to what is not on the site (a licence file, code) becomes its text.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = "docs"
OUTSIDE = {
    "README.md": "front-page.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "tests/seventh_task/README.md": "seventh-task.md",
}
"""Pages outside docs/ that are on the site: path in the repository, address on the site."""
REFERENCE = "reference.md"
RETURNED = (
    "humanbench.results.loading.Results", "humanbench.results.record.Result", "humanbench.scoring.ScoreReport",
    "humanbench.comparison.comparison.Comparison", "humanbench.backbones.backbone.Backbone",
    "humanbench.backbones.features.Features", "humanbench.cards.DatasetCard", "humanbench.tasks.base.Task",
)  # fmt: skip
"""What the verbs of the package return, and what those hold."""
SCORES = "humanbench.metrics.scores.Scores"
STYLE = """\
.md-grid { max-width: 80rem; }
.md-typeset table code { word-break: normal; }
.md-typeset thead:not(:has(th:not(:empty))) { display: none; }
.md-typeset pre > code { padding-right: 2.5rem; }
"""
"""Tables and commands are wide, and so is a desk. No name is broken in the middle of a word, as tables scroll; a head
without a word is none; the end of a command can be scrolled to beside the button that copies it."""
_CODE = re.compile(r"^(?P<fence>```|~~~).*?^(?P=fence)[^\n]*$|^(?: {4,}|\t)[^\n]*$|`[^`\n]+`", re.M | re.S)
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<to>[^)\s]+)\)")


def address(path: str) -> str | None:
    """Where a file of the repository is on the site; None where it is not there.

    >>> address("docs/tasks/pose.md"), address("CHANGELOG.md"), address("LICENSE")
    ('tasks/pose.md', 'changelog.md', None)
    """
    if path in OUTSIDE:
        return OUTSIDE[path]
    if not path.startswith(f"{DOCS}/") or not (ROOT / path).is_file():
        return None
    inner = path.removeprefix(f"{DOCS}/")
    return f"{inner.removesuffix('.ipynb')}.md" if inner.endswith(".ipynb") else inner


def source(page: str) -> str:
    """The path in the repository of a page of the site."""
    return {there: here for here, there in OUTSIDE.items()}.get(page, f"{DOCS}/{page}")


def for_site(text: str, page: str) -> str:
    """A page with links that lead to pages of the site; `page` is its own address there."""
    folder = posixpath.dirname(source(page))

    def link(found: re.Match[str]) -> str:
        target, _, anchor = found["to"].partition("#")
        if re.match(r"[a-z]+:", found["to"]) or not target:
            return found[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        there = address(path)
        if there is None:
            if not (ROOT / path).exists():
                return found[0]  # a dead link stays one, for the strict build to find
            return found["text"]
        to = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{found['picture']}[{found['text']}]({to}{'#' if anchor else ''}{anchor})"

    return outside_code(text, lambda part: _LINK.sub(link, part))


def outside_code(text: str, change: Any) -> str:
    """The text with `change` applied to all that is no code."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        # a code span within a link's text belongs to the link
        if code[0].startswith("`") and not code[0].startswith("```") and _in_link(text, code.start(), code.end()):
            continue
        parts += [change(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, change(text[end:])])


def _in_link(text: str, start: int, end: int) -> bool:
    before = text.rfind("[", max(0, start - 200), start)
    return before >= 0 and "]" not in text[before:start] and re.match(r"[^\[\]\n]*\]\(", text[end:]) is not None


def notebook_page(path: Path) -> str:
    """A notebook as a page: its texts, and its code in fences. Outputs are not stored, so there are none."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"]).strip("\n")
        parts.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
    parts.insert(1, f"[The notebook]({path.name}){{ download }}")
    return "\n\n".join(parts) + "\n"


def reference() -> str:
    """The page of what the verbs return, and of the metrics, from their docstrings; docs/python.md has the verbs."""
    from humanbench import metrics

    # Some metrics are called like the module that holds them, so each is named by where it is defined.
    measures = [f"humanbench.metrics.{module}.{name}" for name, module in metrics._WHERE.items()]
    lines = ["# Reference", "From the docstrings. The verbs, with every argument, are under [From Python](python.md)."]
    for title, paths in (("What the verbs return", RETURNED), ("Metrics", (SCORES, *measures))):
        lines += [f"## {title}", *(f"::: {path}" for path in paths)]
    return "\n\n".join(lines) + "\n"


def on_files(files: Any, config: Any) -> Any:
    """MkDocs: the pages that come in."""
    from mkdocs.structure.files import File

    made = {there: (ROOT / here).read_text(encoding="utf-8") for here, there in OUTSIDE.items()}
    for path in sorted((ROOT / DOCS).rglob("*.ipynb")):
        there = address(path.relative_to(ROOT).as_posix())
        assert there is not None
        made[there] = notebook_page(path)
    made |= {REFERENCE: reference(), "site.css": STYLE}
    for there, text in made.items():
        files.append(File.generated(config, there, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """MkDocs: a page's links."""
    here = page.file.src_uri
    return markdown if here == REFERENCE or here.startswith("notebooks/") else for_site(markdown, here)
