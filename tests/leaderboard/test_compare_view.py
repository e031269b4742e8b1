"""Two entries side by side: never another verdict than the ranks', with and without scripts, no page per pair."""

from __future__ import annotations

import json
import math
from itertools import permutations
from pathlib import Path

import html5lib
import pytest

import humanbench
from humanbench.cards import load_card
from humanbench.comparison.matching import ground_of, incompatible
from humanbench.leaderboard.model.boards import EntryPairs, boards, counts
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.site.pages.compare import PAIRED, TABLES
from humanbench.leaderboard.site.writing import build_site
from tests.evaluated import write_dataset
from tests.leaderboard.made import made_result, made_run
from tests.made_runs import write_run

VALUES = {"lip": (70.0, 60.0, 69.8), "atr": (95.0, 94.9, 90.0), "caltech": (50.0, 20.0, 49.0)}


def test_a_difference_is_what_the_ranks_say() -> None:
    results = [made_result(d, n, value=v) for d, row in VALUES.items() for n, v in zip("abc", row, strict=True)]
    results += [made_result("cihp", "a")]
    (ranked,) = boards(entries_of(results, seen_by))[0].ranked()
    pairs = EntryPairs(ranked)
    for first, second in permutations(range(3), 2):
        there, back = pairs.between(first, second), pairs.between(second, first)
        for one, other in zip(there, back, strict=True):
            ranks = ranked.ranking.columns[ranked.columns.index(one.dataset)]
            if one.dataset == "cihp":
                assert one.side == "absent"
                assert math.isnan(one.value)
                continue
            said = "better" if ranks.apart(second, first) else "worse" if ranks.apart(first, second) else "open"
            assert one.side == said
            assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
            if said != "open":  # corrected for several datasets, so the plain interval is the narrower one
                assert one.low > 0 or one.high < 0
    names = [entry.backbone for entry in ranked.entries]
    assert counts(pairs.between(names.index("a"), names.index("b"))) == (1, 1, 1)


def test_other_recipes_data_or_versions_have_no_difference() -> None:
    """Of an own recipe two entries may differ; a mark is shared exactly where nothing forbids the difference."""
    one = made_result("lip", "one")
    assert one.provenance is not None
    changes = [
        {"cell": one.cell.model_copy(update={"recipe_sha256": "0" * 64})},
        {"cell": one.cell.model_copy(update={"humanbench": "1"})},
        {"cell": one.cell.model_copy(update={"inputs": {"a": "b"}})},
        {"split": "test"},
        {"provenance": one.provenance.model_copy(update={"dataset_fingerprint": "0" * 64})},
        {"synthetic": True},
    ]
    for change in changes:
        other = one.model_copy(update=change)
        assert ground_of(one) != ground_of(other)
        assert list(incompatible(one, other))
    assert list(incompatible(one, made_result("lip", "other"))) == []
    assert ground_of(one) == ground_of(made_result("lip", "other"))
    strange = made_result("lip", "two", value=90.0).model_copy(update=changes[4])
    (ranked,) = boards(entries_of([one, strange], seen_by))[0].ranked()
    (found,) = EntryPairs(ranked).between(0, 1)
    assert (found.side, math.isnan(found.value)) == ("not comparable", True)


def test_it_never_says_more_than_compare(tmp_path: Path) -> None:
    """Without predictions at hand the intervals are those of `compare`, to what its draws allow."""
    names = ("pa100k", "shanghaitech_a")
    for name in names:
        write_dataset(load_card(name), tmp_path / "data")
    runs = [write_run(tmp_path / n, tmp_path / "data", names, s, seeds=(0, 1)) for n, s in (("a", 0.1), ("b", 0.9))]
    report = json.loads(humanbench.compare(*runs, tmp_path / "nowhere").to_json())
    results = [r for run in runs for r in humanbench.load_results(run)]
    (ranked,) = boards(entries_of(results, seen_by))[0].ranked()
    place = {entry.backbone: i for i, entry in enumerate(ranked.entries)}
    found = {one.dataset: one for one in EntryPairs(ranked).between(place["a"], place["b"])}
    for cell in report["cells"]:
        one = found[cell["dataset"]]
        assert one.value == pytest.approx(cell["difference"])
        assert {"open": "no difference"}.get(one.side, one.side) == cell["verdict"]
        assert one.high - one.low == pytest.approx(cell["high"] - cell["low"], rel=0.2)


def test_the_first_pairs_have_pages_and_all_entries_a_file(tmp_path: Path) -> None:
    results = [made_result(d, f"net{i}", value=60 + i) for i in range(10) for d in ("lip", "pa100k")]
    results += [made_result("lip", f"net{i}", "full", value=60 + i) for i in range(2)]
    entries = entries_of(results, seen_by)
    site = build_site(tmp_path / "site", entries, []).folder
    assert problems(site) == []
    assert len(list((site / "compare").glob("*.html"))) == PAIRED * (PAIRED - 1) // 2 + 1
    assert {p.stem for p in (site / "data/compare").glob("*.js")} == {"index", *(entry.id for entry in entries)}
    (page,) = (site / "compare").glob("net9-partial-*--net8-partial-*.html")
    root = html5lib.parse(page.read_text(), namespaceHTMLElements=False)
    rows = [["".join(c.itertext()) for c in row] for row in root.find(".//table/tbody") if row.get("class") != "group"]
    assert [row[3] for row in rows if row[0].startswith("LIP")] == ["-1.00-2.31 to 0.31not told apart"]
    (both,) = (site / "compare").glob("net1-full-*--net0-full-*.html")
    assert "The same two backbones" not in both.read_text()  # of the partial board, they are not among the first


def test_many_boards_do_not_make_many_pages(tmp_path: Path) -> None:
    results = [made_result("lip", f"net{i}", subset=f"part{b}") for b in range(TABLES + 3) for i in range(2)]
    site = build_site(tmp_path / "site", entries_of(results, seen_by), []).folder
    assert len(list((site / "compare").glob("*.html"))) == TABLES


def test_files_for_the_script_hold_no_markup(tmp_path: Path) -> None:
    results = [r for name in ("</script><script>alert(1)", "\u2028x") for r in made_run(name)[:2]]
    site = build_site(tmp_path / "site", entries_of(results, seen_by), []).folder
    for path in (site / "data/compare").glob("*.js"):
        assert "<" not in path.read_text()
        assert "\u2028" not in path.read_text()
