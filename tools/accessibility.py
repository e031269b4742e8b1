"""Is a built site accessible? `python -m tools.accessibility SITE --axe axe-core/axe.min.js` (needs Chromium).

Runs axe-core (`npm install axe-core`) in both themes, as wide as a desk and as a phone, and looks for pages that are
wider than a phone; of the pages of one kind, which lie in one folder, on `--each` of them. Ends with 1 where there is
something serious or critical, or the console complains.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from tests.leaderboard.browser import CHROMIUM, Browser

VIEWS = [(theme, width) for theme in ("light", "dark") for width in (1400, 390)]
GRAVE = ("serious", "critical")
FOUND = (
    "axe.run(document, {preload: false}).then(r => r.violations.map(v => "
    "[v.id, v.impact, v.nodes.length, v.nodes[0].target.join(' '), v.nodes[0].failureSummary]))"
)


def violations(browser: Browser, site: Path, axe: str, pages: Sequence[Path]) -> Iterator[tuple[str, list[Any]]]:
    """What axe finds, page by page: where, and (rule, impact, places, the first place, why)."""
    for theme, width in VIEWS:
        browser.prefer(theme)
        browser.size(width, 900, phone=width < 600)
        for page in track(pages, f"{theme}, {width} px", transient=True):
            browser.open(page.as_uri())
            browser.run(f"{axe};0")
            where = f"{page.relative_to(site)} ({theme}, {width} px)"
            wide = browser.run("document.documentElement.scrollWidth")
            if wide > width:
                yield where, ["page-width", "serious", 1, "html", f"{wide} px wide"]
            for found in browser.run(FOUND):
                yield where, found


def chosen(site: Path, each: int) -> list[Path]:
    """Pages of the site: all at its top, and so many of every folder, evenly from the smallest to the largest."""
    found = sorted(site.glob("*.html"))
    for folder in sorted({page.parent for page in site.rglob("*.html")} - {site}):
        pages = sorted(folder.glob("*.html"), key=lambda page: (page.stat().st_size, page.name))
        count = min(each, len(pages)) if each else len(pages)
        found += [pages[round(i * (len(pages) - 1) / max(count - 1, 1))] for i in range(count)]
    return found


def main(arguments: Sequence[str]) -> None:
    """Print every violation and a summary."""
    parser = argparse.ArgumentParser(prog="python -m tools.accessibility", description=__doc__)
    parser.add_argument("site", type=Path, help="folder of `humanbench leaderboard build`")
    parser.add_argument("--axe", type=Path, default=Path("node_modules/axe-core/axe.min.js"))
    parser.add_argument("--each", type=int, default=4, help="pages of a folder; 0: all of them (default: 4)")
    asked = parser.parse_args(arguments)
    site = asked.site.absolute()
    pages = chosen(site, asked.each)
    if CHROMIUM is None or not asked.axe.is_file() or not pages:
        sys.exit(f"Chromium, {asked.axe} (npm install axe-core) and a built site at {site} are needed")
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, Browser(Path(profile)) as browser:
        for where, (rule, impact, places, first, why) in violations(browser, site, asked.axe.read_text(), pages):
            counts[impact] += 1
            print(f"{where}: {rule} ({impact}), {places} places, first {first}: {' '.join(why.split())}")
        problems = list(browser.problems)
    print(*problems[:20], sep="\n")
    said = ", ".join(f"{n} {impact}" for impact, n in counts.items()) or "no violation"
    print(f"{len(pages)} pages in {len(VIEWS)} views: {said}; {len(problems)} complaints of the console")
    sys.exit(1 if problems or any(counts[impact] for impact in GRAVE) else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
