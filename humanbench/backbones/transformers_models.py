"""Networks of transformers."""

from __future__ import annotations

from typing import Any

BUILDER = "humanbench.backbones.transformers_models:build"


def check_known(document: dict[str, Any], name: str) -> None:
    """x"""
