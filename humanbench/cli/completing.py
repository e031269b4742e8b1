"""What a shell suggests as values; names alone, so that Tab answers before any card is read."""

from __future__ import annotations

import click


def dataset_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of the datasets that come with the package: their cards are called so."""
    from humanbench.paths import shipped

    return sorted(path.stem for path in shipped("datasets").glob(f"{_plain(incomplete)}*.toml"))


def _plain(text: str) -> str:
    """What was typed as far as it can begin an id."""
    return "".join(c for c in text if c.isalnum() or c == "_")
