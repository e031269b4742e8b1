"""What a comparison looks like: text, Markdown, JSON, JUnit, notebooks; nothing of it can be injected."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import humanbench
from humanbench.comparison.formats import folded_rows
from tests.evaluated import run as command
from tests.made_runs import COMPARED, report_of, write_compared, write_run

HOSTILE = "<script>alert(1)</script> |\u202e[x](http://x) @all `a` ![i](j) # *b* " + "x" * 10_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_compared(tmp_path_factory.mktemp("formats"))


def test_names_cannot_inject_markup(made: Path, tmp_path: Path) -> None:
    hostile = write_run(tmp_path / "new", made / "data", ["pa100k"], 0.2, backbone=HOSTILE, variant=HOSTILE)
    report = humanbench.compare(hostile, hostile, made / "data")
    text = report.to_markdown()
    for bad in ("<script", "\u202e", "[x]", "@all", "`", "![i]", "*b*"):
        assert bad not in text.replace("### humanbench", "").replace("**mini", "")
    assert len(text) < 10_000
    rows = [line for line in text.splitlines() if line.startswith("| pa100k")]
    assert [line.count("|") for line in rows] == [10]
    suite = ET.fromstring(report.to_junit()).find("testsuite")
    assert suite is not None
    assert "<script>" in suite.attrib["name"]
    assert command("compare", hostile, hostile, "--data-root", made / "data").exit_code == 0


def test_formats_say_the_same(made: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"report{suffix}" for suffix in (".md", ".json", ".xml")]
    args = ["compare", made / "base", made / "poor", "--data-root", made / "data"]
    saved = command(*args, "--format", "markdown", *(part for file in files for part in ("--save", file)))
    assert saved.stdout == files[0].read_text()
    document = json.loads(files[1].read_text())
    assert json.loads(command(*args, "--json").stdout) == document
    assert document["cells"][0]["verdict"] == "worse"
    assert "1 regression in 2 cells" in saved.stdout
    assert f"| {document['cells'][0]['base']:.2f} | {document['cells'][0]['new']:.2f} |" in saved.stdout
    root = ET.fromstring(files[2].read_text())
    assert [(s.attrib["tests"], s.attrib["failures"]) for s in root] == [("3", "2")]
    assert [case.attrib["name"] for case in root.iter("testcase")] == [*COMPARED, "together: overall"]
    assert all("regression" in (f.attrib["message"]) for f in root.iter("failure"))
    frame = humanbench.compare(made / "base", made / "poor", made / "data").to_frame()
    assert list(frame["dataset"]) == list(COMPARED)


def test_what_is_in_one_run_alone_is_one_test_case(made: Path, tmp_path: Path) -> None:
    """Of one comparable cell there is no row of cells together, and why is said."""
    common = humanbench.compare(made / "base", made / "poor", made / "data")
    first = common.cells[0]
    lone = [
        first.model_copy(update={"dataset": name, "verdict": "not comparable", "problem": "only in BASE"})
        for name in ("lip", "cihp", "peta", "mpii")
    ]
    report = common.model_copy(update={"cells": (first, *lone), "together": (), "averages": ()})
    (suite,) = ET.fromstring(report.to_junit())
    assert (suite.get("tests"), suite.get("skipped")) == ("2", "1")
    assert [case.get("name") for case in suite] == [first.dataset, "4 cells"]
    assert "lip, cihp, peta, mpii" in str(suite[1].findtext("system-out"))
    said = "Nothing is judged together: that takes two cells of a board that can be compared"
    assert said in report.to_markdown()
    assert "weighted change" not in report.to_markdown(), "a note on what is not there"
    assert said not in common.to_markdown()
    none = report.model_copy(update={"cells": tuple(lone)})
    assert "<sub>" not in none.to_markdown()


def test_the_note_under_unpaired_cells_does_not_speak_of_pairs(made: Path) -> None:
    paired = humanbench.compare(made / "base", made / "poor", made / "data").to_markdown()
    unpaired = humanbench.compare(made / "base", made / "poor", made / "nowhere").to_markdown()
    assert "paired resamples" in paired
    assert "paired resamples" not in unpaired
    assert "unpaired: from the recorded intervals" in unpaired


def test_what_is_in_one_run_alone_is_one_row_and_no_cell_is_lost() -> None:
    alone = [report_of(verdict="not comparable", problem="only in BASE", dataset=f"d{n}") for n in range(17)]
    other = report_of(verdict="not comparable", problem="only in NEW", dataset="e")
    cells = [report_of(verdict="better", base=1.0, new=9.0), *alone, other]
    rows = [row for row, _ in folded_rows(cells)]
    assert [row[0] for row in rows] == ["x", "17 cells", "e"]
    names = ", ".join(f"d{n}" for n in range(17))
    assert rows[1][-1] == f"not comparable: only in BASE ({names})"
    assert [row[0] for row, _ in folded_rows(cells[:3])] == ["x", "d0", "d1"]


def test_a_comparison_is_its_tables_when_printed_and_in_a_notebook(made: Path) -> None:
    report = humanbench.compare(made / "base", made / "poor", made / "data")
    first, head, *rows = str(report).splitlines()
    assert repr(report) == str(report)
    assert first.startswith("1 regression in 2 cells: ")
    assert head.split()[-3:] == ["(Holm)", "detects", "verdict"]
    assert len(rows) == len(COMPARED) + 2  # the head and the one row of all cells together
    assert "▼ regression" in report._repr_html_()
    evil = report.model_copy(update={"base": "<script>\n"})
    assert "<script>" not in evil._repr_html_()
    assert "&lt;script&gt;" in evil._repr_html_()
