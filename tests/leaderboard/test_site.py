"""The site as files: valid, complete, repeatable, and unimpressed by hostile names and numbers."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import html5lib
import pytest

from humanbench.cards import cards
from humanbench.leaderboard.model.boards import boards, heads_to_heads
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.model.events import events_of
from humanbench.leaderboard.site.html_check import problems
from humanbench.leaderboard.site.pages.entries import rerun_commands
from humanbench.leaderboard.site.serve import server_of
from humanbench.leaderboard.site.writing import MARK, SiteError, build_site
from humanbench.results import Result
from tests.evaluated import run
from tests.leaderboard.made import made_result, made_run

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "abc\u202egnp.exe\u2066",
    "x" * 10_240,
    "../../etc/passwd",
    '=HYPERLINK("http://evil")',
    "{{ 7*7 }}{% raw %}",
    "\x00\x1b[31m",
    "",
    "😀 café 模型",
]


def built(folder: Path, results: Sequence[Result], rescored: Sequence[str] = ()) -> Path:
    """A site of results, those of the named backbones rescored."""
    evidence = {r.cell.id: "rescored" for r in results if r.backbone in rescored}
    entries = entries_of(results, seen_by, evidence)  # type: ignore[arg-type]
    return build_site(folder, entries, events_of(entries)).folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two regimes, two kinds of evidence, synthetic results and a subset."""
    results = [
        *made_run("path_vitb", strength=1),
        *made_run("mae_vitb"),
        *made_run("clip_vitb", "full", seen=None),
        *made_run("mae_vitb", suite="mini", synthetic=True)[:3],
        made_result(subset="first100"),
    ]
    return built(tmp_path_factory.mktemp("site") / "site", results, ["path_vitb"])


def test_pages_are_valid_and_every_link_leads_somewhere(site: Path) -> None:
    assert problems(site) == []


def test_there_is_a_page_for_everything(site: Path) -> None:
    names = {p.relative_to(site).as_posix() for p in site.rglob("*.html")}
    assert {"index.html", "published.html", "datasets.html", "reading.html", "changes.html"} <= names
    assert {f"tasks/{t}.html" for t in ("reid", "pose", "parsing", "attribute", "detection", "counting")} <= names
    assert {n for n in names if n.startswith("datasets/")} == {f"datasets/{name}.html" for name in cards()}
    assert sum(n.startswith("entries/") for n in names) == 5
    assert {"boards/humanbench-v1-partial.html", "boards/humanbench-v1-partial-unseen-task.html"} <= names
    assert {"boards/mini-partial-synthetic.html"} <= names
    assert any(n.startswith("boards/humanbench-v1-partial-subset-first100") for n in names)


def test_a_board_has_19_columns_by_task_with_arrows(site: Path) -> None:
    root = html5lib.parse((site / "boards/humanbench-v1-partial.html").read_text(), namespaceHTMLElements=False)
    table = next(t for t in root.iter("table") if t.get("id") == "board-rescored")
    tasks, heads = table.find("thead").findall("tr")
    spans = {"".join(th.itertext()): int(th.get("colspan")) for th in tasks.findall("th")}
    assert spans.pop("cost") == 2
    assert spans == {"parsing": 4, "reid": 4, "detection": 2, "pose": 4, "attribute": 3, "counting": 2}
    texts = ["".join(th.itertext()) for th in heads.findall("th")][5:]
    assert len(texts) == 19
    assert [("↓" in text) for text in texts] == [t.split("lower")[0] != t for t in texts]
    assert sum("↓" in text for text in texts) == 4  # Caltech, Human3.6M pose, ShanghaiTech A and B


