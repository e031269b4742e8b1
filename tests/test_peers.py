"""The page of peers says of humanbench what humanbench does, and of pycocotools what the one installed here does."""

from __future__ import annotations

from collections import Counter
from importlib import metadata

import pytest

from tools.peers.__main__ import OURS, PAGE, PEERS, SECTIONS, answers
from tools.peers.cases import all_cases

TEXT = PAGE.read_text(encoding="utf-8")


def column(tool: str) -> dict[str, str]:
    """The page's values of one tool, by the words of the input and the kind of table."""
    values = {}
    for section in SECTIONS:
        lines = TEXT.split(f"## {section.title}\n")[1].split("\n## ")[0].splitlines()
        head, _, *rows = [line.replace(r"\|", "¦").strip("|").split("|") for line in lines if line.startswith("|")]
        places = [i for i, cell in enumerate(head) if cell.split()[0] == tool]
        for row in rows if places else ():
            values[f"{section.title}: {row[0].strip()}"] = row[places[0]].strip().strip("*")
    return values


def expected(tool: str) -> dict[str, str]:
    _, found = answers(tool, all_cases())
    titles = {kind: section.title for section in SECTIONS for kind in section.kinds}
    shown = {
        case.kind
        for section in SECTIONS
        if tool in (*section.tools, OURS)
        for case in all_cases()
        if case.kind in section.kinds
    }
    return {f"{titles[c.kind]}: {c.words}": found.get(c.name, "–") for c in all_cases() if c.kind in shown}


def test_our_column_is_what_we_compute() -> None:
    assert column(OURS) == expected(OURS)


def test_pycocotools_column_is_what_it_computes() -> None:
    version = PEERS["pycocotools"][0].partition("==")[2]
    if metadata.version("pycocotools") != version:
        pytest.skip(f"pycocotools is {metadata.version('pycocotools')} here, the page is about {version}")
    assert column("pycocotools") == expected("pycocotools")


def test_every_input_stands_on_the_page_once() -> None:
    rows = Counter(line.split("|")[1].strip() for line in TEXT.splitlines() if line.startswith("| "))
    assert {case.words for case in all_cases()} <= set(rows)
    assert {case.official for case in all_cases()} <= {"", OURS, *PEERS}
    assert {tool for section in SECTIONS for tool in section.tools} == set(PEERS)
