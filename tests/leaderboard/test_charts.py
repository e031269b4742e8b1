"""Charts: well-formed, with a text for those who do not see them, and indifferent to absurd numbers."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from humanbench.leaderboard.site.charts import Axis, Bar, Point, Series, bars, quantity, radar, scatter, ticks

HOSTILE = '<script>alert(1)</script>" onload="x'
AXES = [Axis("LIP", True, "parsing"), Axis("EPE & co", False, "pose"), Axis(HOSTILE, True, "reid")]


def parsed(chart: Markup) -> ET.Element:
    root = ET.fromstring(str(chart))
    assert root.get("role") == "img"
    ids = {e.get("id") for e in root.iter()}
    assert set((root.get("aria-labelledby") or "").split()) <= ids
    assert not [e for e in root.iter() if e.tag == "script" or any(name.startswith("on") for name in e.attrib)]
    return root


def test_radar_puts_the_best_of_every_axis_at_the_rim() -> None:
    """The axes start at the top; the centre is (360, 300), the radius 218: 60 % is best of LIP, 5 px best of EPE."""
    chart = parsed(radar("r", "Radar", AXES, [Series("a", [60.0, 5.0, 1.0]), Series("b", [50.0, 9.0, 2.0])]))
    areas = [e.get("points", "").split() for e in chart.iter("polygon") if e.get("class") == "area"]
    distance = [
        [math.dist((360, 300), tuple(map(float, p.split(",")))) for p in area]  # type: ignore[arg-type]
        for area in areas
    ]
    assert distance[0] == pytest.approx([218, 218, 0.3 * 218], abs=0.2)
    assert distance[1] == pytest.approx([0.3 * 218, 0.3 * 218, 218], abs=0.2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_left_out(value: float) -> None:
    radar_chart = radar("r", "t", AXES, [Series("a", [value, 5.0, 1.0])])
    bar_chart = bars("b", "t", [Bar("a", value, value, value, "?"), Bar("b", 3.0, 2.0, value, "3")], "%")
    dots = scatter("s", "t", [Point("a", value, 1.0), Point("b", 2.0, 3.0)], "x", "y")
    for chart in (radar_chart, bar_chart, dots):
        parsed(chart)
        assert "nan" not in str(chart)
        assert "inf" not in str(chart)


def test_huge_and_hostile_input_stays_well_formed() -> None:
    parsed(bars("b", HOSTILE, [Bar(HOSTILE, 1e308, 0.0, 1e308, HOSTILE), Bar("x" * 10_000, 1.0, 0, 2, "")], "%"))
    parsed(scatter("s", HOSTILE, [Point(HOSTILE, 1e308, 1e308), Point(HOSTILE, 1.0, 2.0)], HOSTILE, HOSTILE))
    parsed(radar("r", HOSTILE, AXES, [Series(HOSTILE, [1e308, -1e308, 0.0])]))


def test_a_scatter_of_nothing_is_nothing() -> None:
    assert scatter("s", "t", [Point("a", 0.0, 1.0)], "x", "y") == ""


def test_equal_values_have_a_scale_too() -> None:
    parsed(bars("b", "t", [Bar("a", 0.0, 0.0, 0.0, "0"), Bar("b", 0.0, 0.0, 0.0, "0")], "%"))
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