def test_a_backbone_has_its_regimes_side_by_side(tmp_path: Path) -> None:
    results = [
        made_result(d, "mae_vitb", r, value=v)
        for d, r, v in (
            ("lip", "partial", 61.0),
            ("lip", "full", 64.0),
            ("caltech", "partial", 30.0),
            ("caltech", "full", 31.0),
        )
    ]
    results += [made_result("lip", "timm:alone", value=62.5)]
    site = built(tmp_path / "site", results)
    assert problems(site) == []
    (page,) = (site / "backbones").glob("*.html")
    root = html5lib.parse(page.read_text(), namespaceHTMLElements=False)
    table = next(t for t in root.iter("table"))
    heads = [th.find("a") for th in table.find("thead").iter("th")][1:]
    assert [a.text for a in heads] == ["Full finetuning", "Partial finetuning"]
    assert all((page.parent / a.get("href")).is_file() for a in heads)
    rows = {
        row.find("th").find("a").text: row.findall("td") for row in table.find("tbody") if row.find("th/a") is not None
    }
    assert [(td.text.strip(), "best" in td.get("class", "")) for td in rows["LIP"]] == [("64.0", True), ("61.0", False)]
    assert [(td.text.strip(), "best" in td.get("class", "")) for td in rows["Caltech"]] == [
        ("31.0", False),
        ("30.0", True),
    ]
    listed = (site / "backbones.html").read_text()
    assert f'href="backbones/{page.name}"' in listed
    assert re.search(r'href="entries/timm-alone-partial-[0-9a-f]+.html"', listed), "one entry is its own page"
    assert "1 of 2" in listed
    (entry,) = (site / "entries").glob("mae-vitb-full-*.html")
    assert f"../backbones/{page.name}" in entry.read_text()


def test_an_entry_stands_beside_its_neighbours_as_the_ranks_tell_them_apart(tmp_path: Path) -> None:
    """First and second: better on LIP beyond doubt, within the noise on ATR, worse on Caltech; CIHP has one of them."""
    values = {"lip": (70.0, 60.0), "atr": (95.0, 94.9), "caltech": (50.0, 20.0)}
    results = [
        made_result(d, n, value=v) for d, pair in values.items() for n, v in zip(("one", "two"), pair, strict=True)
    ]
    results += [made_result("cihp", "one")]
    entries = entries_of(results, seen_by)
    (ranked,) = boards(entries)[0].ranked()
    found = {beside[0].other.backbone: beside[0] for beside in heads_to_heads(ranked).values()}
    assert [(n.better, n.worse, n.open, n.shared) for n in (found["two"], found["one"])] == [(1, 1, 1, 3), (1, 1, 1, 3)]
    for dataset, column in zip(ranked.columns, ranked.ranking.columns, strict=True):
        surely = column.surely_better()
        names = [entry.backbone for entry in ranked.entries]
        if dataset != "cihp":
            a, b = names.index("one"), names.index("two")
            better, worse = (a, b) if dataset != "caltech" else (b, a)
            assert surely[better, worse] == column.apart(better, worse) == (dataset != "atr")
            assert not surely[worse, better]
    site = build_site(tmp_path / "site", entries, []).folder
    (page,) = (site / "entries").glob("one-*.html")
    assert "Beside its neighbours" in page.read_text()
    assert problems(site) == []


def test_columns_without_a_value_are_a_line_that_unfolds(tmp_path: Path) -> None:
    results = [made_result(d, name) for name in ("mae_vitb", "clip_vitb") for d in ("lip", "caltech")]
    site = built(tmp_path / "site", results)
    assert problems(site) == []
    for page in ("index.html", "boards/humanbench-v1-partial.html"):
        text = (site / page).read_text()
        assert "<summary>17 empty columns</summary>" in text
        table = text[text.index("<table") : text.index("</table>")]
        assert "datasets/lip.html" in table
        assert "datasets/atr.html" not in table
        assert ">–<" not in table


