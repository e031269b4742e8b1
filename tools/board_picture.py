"""The README's picture of the board: `python -m tools.board_picture RUN...` (needs Chromium).

The site is that of the published numbers and of the given runs of the embedded suite; the picture shows its first page
as wide as on a desk.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

TARGET = Path(__file__).resolve().parents[1] / "docs" / "images" / "board.jpg"
SIZE = 1400, 1430
LARGEST = 300_000
"""Bytes."""


def main(runs: list[str]) -> None:
    """Build a site, show it, keep the picture."""
    from humanbench.leaderboard.site.build import build

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or not runs:
        sys.exit("python -m tools.board_picture RUN... (run folders of `humanbench eval --suite mini`; needs chromium)")
    with tempfile.TemporaryDirectory() as place:
        store = Path(place) / "none"
        store.mkdir()
        site = build(runs, Path(place) / "site", store)
        shot = Path(place) / "board.png"
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={shot}"]
        size = f"--window-size={SIZE[0]},{SIZE[1]}"
        subprocess.run([chromium, *flags, size, site.front.as_uri()], check=True, capture_output=True)
        with Image.open(shot) as picture:
            for quality in range(90, 50, -5):
                picture.convert("RGB").save(TARGET, quality=quality, optimize=True)
                if TARGET.stat().st_size <= LARGEST:
                    break
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
