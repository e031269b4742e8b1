"""The site in a browser, opened from the disk: with and without its scripts, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from humanbench.cards import load_card
from humanbench.data.samples import MARKER
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.model.events import events_of
from humanbench.leaderboard.site.build import build
from humanbench.leaderboard.site.writing import build_site
from humanbench.tasks.registry import task_names
from tests.evaluated import write_dataset
from tests.leaderboard.browser import CHROMIUM, Browser
from tests.leaderboard.honest import write_honest_run
from tests.leaderboard.made import made_result, made_run
from tests.leaderboard.test_samples import ONE_EACH

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)"),
    pytest.mark.xdist_group("chromium"),
]

NETS = {
    "path_vitb": 2.0,
    "mae_vitb": 0.0,
    "clip_vitb": -1.0,
    "<b>bold</b><script>document.title='pwned'</script>": -3.0,
}
BOARD = "boards/humanbench-v1-partial.html"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = [r for name, strength in NETS.items() for r in made_run(name, strength=strength)]
    results += made_run("clip_vitb", "full", seen=None)
    entries = entries_of(results, seen_by)
    return build_site(tmp_path_factory.mktemp("chromium") / "site", entries, events_of(entries)).folder


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(started: Browser) -> Iterator[Browser]:
    """The browser on a desk, in a light room; its console must be silent at the end."""
    started.size(1400, 1000)
    started.prefer("light")
    started.problems.clear()
    yield started
    assert started.problems == []


def at(site: Path, page: str) -> str:
    return f"{site.as_uri()}/{page}"


def first_cells(browser: Browser, table: str, column: int = 0) -> list[str]:
    """Texts of a column's visible cells, from the top."""
    return list(
        browser.run(
            f"Array.from(document.getElementById('{table}').tBodies[0].rows).filter(r => !r.hidden)"
            f".map(r => r.cells[{column}].firstChild.textContent.trim())"
        )
    )


def click(browser: Browser, selector: str) -> None:
    browser.run(f"document.querySelector({selector!r}).click()")


def choose(browser: Browser, name: str, value: str) -> None:
    """Set a field of the first filter form as a reader would."""
    browser.run(
        f"(() => {{ const field = document.querySelector('form.filters').elements[{name!r}]; field.value = {value!r};"
        " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def test_every_kind_of_page_loads_in_silence(browser: Browser, site: Path) -> None:
    pages = ["index.html", "published.html", "datasets.html", "reading.html", "changes.html", BOARD, "tasks/pose.html"]
    pages += ["datasets/caltech.html", *(p.relative_to(site).as_posix() for p in (site / "entries").glob("*.html"))]
    for page in pages:
        browser.open(at(site, page))
        assert browser.run("document.title").endswith("HumanBench"), page
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 247)", page


def test_sorting_by_a_column_and_back(browser: Browser, site: Path) -> None:
    browser.open(at(site, BOARD))
    head = "#board-claimed tr.heads th:nth-child(6)"
    click(browser, f"{head} .sort")
    values = [float(v) for v in first_cells(browser, "board-claimed", 5)]
    assert values == sorted(values, reverse=True)
    assert browser.run(f"document.querySelector('{head}').getAttribute('aria-sort')") == "descending"
    click(browser, f"{head} .sort")
    assert [float(v) for v in first_cells(browser, "board-claimed", 5)] == values[::-1]
    click(browser, "#board-claimed tr.heads th:nth-child(1) .sort")
    names = first_cells(browser, "board-claimed")
    assert names == sorted(names, key=str.lower)
    assert browser.run("document.querySelectorAll('th[aria-sort]').length") == 1


def test_what_is_absent_stays_last_whichever_way(browser: Browser, site: Path) -> None:
    browser.open(at(site, "published.html"))
    for _ in range(2):
        click(browser, "#published-table tr.heads th:nth-child(2) .sort")  # Human3.6M parsing: SoTA+ has none
        assert first_cells(browser, "published-table", 1)[-1] == "–"
    click(browser, "#published-table tr.heads th:nth-child(20) .sort")  # ShanghaiTech B: less is better
    assert first_cells(browser, "published-table", 19)[:2] == ["10.8", "11.0"]