def test_what_an_entry_costs_stands_in_columns(tmp_path: Path) -> None:
    small, large = made_result("lip", "small"), made_result("lip", "much_larger")
    assert small.provenance is not None
    timed = small.provenance.model_copy(update={"images_per_second": {"forward_1_fp32": 80.0}})
    small = small.model_copy(update={"provenance": timed})
    text = (built(tmp_path / "site", [small, large]) / "boards/humanbench-v1-partial.html").read_text()
    cells = {
        name: re.findall(r"<td>(.*?)</td>", text[text.index(f'data-backbone="{name}"') :])[:3]
        for name in ("small", "much_larger")
    }
    assert cells == {"small": ["86.4", "20.0", "12.5"], "much_larger": ["86.4", "44.0", "–"]}
    assert "milliseconds for one picture (batch 1, fp32, NVIDIA H100)" in text
    slow = small.model_copy(update={"provenance": timed.model_copy(update={"device": "cpu, 2 threads"})})
    text = (built(tmp_path / "cpu", [slow, large]) / "boards/humanbench-v1-partial.html").read_text()
    assert not re.search("Latency(</span>|, ms)", text), "which processor it was, nobody knows"


def test_ranks_stand_against_every_cost_in_which_entries_differ(tmp_path: Path) -> None:
    small, large = made_result("lip", "small", value=60), made_result("lip", "much_larger", value=70)
    assert large.provenance is not None
    faster = large.provenance.model_copy(update={"images_per_second": {"predict": 9e4, "forward_32_fp32": 5.0}})
    large = large.model_copy(update={"trainable": 30_000_000, "provenance": faster})
    text = (built(tmp_path / "site", [small, large]) / "boards/humanbench-v1-partial.html").read_text()
    for cost in (
        "parameters",
        "GFLOPs of the backbone per picture (a multiply-add is two)",
        "trained parameters",
        f"images per second (batch 32, fp32, {faster.device})",
    ):
        assert f"<title>Mean rank and {cost}</title>" in re.sub(r' id="[^"]*"', "", text)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "site/data/results.csv").read_text())))
    assert {row["backbone"]: float(row["gflops"]) for row in rows} == {"small": 20.0, "much_larger": 44.0}
    speeds = {row["backbone"]: (row["images_per_second"], row["latency_ms"], row["speed_precision"]) for row in rows}
    assert speeds == {"small": ("320.0", "", "fp32"), "much_larger": ("5.0", "", "fp32")}
    assert {row["speed_device"] for row in rows} == {faster.device}
    (page,) = (tmp_path / "site/entries").glob("small-*.html")
    assert "20 in the backbone" in page.read_text()
    elsewhere = faster.model_copy(update={"device": "another"})
    apart = [small, large.model_copy(update={"provenance": elsewhere})]
    assert (
        "images per second" not in (built(tmp_path / "apart", apart) / "boards/humanbench-v1-partial.html").read_text()
    )
    twins = [made_result("lip", "one", value=60), made_result("lip", "two", value=61)]
    assert "Mean rank and" not in (built(tmp_path / "same", twins) / "boards/humanbench-v1-partial.html").read_text()


def test_labels_are_shown(site: Path) -> None:
    text = (site / "index.html").read_text()
    for label in ("published", "rescored", "claimed", "synthetic", "subset first100"):
        assert f">{label}</span>" in text


def test_an_entry_says_how_to_run_it_again(site: Path) -> None:
    (path,) = (site / "entries").glob("clip-vitb-full-*.html")
    text = path.read_text()
    assert "humanbench eval --backbone clip_vitb --protocol full --datasets human36m_parsing,lip," in text
    result = made_run("clip_vitb", "full", seen=None)[0]
    assert result.provenance is not None
    for hash_ in (result.cell.weights_sha256, result.cell.recipe_sha256, result.provenance.predictions_sha256):
        assert hash_ in text
    record = json.loads((site / "data/entries" / f"{path.stem}.json").read_text())
    assert len(record["results"]) == 19


