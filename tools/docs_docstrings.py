"""Docstrings for the reference on the site: an extension of Griffe, since Markdown reads doctests as quotations."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).+)*", re.M)


def fenced(text: str) -> str:
    """A docstring whose doctests are code.

    >>> fenced("Adds.\\n\\n>>> 1 + 1\\n2\\n\\nAnd that is all.")
    'Adds.\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```\\n\\nAnd that is all.'
    """
    return _EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", text)


class Doctests(griffe.Extension):
    """Puts doctests into fences."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by Griffe for everything that it has read."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