def test_filters_narrow_rows_and_say_so(browser: Browser, site: Path) -> None:
    browser.open(at(site, "published.html"))
    choose(browser, "regime", "partial")
    assert first_cells(browser, "published-table") == ["PATH · ViT-B/16", "PATH · ViT-L/16"]
    choose(browser, "backbone", "ViT-L/16")
    assert first_cells(browser, "published-table") == ["PATH · ViT-L/16"]
    assert browser.run("document.querySelector('form.filters output').textContent") == "1 of 10 rows"
    choose(browser, "regime", "")
    choose(browser, "backbone", "")
    choose(browser, "text", "mae")
    assert first_cells(browser, "published-table") == ["MAE · ViT-B/16"]
    choose(browser, "text", "")
    choose(browser, "pretraining", "undisclosed")
    assert first_cells(browser, "published-table") == ["CLIP · ViT-B/16"]


def test_backbones_are_narrowed_by_what_they_were_pretrained_on(browser: Browser, site: Path) -> None:
    browser.open(at(site, "backbones.html"))
    assert len(first_cells(browser, "backbones-table")) == len(NETS)
    choose(browser, "licence", "CC-BY-NC-4.0")
    assert first_cells(browser, "backbones-table") == ["MAE ViT-B/16"]
    choose(browser, "licence", "")
    choose(browser, "text", "clip")
    assert first_cells(browser, "backbones-table") == ["CLIP ViT-B/16, visual tower (OpenAI)"]


def test_the_scenario_filter_keeps_its_columns(browser: Browser, site: Path) -> None:
    browser.open(at(site, "published.html"))
    columns = "Array.from(document.querySelectorAll('tr.heads th')).filter(h => !h.hidden).length - 1"
    spans = (
        "Array.from(document.querySelectorAll('tr.tasks th')).filter(h => !h.hidden).reduce((n, h) => n + h.colSpan, 0)"
    )
    for scenario, count in (("in-dataset", 12), ("out-of-dataset", 5), ("unseen-task", 2), ("", 19)):
        choose(browser, "scenario", scenario)
        assert (browser.run(columns), browser.run(spans)) == (count, count)


def test_the_theme_follows_the_system_until_one_is_chosen(browser: Browser, site: Path) -> None:
    color = "getComputedStyle(document.body).backgroundColor"
    browser.prefer("dark")
    browser.open(at(site, "index.html"))
    assert browser.run(color) == "rgb(20, 23, 26)"
    click(browser, "button.theme")
    assert browser.run(color) == "rgb(251, 250, 247)"
    browser.open(at(site, "published.html"))
    assert browser.run(color) == "rgb(251, 250, 247)"
    browser.prefer("light")
    browser.run("localStorage.clear()")


def test_a_deep_link_shows_its_row(browser: Browser, site: Path) -> None:
    (page,) = (site / "entries").glob("mae-vitb-partial-*.html")
    browser.size(1400, 500)
    browser.open(at(site, f"{BOARD}#{page.stem}"))
    assert browser.run("document.querySelector(':target a').textContent") == "MAE ViT-B/16"
    box = browser.run(
        "(() => {const b = document.querySelector(':target').getBoundingClientRect(); return [b.top, b.bottom];})()"
    )
    assert 0 <= box[0] < box[1] <= 500


def test_a_long_table_begins_with_a_hundred_rows(browser: Browser, tmp_path: Path) -> None:
    results = [made_result("lip", f"timm:net_{i}", value=60 + 0.1 * i) for i in range(140)]
    entries = entries_of(results, seen_by)
    site = build_site(tmp_path / "site", entries, events_of(entries)).folder
    browser.open(at(site, BOARD))
    assert len(first_cells(browser, "board-claimed")) == 100
    assert first_cells(browser, "board-claimed")[0] == "timm:net_139"
    click(browser, "#board-claimed tr.heads th:nth-child(6) .sort")
    click(browser, "#board-claimed tr.heads th:nth-child(6) .sort")
    assert first_cells(browser, "board-claimed")[0] == "timm:net_0", "sorting takes in what is not shown"
    choose(browser, "text", "net_77")
    assert first_cells(browser, "board-claimed") == ["timm:net_77"]
    choose(browser, "text", "")
    click(browser, "form.filters button.all")
    assert len(first_cells(browser, "board-claimed")) == 140
    last = next(entry.id for entry in entries if entry.backbone == "timm:net_0")
    browser.open(at(site, f"index.html#{last}"))
    browser.open(at(site, f"{BOARD}#{last}"))
    assert browser.run("document.querySelector(':target').hidden") is False


