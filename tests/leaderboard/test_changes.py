"""What changed since the last build of a site: said once, kept, and never there where nothing did."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

from humanbench.errors import HumanbenchError
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.model.events import Event, by_month, events_of
from humanbench.leaderboard.site import changes
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.site.writing import Site, build_site
from humanbench.results import Result
from tests.leaderboard.made import made_result


def built(place: Path, results: Sequence[Result], withdrawn: str = "") -> Site:
    entries = entries_of(results, seen_by)
    if withdrawn:
        entries[0] = entries[0].__class__(**{**vars(entries[0]), "withdrawn": withdrawn})
    return build_site(place, entries, events_of(entries))


def said(site: Site) -> list[tuple[str, str]]:
    """Title and text of what changed between builds, the newest first."""
    state = json.loads((site.folder / changes.STATE).read_text())
    return [(event["title"], event["text"]) for event in state["events"]]


RESULTS = [made_result("lip", name, value=value) for name, value in (("a", 60.0), ("b", 70.0), ("c", 50.0))]


def test_ranks_entries_and_numbers_that_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")  # 2030-03-17
    assert said(built(tmp_path / "site", RESULTS)) == []
    now = [made_result("lip", "a", value=80.0), *RESULTS[1:], made_result("lip", "new", value=90.0)]
    site = built(tmp_path / "site", now)
    first = [
        ("New entry", "new"),
        ("a", "other numbers: LIP 60.00 → 80.00"),
        ("Ranks: Partial finetuning, claimed", "b 1 → 3, c 3 → 4"),
    ]
    assert said(site) == first
    assert problems(site.folder) == []
    page = (site.folder / "changes.html").read_text()
    assert page.index("March 2030") < page.index("b 1 → 3, c 3 → 4") < page.index("March 2026")
    atom = "{http://www.w3.org/2005/Atom}"
    root = ET.parse(site.folder / "changes.xml").getroot()
    assert root.findtext(f"{atom}updated") == "2030-03-17T00:00:00Z"
    assert "b 1 → 3, c 3 → 4" in {entry.findtext(f"{atom}summary") for entry in root.iter(f"{atom}entry")}
    again = built(tmp_path / "site", now)
    assert said(again) == first, "nothing has changed"
    gone = built(tmp_path / "site", now[1:])
    assert said(gone) == [
        ("No longer given", "a"),
        ("Ranks: Partial finetuning, claimed", "b 3 → 2, c 4 → 3"),
        *first,
    ]
    assert len({event["anchor"] for event in json.loads((gone.folder / changes.STATE).read_text())["events"]}) == 5


def test_metric_software_and_withdrawal(tmp_path: Path) -> None:
    site = built(tmp_path / "site", RESULTS)
    path = site.folder / changes.STATE
    state = json.loads(path.read_text())
    state["humanbench"], state["metrics"]["lip"] = "0.0.1", "pACC"
    path.write_text(json.dumps(state))
    found = said(built(tmp_path / "site", RESULTS, "<b>wrong</b> weights"))
    assert [text for _, text in found][:3] == [
        "builds the site now, before it was 0.0.1",
        "is ranked by mIoU, before by pACC",
        "withdrawn: <b>wrong</b> weights",
    ]
    assert "<b>wrong" not in (tmp_path / "site/changes.html").read_text()


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 2}', '{"schema_version": 1}', "[" * 100_000])
def test_a_state_that_is_none_is_refused_and_nothing_of_the_site_is_lost(tmp_path: Path, text: str) -> None:
    """It is the history of all builds: a new one in its place would be the end of it."""
    path = built(tmp_path / "site", RESULTS).folder / changes.STATE
    path.write_text(text)
    page = (tmp_path / "site/index.html").read_bytes()
    with pytest.raises(HumanbenchError, match="it holds the history of the builds of this site, so nothing was built"):
        built(tmp_path / "site", RESULTS)
    assert (path.read_text(), (tmp_path / "site/index.html").read_bytes()) == (text, page)
    path.unlink()
    assert said(built(tmp_path / "site", RESULTS)) == []


def test_many_moves_are_counted(tmp_path: Path) -> None:
    results = [made_result("lip", f"net{i:02}", value=50.0 + i) for i in range(20)]
    built(tmp_path / "site", results)
    ((_, new), (_, ranks)) = said(built(tmp_path / "site", [*results, made_result("lip", "best", value=90.0)]))
    assert new == "best"
    assert ranks.startswith("net19 1 → 2, net18 2 → 3")
    assert ranks.endswith(", and 12 more")


def test_months_are_headings() -> None:
    events = [Event(day, day, "", "", "") for day in ("2026-03-14", "2026-03-01", "2023-12-31")]
    months = [(key, name, len(found)) for key, name, found in by_month(events)]
    assert months == [("2026-03", "March 2026", 2), ("2023-12", "December 2023", 1)]
