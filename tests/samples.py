"""Real images and annotations for tests, kept beside the checkout (`HUMANBENCH_SAMPLES` names another place)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SAMPLES = Path(os.environ.get("HUMANBENCH_SAMPLES") or Path(__file__).resolve().parents[2] / "shared" / "samples")

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason=f"no real sample images and annotations at {SAMPLES} (set HUMANBENCH_SAMPLES)"
)