def test_running_again_takes_architecture_and_overrides(tmp_path: Path) -> None:
    command = (
        "humanbench eval --backbone vit --arch depth=3 --set optim.lr=1e-3 --set datasets.lip.root=/mine "
        "--set 'x=$(reboot)' --protocol partial"
    )
    result = made_result("lip", "vit")
    assert result.provenance is not None
    given = result.model_copy(update={"provenance": result.provenance.model_copy(update={"command": command})})
    again = "humanbench eval --backbone vit --protocol partial --datasets lip --arch depth=3 --set optim.lr=1e-3"
    (entry,) = entries_of([given], seen_by)
    assert rerun_commands(entry) == [f"{again} --set 'x=$(reboot)' --seed 0"]
    own, shipped = (
        replace(entry, submission="mine", board=replace(entry.board, recipe=recipe)) for recipe in ("own", "shipped")
    )
    assert len(rerun_commands(own)) == 1  # nobody has the recipe
    assert rerun_commands(shipped)[0] == f"humanbench leaderboard rerun {entry.id}"
    broken = given.model_copy(update={"provenance": result.provenance.model_copy(update={"command": "'"})})
    (entry,) = entries_of([broken], seen_by)
    assert rerun_commands(entry) == ["humanbench eval --backbone vit --protocol partial --datasets lip --seed 0"]


def test_a_dataset_page_has_card_metric_and_history(site: Path) -> None:
    text = (site / "datasets/caltech.html").read_text()
    for part in ("free for research", "Log-average miss rate", 'id="history"', "28.3"):
        assert part in text


def test_neighbours_that_cannot_be_told_apart_say_so(tmp_path: Path) -> None:
    close = [made_result("lip", name, value=value, half=1.0) for name, value in (("a", 60), ("b", 59.5), ("c", 50))]
    site = built(tmp_path / "site", close)
    text = (site / "datasets/lip.html").read_text()
    assert (text.count(">cannot be told apart<"), text.count(">told apart<")) == (1, 1)
    assert (site / "boards/humanbench-v1-partial.html").read_text().count(
        "cannot be told apart from the next</span>"
    ) == 1


def test_raw_data_is_complete(site: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((site / "data/results.csv").read_text())))
    assert len(rows) == 19 * 3 + 3 + 1
    assert len(json.loads((site / "data/results.json").read_text())) == len(rows)
    assert {row["evidence"] for row in rows} == {"rescored", "claimed"}
    assert len(json.loads((site / "data/published.json").read_text())) == 150


def test_the_feed_is_atom_with_one_entry_per_change(site: Path) -> None:
    root = ET.parse(site / "changes.xml").getroot()
    atom = "{http://www.w3.org/2005/Atom}"
    ids = [entry.findtext(f"{atom}id") for entry in root.iter(f"{atom}entry")]
    assert len(ids) == len(set(ids)) == 6
    assert root.findtext(f"{atom}updated") == "2026-03-14T00:00:00Z"


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    one, two = (built(tmp_path / name, made_run("mae_vitb")[:2]) for name in ("one", "two"))
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)


def test_nothing_of_a_page_runs_or_comes_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        root = html5lib.parse(path.read_text(encoding="utf-8"), namespaceHTMLElements=False)
        for script in root.iter("script"):
            assert script.get("src", "").endswith((".js",))
            assert not (script.text or "").strip()
        sources = [e.get("src") or e.get("href") for tag in ("script", "link", "img") for e in root.iter(tag)]
        assert not [s for s in sources if s and "//" in s]


def _named(name: str, dataset: str, **fields: object) -> Result:
    """A result with this name in every text of it."""
    hostile = {"backbone": name, "checkpoint": name, "unit": name, "subset": name or None}
    result = made_result(dataset, **fields).model_copy(update=hostile)  # type: ignore[arg-type]
    assert result.provenance is not None
    texts = {"command": name, "device": name, "platform": name, "started": name, "packages": {name: name}}
    return result.model_copy(update={"provenance": result.provenance.model_copy(update=texts)})