def test_a_hostile_name_is_text(browser: Browser, site: Path) -> None:
    browser.open(at(site, BOARD))
    assert any(name.startswith("<b>bold</b><script>") for name in first_cells(browser, "board-claimed"))
    assert browser.run("document.querySelectorAll('td b, th b, main script').length") == 0
    assert browser.run("document.title") != "pwned"


def test_without_scripts_everything_is_there(browser: Browser, site: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(at(site, "index.html"))
        root = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]

        def count(selector: str) -> int:
            return len(browser.call("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"])

        assert count("#published-table tbody tr") == 10
        assert count(".scroll table.board") == 3
        assert count("button") == 0  # what would do nothing is not shown
        assert count("form.filters:not([hidden])") == 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("page", ["index.html", BOARD, "tasks/pose.html", "datasets/caltech.html", "reading.html"])
def test_a_phone_scrolls_tables_not_pages(browser: Browser, site: Path, page: str) -> None:
    browser.size(390, 844, phone=True)
    browser.open(at(site, page))
    assert browser.run("document.documentElement.scrollWidth") == 390
    if browser.run("!!document.querySelector('table.board')"):
        browser.run("document.querySelector('.scroll').scrollLeft = 300")
        left = "document.querySelector('tbody .who').getBoundingClientRect().left"
        assert browser.run(left) < 30, "the first column stays in sight"


PHONE_PAGES = [
    "index.html", "published.html", "backbones.html", "backbones/*.html", "compare.html", "compare/*.html",
    "changes.html", "tasks/pose.html", "datasets/caltech.html",
    BOARD, "entries/*.html",
]  # fmt: skip


@pytest.fixture
def phone(browser: Browser) -> Browser:
    """The browser in a hand."""
    browser.size(390, 844, phone=True)
    return browser


def test_the_first_screen_of_a_phone_holds_scores(phone: Browser, site: Path) -> None:
    phone.open(at(site, BOARD))
    scores = phone.run(
        "Array.from(document.querySelectorAll('#board-claimed tbody td')).filter(c => {"
        " const b = c.getBoundingClientRect(); return c.querySelector('small') && !c.classList.contains('rank') &&"
        " b.width && b.left >= 0 && b.right <= 390 && b.bottom <= 844; }).map(c => parseFloat(c.textContent))"
    )
    assert len(scores) >= 4
    assert all(score > 0 for score in scores)


def test_a_phone_shows_one_column_of_a_task_until_it_is_tapped(phone: Browser, site: Path) -> None:
    phone.open(at(site, BOARD))
    names = (
        "Array.from(document.querySelectorAll('#board-claimed tr.heads .score')).filter(h => !h.hidden)"
        ".map(h => h.querySelector('a').textContent)"
    )
    assert phone.run(names) == ["H3.6M", "Market", "CrowdHuman", "COCO", "PA-100K", "SHA"]
    button = "document.querySelector('#board-claimed tr.tasks .hue0 .fold')"
    assert phone.run(f"[{button}.textContent, {button}.ariaLabel]") == ["+3", "+3 columns of reid"]
    click(phone, "#board-claimed tr.tasks .hue0 .fold")
    assert len(phone.run(names)) == 9
    assert phone.run(
        "Array.from(document.querySelectorAll('#board-claimed tbody tr')).every(r => r.cells.length === 24)"
    )
    click(phone, "#board-claimed tr.tasks .hue0 .fold")
    assert len(phone.run(names)) == 6


def test_the_page_of_a_task_shows_all_its_columns_on_a_phone_too(phone: Browser, site: Path) -> None:
    phone.open(at(site, "tasks/pose.html"))
    heads = "document.querySelectorAll('#published-table tr.heads .score:not([hidden])').length"
    assert phone.run(heads) == 4


TOO_SMALL = """(() => {
  const seen = e => e.getClientRects().length > 0 && !e.closest('.vh, .skip');
  const all = s => Array.from(document.querySelectorAll(s)).filter(seen);
  const inText = e => e.closest('p, li, dd, pre, footer, td, summary + p');
  return {
    rows: all('table.board tbody tr').filter(e => e.getBoundingClientRect().height > 96).map(e => e.id),
    texts: all('svg.chart text').filter(e => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a < 11)
      .map(e => e.textContent),
    targets: all('a, button, summary, input, select').filter(e => !inText(e) || e.matches('.tabs a')).filter(e => {
      const b = e.getBoundingClientRect(); return b.width < 24 || b.height < 24; }).map(e => e.outerHTML.slice(0, 90)),
  };
})()"""


