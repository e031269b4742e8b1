"""A sample of `python -m tools.fuzz`, whose whole run stays outside the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.fuzz.trials import fuzz


def test_a_sample_of_malformed_inputs_ends_in_one_sentence_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    families, _ = fuzz(tmp_path / "ground", 40, 1, ("predictions", "checkpoints", "tables", "stores"))
    for family in families:
        assert not family.worst
        assert family.counts["sentence"] > 0
