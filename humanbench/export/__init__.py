"""`export`: results as tables in the paper's layout, as CSV, and as model-card metadata."""

from __future__ import annotations

import os
from typing import Literal, get_args

from humanbench.errors import HumanbenchError
from humanbench.results.stored import read_stored
from humanbench.text import nearest

Form = Literal["model-card", "latex", "markdown", "csv"]
FORMS: tuple[Form, ...] = get_args(Form)
Kind = Literal["real", "synthetic"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PathLike = str | os.PathLike[str]

_ONE_TABLE = ("model-card", "csv")
"""Forms that hold everything in one place, and so cannot hold synthetic and real numbers."""


def export(*runs: PathLike, form: str = "markdown", only: str | None = None, name: str | None = None) -> str:
    """Results of run folders and results files as text in a form: model-card, latex, markdown or csv.

    Synthetic numbers, and those of a subset, are labelled and in tables of their own. `only` keeps `real` or
    `synthetic` results. `name` is the model's name on its card (default: the backbone's).

    Raises `ResultError` for what is no run, `HumanbenchError` for an unknown form and for results that do not go
    together: synthetic and real ones where there is one table, or two of one cell and seed.
    """
    for given, known, what in ((form, FORMS, "form"), (only, KINDS, "kind of results")):
        if given is not None and given not in known:
            raise HumanbenchError(f"no {what} is called {given!r}{nearest(given, list(known))} ({', '.join(known)})")
    stored = read_stored(runs)
    entries = [entry for entry in stored if only is None or entry.result.synthetic == (only == "synthetic")]
    if not entries:
        raise HumanbenchError(f"none of {len(stored)} results is {only}")
    if form in _ONE_TABLE and len({entry.result.synthetic for entry in entries}) > 1:
        raise HumanbenchError(
            f"these runs hold real and synthetic results, which do not go into one {form}: choose with --only real or "
            "--only synthetic"
        )
    if form == "model-card":
        from humanbench.export.model_card import model_card

        return model_card(entries, name)
    if form == "csv":
        from humanbench.export.table import csv_table

        return csv_table(entries)
    from humanbench.export.latex import latex
    from humanbench.export.markdown import markdown

    return latex(entries) if form == "latex" else markdown(entries)