@pytest.mark.parametrize("page", PHONE_PAGES)
def test_on_a_phone_rows_are_low_texts_legible_and_targets_large(phone: Browser, site: Path, page: str) -> None:
    for path in site.glob(page):
        phone.open(at(site, path.relative_to(site).as_posix()))
        assert phone.run(TOO_SMALL) == {"rows": [], "texts": [], "targets": []}, path.name
        assert phone.run("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("width", [390, 1440])
def test_heads_and_names_stay_in_sight_inside_the_box(browser: Browser, site: Path, width: int) -> None:
    browser.size(width, 300, phone=width < 600)
    browser.open(at(site, BOARD))
    places = browser.run(
        "(() => { const box = document.querySelector('.scroll'), table = box.querySelector('table');"
        " table.querySelectorAll('.fold[aria-expanded=false]').forEach(b => b.click());"
        " box.scrollTop = 60; box.scrollLeft = 200; const at = s => table.querySelector(s).getBoundingClientRect();"
        " const b = box.getBoundingClientRect();"
        " return [box.scrollTop, at('thead').top - b.top, at('tbody tr:last-child .who').left - b.left]; })()"
    )
    assert places[0] == 60
    assert abs(places[1]) <= 2
    assert abs(places[2]) <= 2


@pytest.mark.parametrize("page", PHONE_PAGES)
def test_on_a_desk_nothing_is_cut_without_a_hint(browser: Browser, site: Path, page: str) -> None:
    """What is wider than its box has a shadow at the edge, and a name that is cut an ellipsis."""
    browser.size(1440, 1000)
    for path in site.glob(page):
        browser.open(at(site, path.relative_to(site).as_posix()))
        assert browser.run("document.documentElement.scrollWidth") == 1440
        cut = browser.run(
            "Array.from(document.querySelectorAll('main *')).filter(e => e.scrollWidth > e.clientWidth + 1 &&"
            " getComputedStyle(e).overflowX !== 'visible' && !e.closest('.vh, svg'))"
            ".filter(e => !e.matches('pre') && !(e.matches('.scroll') &&"
            " getComputedStyle(e).backgroundImage.split('gradient').length > 2))"
            ".map(e => e.outerHTML.slice(0, 90))"
        )
        assert cut == [], path.name


def test_the_keyboard_reaches_content_tables_and_buttons(browser: Browser, site: Path) -> None:
    browser.open(at(site, BOARD))
    browser.run("document.activeElement.blur()")

    def press() -> str:
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        return str(browser.run("document.activeElement.className || document.activeElement.tagName"))

    seen = [press() for _ in range(60)]
    assert seen[0] == "skip"
    assert {"brand", "theme", "scroll", "sort"} <= set(seen)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with predictions on its task pages."""
    root = tmp_path_factory.mktemp("data")
    for name in ONE_EACH:
        write_dataset(load_card(name), root)
        (root / name / MARKER).write_text("{}")
    place = tmp_path_factory.mktemp("drawn")
    run = write_honest_run(place / "run", root, ONE_EACH)
    return build([run], place / "site", data_root=root).folder


@pytest.mark.parametrize("task", task_names())
@pytest.mark.parametrize("width", [390, 1400])
def test_drawn_predictions_are_seen_and_fit(browser: Browser, drawn: Path, task: str, width: int) -> None:
    browser.size(width, 844, phone=width < 600)
    browser.open(at(drawn, f"tasks/{task}.html"))
    images = "Array.from(document.querySelectorAll('.sample img'))"
    assert browser.run(f"{images}.length > 0 && {images}.every(i => i.complete && i.naturalWidth > 20 && i.alt)")
    assert browser.run(f"{images}.every(i => i.getBoundingClientRect().right <= {width})")
    assert browser.run("document.documentElement.scrollWidth") == width


def pair_rows(browser: Browser) -> list[str]:
    """Texts of the table of two entries, row by row."""
    cells = "Array.from(r.cells).map(c => c.innerText).join('|')"
    return list(browser.run(f"Array.from(document.querySelectorAll('table.pair tr')).map(r => {cells})"))


def wait_for(browser: Browser, condition: str) -> None:
    """Until a JavaScript condition holds, ten seconds at most."""
    done = browser.run(
        "new Promise(done => { const end = Date.now() + 10000; const look = () => "
        f"({condition}) ? done(true) : Date.now() > end ? done(false) : setTimeout(look, 10); look(); }})"
    )
    assert done, condition


@pytest.mark.parametrize("width", [390, 1440])
def test_any_two_stand_side_by_side_as_on_their_page(browser: Browser, site: Path, width: int) -> None:
    """What the script shows of the first pair is what its page shows without one."""
    browser.size(width, 900, phone=width < 600)
    for page in list((site / "compare").glob("path-vitb-*"))[:3]:
        browser.open(at(site, f"compare/{page.name}"))
        still = pair_rows(browser)
        assert len(still) > 20
        one, two = page.stem.split("--")
        browser.open(at(site, f"compare.html?a={one}&b={two}"))
        wait_for(browser, "document.querySelector('table.pair')")
        assert pair_rows(browser) == still
        box = "(b => [b.scrollWidth <= b.clientWidth, document.documentElement.scrollWidth])"
        assert browser.run(f"{box}(document.querySelector('.pair').parentNode)") == [True, width]


def test_another_entry_is_chosen_and_the_address_keeps_it(browser: Browser, site: Path) -> None:
    browser.open(at(site, "compare.html?t=humanbench-v1-partial-claimed"))
    wait_for(browser, "document.querySelector('table.pair')")
    first, second = (
        "document.querySelectorAll('form.chooser select')[1]",
        "document.querySelectorAll('form.chooser select')[2]",
    )
    assert browser.run(f"{first}.value !== {second}.value")
    before = pair_rows(browser)
    browser.run(f"{second}.selectedIndex = 3; {second}.dispatchEvent(new Event('input', {{bubbles: true}}))")
    wait_for(browser, f"location.search.includes({second}.value)")
    name = browser.run(f"{second}.selectedOptions[0].textContent")
    wait_for(browser, f"document.querySelector('table.pair').rows[0].cells[2].innerText === {name!r}")
    assert pair_rows(browser) != before


def test_without_scripts_the_first_pairs_lead_to_their_pages(browser: Browser, site: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(at(site, "compare.html"))
        root = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        links = browser.call("DOM.querySelectorAll", nodeId=root, selector=".matrix td a")["nodeIds"]
        assert len(links) == 4 * 3
        assert browser.call("DOM.querySelectorAll", nodeId=root, selector="select")["nodeIds"] == []
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_columns_can_be_chosen(browser: Browser, site: Path) -> None:
    browser.open(at(site, BOARD))
    heads = "Array.from(document.querySelectorAll('#board-claimed tr.heads th'))"
    shown = f"{heads}.filter(h => h.getClientRects().length).length"
    spans = (
        "Array.from(document.querySelectorAll('#board-claimed tr.tasks .group')).filter(h => !h.hidden)"
        ".reduce((n, h) => n + h.colSpan, 0)"
    )
    before = browser.run(shown), browser.run(spans)
    for name in ("LIP", "GFLOPs"):
        browser.run(
            f"Array.from(document.querySelectorAll('.columns label')).find(l => l.textContent === {name!r})"
            ".querySelector('input').click()"
        )
    assert (browser.run(shown), browser.run(spans)) == (before[0] - 2, before[1] - 2)
    assert browser.run("document.querySelector('.columns summary').textContent") == "Columns (19 of 21)"
    names = browser.run(
        f"{heads}.filter(h => !h.hidden && h.matches('.score')).map(h => h.querySelector('a').textContent)"
    )
    assert "LIP" not in names
    assert "ATR" in names


def test_on_a_phone_every_text_of_a_comparison_stays_in_its_cell(browser: Browser, site: Path) -> None:
    browser.size(390, 844, phone=True)
    pages = [page.relative_to(site) for page in sorted((site / "compare").glob("*.html"))[:2]]
    for page in ["compare.html", *map(str, pages)]:
        browser.open(at(site, page))
        wider = browser.run(
            "Array.from(document.querySelectorAll('.pair th, .pair td')).filter(c => c.scrollWidth > c.clientWidth)"
            ".map(c => c.textContent)"
        )
        assert wider == [], page
    browser.open(at(site, "compare.html"))
    boxes = "Array.from(document.querySelectorAll('.scroll:has(> .matrix)'))"
    assert browser.run(f"{boxes}.every(box => box.scrollWidth <= box.clientWidth)")
