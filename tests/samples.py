"""Real images and annotations, and reference outputs of released networks, for tests.

They are kept beside the checkout; `HUMANBENCH_SAMPLES` and `HUMANBENCH_PARITY` name other places.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SAMPLES = Path(os.environ.get("HUMANBENCH_SAMPLES") or Path(__file__).resolve().parents[2] / "shared" / "samples")

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason=f"no real sample images and annotations at {SAMPLES} (set HUMANBENCH_SAMPLES)"
)

PARITY = Path(os.environ.get("HUMANBENCH_PARITY") or Path(__file__).resolve().parents[2] / "shared" / "parity")

needs_parity = pytest.mark.skipif(
    not PARITY.is_dir(), reason=f"no reference outputs of the released networks at {PARITY} (set HUMANBENCH_PARITY)"
)
