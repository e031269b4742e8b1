"""Charts: well-formed, with a text for those who do not see them, and indifferent to absurd numbers."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from humanbench.leaderboard.site.charts import Dot, DotRow, Point, dots, quantity, reliability, scatter, ticks

HOSTILE = '<script>alert(1)</script>" onload="x'


def row(*dots: Dot, name: str = "r", start: float = 0.0, end: float = 100.0, link: str = "") -> DotRow:
    return DotRow(name, "text", dots, start, end, link)


def parsed(chart: Markup) -> ET.Element:
    root = ET.fromstring(str(chart))
    assert root.get("role") == ("group" if next(root.iter("a"), None) is not None else "img")
    ids = {e.get("id") for e in root.iter()}
    assert set((root.get("aria-labelledby") or "").split()) <= ids
    assert not [e for e in root.iter() if e.tag == "script" or any(name.startswith("on") for name in e.attrib)]
    return root


def places(chart: ET.Element) -> list[float]:
    """Where the dots are, in percent of the width."""
    return [float(e.get("x", "")[:-1]) for e in chart.iter("svg") if e.get("class") == "at"]


def test_dots_stand_where_their_values_are_the_better_end_right() -> None:
    marks = (Dot("a", 100.0, 90.0, 110.0), Dot("b", 0.0, series=1), Dot("c", 50.0, series=2))
    chart = parsed(dots("d", "t", [row(*marks)], "about"))
    assert places(chart) == [98.5, 1.5, 50.0]
    (whisker,) = [e for e in chart.iter("line") if e.get("class") == "whisker"]
    assert [float(whisker.get(x, "")[:-1]) for x in ("x1", "x2")] == [88.8, 98.5], "cut off at the end of the line"
    assert places(parsed(dots("d", "t", [row(Dot("a", 5.0), start=15.0, end=5.0)], ""))) == [98.5]


def test_nothing_of_a_chart_is_wider_than_the_page() -> None:
    """Places along the width are percentages, so that text has its size on every screen."""
    for chart in (
        dots("d", "t", [row(Dot("a", 5.0, 4.0, 6.0), link="x.html")], "", scale=True),
        scatter("s", "t", [Point("a", 1.0, 1.0), Point("b", 20.0, 3.0)], "x", "y"),
    ):
        root = parsed(chart)
        assert (root.get("width"), root.get("viewBox")) == ("100%", None)
        outer = [e for e in root.iter() if e.tag in ("text", "line") or e.get("class") == "at"]
        at = [e.get(x) for e in outer for x in ("x", "x1", "x2") if e.get(x) is not None]
        assert all(x == "0" or x.endswith("%") for x in at if x)


def test_a_scatter_links_its_dots_and_joins_those_that_nothing_beats() -> None:
    """Less of x and less of y are better: c is beaten by b in both."""
    points = [
        Point("a", 1.0, 3.0, link="a.html"),
        Point("b", 2.0, 1.0, link="b.html"),
        Point("c", 4.0, 2.0, link="c.html"),
    ]
    chart = parsed(scatter("s", "t", points, "x", "y", up=False))
    assert [e.get("href") for e in chart.iter("a")] == ["a.html", "b.html", "c.html"]
    assert len([e for e in chart.iter("line") if e.get("class") == "pareto"]) == 1
    assert [e.get("class") for e in chart.iter("g")] == ["s0 edge", "s0 edge", "s0"]
    faster = parsed(scatter("s", "t", points, "x", "y", up=False, more=True))
    assert [e.get("class") for e in faster.iter("g")] == ["s0", "s0 edge", "s0 edge"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_left_out(value: float) -> None:
    rows = [row(Dot("a", value, value, value)), row(Dot("b", 3.0, 2.0, value))]
    points = scatter("s", "t", [Point("a", value, 1.0), Point("b", 2.0, 3.0)], "x", "y")
    for chart in (dots("d", "t", rows, ""), points):
        parsed(chart)
        assert "nan" not in str(chart)
        assert "inf" not in str(chart)


def test_huge_and_hostile_input_stays_well_formed() -> None:
    rows = [
        row(Dot(HOSTILE, 1e308, 0.0, 1e308), name=HOSTILE, link=HOSTILE),
        row(Dot("x" * 10_000, 1.0, 0, 2), end=1e308),
    ]
    parsed(dots("d", HOSTILE, rows, HOSTILE, scale=True))
    points = [Point(HOSTILE, 1e308, 1e308), Point(HOSTILE, 1.0, 2.0, link=HOSTILE)]
    parsed(scatter("s", HOSTILE, points, HOSTILE, HOSTILE))


def test_a_scatter_of_nothing_is_nothing() -> None:
    assert scatter("s", "t", [Point("a", 0.0, 1.0)], "x", "y") == ""


def test_equal_values_have_a_scale_too() -> None:
    parsed(dots("d", "t", [row(Dot("a", 0.0, 0.0, 0.0), start=0.0, end=0.0)], "", scale=True))
    parsed(scatter("s", "t", [Point("a", 5.0, 5.0), Point("b", 5.0, 5.0)], "x", "y"))


def test_ticks_are_round() -> None:
    assert ticks(0, 100) == [0, 50, 100]
    assert ticks(61.2, 88.9) == [70.0, 80.0]
    assert quantity(304_000_000) == "304M"


@pytest.mark.parametrize(("low", "high"), [(31.0, 34.0), (110.0, 190.0), (0.15, 0.24), (2e6, 3e8), (1.0, 1.0)])
def test_an_axis_of_any_range_says_where_it_is(low: float, high: float) -> None:
    chart = parsed(scatter("s", "t", [Point("a", low, 1.0), Point("b", high, 3.0)], "x", "y"))
    along_x = [e for e in chart.iter("text") if e.get("class") == "tick" and e.get("text-anchor") == "middle"]
    assert 2 <= len(along_x) <= 7


def test_reliability_plot_has_a_dot_per_bin_and_says_its_numbers() -> None:
    chart = parsed(reliability("r", HOSTILE, [(0, 0, 900), (50, 100, 100), (math.nan, 1, 5)], "predicted", "observed"))
    assert places(chart) == [11.0, 54.0]
    radii = [float(e.get("r", "")) for e in chart.iter("circle")]
    assert radii[0] == pytest.approx(2 + 6 * math.sqrt(0.9), abs=0.01) and radii[0] > radii[1]  # noqa: PT018
    assert "50 predicted, 100 observed, 100 cases" in (chart.findtext("desc") or "")
    assert not reliability("r", "t", [], "predicted", "observed")
