"""What `datasets synthesize --difficulty` does to the metrics: `python -m tools.difficulty [FOLDER]`.

Writes the six datasets of the demonstration at rising difficulty to FOLDER (default runs/difficulty), finetunes a
backbone's heads on each copy, and draws docs/images/difficulty.svg: every main metric in percent of its value at
difficulty 0, errors turned round, so that what is harder goes down. What is there already is not made again. The
numbers are synthetic.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import escape

from humanbench.demo import DATASETS, write_data
from humanbench.metrics.directions import direction

LEVELS = (0.0, 0.5, 1.0)
BACKBONE, PROTOCOL = "mini_pyramid_path", "head"
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "difficulty.svg"

WIDTH, HEIGHT, LEFT, TOP, LABELS = 680, 320, 50, 20, 190
COLORS = ("#1b6ca8", "#b5410b", "#2b7a3d", "#7a3b9a", "#8a6d00", "#444444")
DASHES = ("", "6 3", "2 3", "10 3 2 3", "1 2", "12 4")


def measured(folder: Path) -> dict[str, list[tuple[float, str]]]:
    """Value and name of the main metric of each dataset, by rising difficulty."""
    import humanbench

    found: dict[str, list[tuple[float, str]]] = {name: [] for name in DATASETS}
    for level in LEVELS:
        data = folder / f"data-{level:g}"
        write_data(data, 1.0, 0, print, level)
        runs = humanbench.evaluate(
            BACKBONE, PROTOCOL, list(DATASETS), suite="mini", data_root=data, out=folder / f"run-{level:g}"
        )
        for result in runs:
            found[result.dataset].append((result.value, result.main))
    return found


def relative(metric: str, values: Sequence[float]) -> list[float]:
    """In percent of the first value; of errors the first value in percent of each, so that worse is lower."""
    if direction(metric).higher_is_better:
        return [100 * value / values[0] for value in values]
    return [100 * values[0] / value for value in values]


def drawn(found: Mapping[str, Sequence[tuple[float, str]]]) -> str:
    """The picture."""
    across, down = WIDTH - LEFT - LABELS, HEIGHT - TOP - 40
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>']
    for percent in range(0, 101, 25):
        y = TOP + down * (1 - percent / 100)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{across}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{percent}</text>')
    for level in LEVELS:
        parts.append(
            f'<text x="{LEFT + across * level:.1f}" y="{TOP + down + 18}" text-anchor="middle">{level:g}</text>'
        )
    parts.append(f'<text x="{LEFT + across / 2:.1f}" y="{HEIGHT - 6}" text-anchor="middle">difficulty</text>')
    ends = {name: relative(rows[0][1], [value for value, _ in rows]) for name, rows in found.items()}
    last = 0.0
    for index, (name, line) in enumerate(sorted(ends.items(), key=lambda item: -item[1][-1])):
        places = [(LEFT + across * x, TOP + down * (1 - min(y, 110) / 100)) for x, y in zip(LEVELS, line, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        colour, dash = COLORS[index % len(COLORS)], DASHES[index % len(DASHES)]
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        last = max(places[-1][1] + 4, last + 16)  # labels keep apart
        label = escape(f"{name}, {found[name][0][1]}")
        parts.append(f'<text x="{LEFT + across + 8}" y="{last:.1f}" fill="{colour}">{label}</text>')
    about = "Every main metric in percent of its value at difficulty 0, by rising difficulty (synthetic)."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><title>{about}</title>{"".join(parts)}</svg>\n'
    )


def main(words: Sequence[str]) -> None:
    """Measure, print the table, draw."""
    if any(word.startswith("-") for word in words) or len(words) > 1:
        sys.exit("python -m tools.difficulty [FOLDER]")
    found = measured(Path(words[0] if words else "runs/difficulty").absolute())
    print(f"| dataset | metric | {' | '.join(f'{level:g}' for level in LEVELS)} |\n|---|---|{'---|' * len(LEVELS)}")
    for name, rows in found.items():
        print(f"| `{name}` | {rows[0][1]} | {' | '.join(f'{value:.1f}' for value, _ in rows)} |")
    PICTURE.write_text(drawn(found), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main(sys.argv[1:])
