"""Boards as LaTeX tables; they need the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from humanbench.export.boards import PaperColumn, PaperTable, boards, cell_texts, shows_interval, text_value
from humanbench.results.cells import CellNumber
from humanbench.results.stored import StoredResult
from humanbench.tasks.registry import task_named

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def latex(entries: Iterable[StoredResult]) -> str:
    """A table environment per board, a tabular per block; the best of a column is bold."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(_board(board) for board in boards(entries))


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it is.

    >>> escape("vit_b 50% \\input{x}")
    'vit\\_b 50\\% \\textbackslash{}input\\{x\\}'
    """
    return re.sub(r"[\\~^<>|&%$#_{}]", lambda match: _SPECIAL[match[0]], text)


def _board(board: PaperTable) -> str:
    note = " Values with $\\pm$: mean over training seeds and half of its 95\\,\\% interval." * board.several_seeds
    lines = [
        r"\begin{table*}[t]",
        r"\centering",
        rf"\caption{{{escape(board.title)}. $\uparrow$ higher, $\downarrow$ lower is better.{note}}}",
    ]
    for number, block in enumerate(board.blocks):
        lines += [r"\par\medskip"] * (number > 0) + _tabular(board, block)
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


def _tabular(board: PaperTable, block: Sequence[PaperColumn]) -> list[str]:
    groups = [(task, len(list(members))) for task, members in groupby(block, key=lambda c: c.card.task)]
    heads = [rf"\multicolumn{{{width}}}{{c}}{{{task_named(task).title}}}" for task, width in groups]
    rules, start = [], 3
    for _, width in groups:
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    metrics = [rf"{escape(c.metric)}\,$\{'up' if c.way.higher_is_better else 'down'}arrow$" for c in block]
    return [
        rf"\begin{{tabular}}{{ll{'c' * len(block)}}}",
        r"\toprule",
        _line(["", "", *heads]),
        "".join(rules),
        _line(["Backbone", "Protocol", *(escape(column.name) for column in block)]),
        _line(["", "", *metrics]),
        r"\midrule",
        *(
            _line([escape(row.backbone), escape(row.regime), *cell_texts(board, row, block, "--", _text)])
            for row in board.rows
        ),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _text(number: CellNumber, best: bool) -> str:
    text = rf"\textbf{{{text_value(number):.1f}}}" if best else f"{text_value(number):.1f}"
    return text + (rf"\,{{\scriptsize$\pm${number.half:.1f}}}" if shows_interval(number) else "")
