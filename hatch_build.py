"""The README and the addresses as a package index shows them: a hook of hatchling.

An index shows the README away from its repository, so its relative links and pictures would be dead there. At a release
`$HUMANBENCH_REPOSITORY` says where the repository lives (https://github.com/OWNER/humanbench), and they become
addresses at the version's tag. Without it nothing is guessed: links are left as their text, pictures out.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).parent
PAPER = "https://arxiv.org/abs/2303.05675"
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<to>[^)\s]+)\)")


def as_shown(readme: str, repository: str, version: str) -> str:
    """The README with addresses in place of its relative links, or without them where no repository is known."""

    def link(found: re.Match[str]) -> str:
        text, to = found["text"], found["to"]
        if re.match(r"[a-z]+:|#", to):
            return found[0]
        if not repository:
            return "" if found["picture"] else text
        kind = "raw" if found["picture"] else "blob"
        return f"{found['picture']}[{text}]({repository}/{kind}/v{version}/{to})"

    return _LINK.sub(link, readme)


def addresses(repository: str) -> dict[str, str]:
    """Links beside the package; those of the repository where it is known."""
    urls = {"Paper of the benchmark": PAPER}
    if repository:
        urls |= {
            "Repository": repository,
            "Issues": f"{repository}/issues",
            "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        }
    return urls


class CustomMetadataHook(MetadataHookInterface):
    """Fills `readme` and `urls`, which pyproject.toml declares as dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling with the project's metadata."""
        repository = os.environ.get("HUMANBENCH_REPOSITORY", "").rstrip("/")
        if repository and not re.fullmatch(r"https://[^\s/]+/\S+", repository):
            raise ValueError(f"HUMANBENCH_REPOSITORY is {repository!r}; expected https://HOST/OWNER/NAME")
        found = re.search(r'__version__ = "([^"]+)"', (ROOT / "humanbench" / "_version.py").read_text(encoding="utf-8"))
        assert found is not None
        text = as_shown((ROOT / "README.md").read_text(encoding="utf-8"), repository, found[1])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = addresses(repository)