def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    results = [_named(name, "lip") for name in HOSTILE]
    results += [_named(name, "atr", status="failed", reason=name, metrics={}, main="") for name in HOSTILE]
    site = built(tmp_path / "site", results)
    assert problems(site) == []
    for path in [*site.rglob("*.html"), site / "changes.xml"]:
        text = path.read_text(encoding="utf-8")
        for part in ("<script>alert", "<img", "\u202e", "\u2066", "\x00", "\x1b", "x" * 2000, ">49<"):
            assert part not in text
    assert not [row for row in csv.reader(io.StringIO((site / "data/results.csv").read_text())) if row[1][:1] == "="]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in (site / "changes.html").read_text()


def test_absurd_numbers_do_not_break_a_page(tmp_path: Path) -> None:
    values = [float("nan"), float("inf"), 1e308, -1e308]
    absurd = {"trainable": 10**30, "frozen": 10**30}  # no file holds them any more, but a page must bear them
    results = [made_result("lip", f"net{i}", value=v).model_copy(update=absurd) for i, v in enumerate(values)]
    site = built(tmp_path / "site", [*results, *made_run("clip_vitb")])
    assert problems(site) == []
    json.loads((site / "data/results.json").read_text(), parse_constant=pytest.fail)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SiteError, match="holds something that is not a leaderboard"):
        build_site(tmp_path, [], [])
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_site_is_replaced_by_the_next(tmp_path: Path) -> None:
    first = built(tmp_path / "site", made_run("mae_vitb")[:1])
    (page,) = (first / "entries").glob("*.html")
    build_site(tmp_path / "site", [], [])
    assert not page.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('href="published.html"', 'href="gone.html"'), "gone.html"),
        (('href="reading.html#evidence"', 'href="reading.html#nowhere"'), "whose anchor is not there"),
        (('id="boards"', 'id="published"'), "occurs 2 times"),
        (("</main>", "</div></main>"), "end-tag"),
        (('href="datasets.html"', 'href="javascript:alert(1)"'), "neither relative nor http"),
        (('href="datasets.html"', 'href="../../etc/passwd"'), "outside the site"),
        (('aria-labelledby="boards-h"', 'aria-labelledby="nobody"'), "which is not there"),
        (("<h1>", '<h1 onclick="x()">'), "inline script"),
    ],
)
def test_the_check_finds_what_is_wrong(site: Path, tmp_path: Path, change: tuple[str, str], said: str) -> None:
    text = (site / "index.html").read_text()
    assert change[0] in text
    (tmp_path / "index.html").write_text(text.replace(*change, 1))
    (tmp_path / "reading.html").write_bytes((site / "reading.html").read_bytes())
    assert any(said in problem for problem in problems(tmp_path) if problem.startswith("index.html"))


def test_build_check_and_serve(tmp_path: Path) -> None:
    out, store = tmp_path / "site", tmp_path / "none"
    store.mkdir()
    done = run("leaderboard", "build", "--out", out, "--submissions", store, "--check", "--json")
    assert (done.exit_code, json.loads(done.stdout)["problems"]) == (0, [])
    with server_of(out) as server:
        import threading

        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert server.server_address[0] == "127.0.0.1"
        assert b"HumanBench" in urlopen(f"{address}/").read()
        with pytest.raises(OSError, match="404"):
            urlopen(f"{address}/static/")
        server.shutdown()
    (out / MARK).unlink()
    with pytest.raises(SiteError, match="is no leaderboard"):
        server_of(out)


def test_a_thousand_entries_leave_the_first_page_small(tmp_path: Path) -> None:
    """Two datasets stand for 19: rows and pages are what grows."""
    results = [made_result(d, f"timm:net_{i}", value=60 + i % 37) for i in range(1000) for d in ("lip", "pa100k")]
    site = built(tmp_path / "site", results)
    assert (site / "index.html").stat().st_size < 1_000_000
    assert (site / "boards/humanbench-v1-partial.html").stat().st_size < 2_000_000
    assert len(list((site / "entries").glob("*.html"))) == 1000
