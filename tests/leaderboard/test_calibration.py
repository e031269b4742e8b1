"""The page of an entry shows how its probabilities come true, and its metrics by group."""

from __future__ import annotations

import math

from humanbench.by_group import Gap, GroupingReport, GroupValue, SubgroupReport
from humanbench.leaderboard.model.boards import boards
from humanbench.leaderboard.model.entries import entries_of, seen_by
from humanbench.leaderboard.site.pages.entries import entries
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.writing import _context, templates
from humanbench.scoring import Metric, Reliability
from tests.leaderboard.made import made_result


def made_pages(content: Content) -> list[Page]:
    return [page for group in entries(content) for page in group()]


def test_an_entry_has_a_plot_of_all_and_of_each_attribute() -> None:
    curve = Reliability(width=100 / 15, bins=(1, 7), n=(100, 100), predicted=(10.0, 50.0), observed=(20.0, 50.0))
    number = Metric(value=5.0, low=4.0, high=6.0, n=100)
    mean = {"mA": Metric(value=80.0, low=79.0, high=81.0, n=100)}
    metrics = mean | {"ECE": number, "mA Hat": number, "ECE Hat": number}
    result = made_result("pa100k", metrics=metrics, reliability={"all": curve, "Hat": curve})
    made = entries_of([result], seen_by)
    (page,) = made_pages(Content(boards(made), made, []))
    (shown,) = page.context["calibrations"]
    assert [name for name, _ in shown["plots"]] == ["all together", "Hat"]
    assert (shown["metric"], shown["value"], shown["interval"]) == ("ECE", "5.00", "4.00–6.00")
    # sqrt(2 / pi) (sqrt(100 x 10 x 90) + sqrt(100 x 50 x 50)) / 200
    assert shown["remains"] == "3.19"
    (table,) = page.context["parts"]
    assert table["families"] == ["mA ↑", "ECE ↓"]
    ((_, rows),) = page.context["groups"]
    assert "ECE 5.00" in rows


def test_an_entry_shows_its_metrics_by_group_with_the_largest_gap() -> None:
    result = made_result("pa100k")
    assert result.provenance is not None
    women = GroupValue(name="women", n=40, value=81.0, low=80.0, high=82.0)
    few = GroupValue(name="men", n=3, value=math.nan, low=math.nan, high=math.nan)
    old = GroupValue(name="old", n=40, value=77.0, low=76.0, high=78.0)
    gap = Gap(best="women", worst="old", value=4.0, low=1.0, high=7.0)
    sexes = GroupingReport(
        name="sex", members="pictures", about="as annotators saw it", groups=(women, few, old), gap=gap
    )
    about = {"dataset": "pa100k", "split": "test", "main": "mA", "value": 80.0, "least": 30, "synthetic": False}
    sha = result.provenance.predictions_sha256
    report = SubgroupReport(**about, subset=None, predictions_sha256=sha, groupings=(sexes,))
    made = entries_of([result], seen_by)
    (page,) = made_pages(Content(boards(made), made, [], groups={sha: report}))
    html = templates().get_template(page.template).render(_context(page))
    assert "80.00 – 82.00" in html
    assert "fewer than 30" in html
    assert "largest gap: women − old" in html
    (without,) = made_pages(Content(boards(made), made, []))
    assert without.context["subgroups"] == []
