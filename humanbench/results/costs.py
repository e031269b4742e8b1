"""What a result cost, in one row: what tables and files say of that."""

from __future__ import annotations

from collections.abc import Mapping

from humanbench.results.record import FORWARD, Result

COSTS = (
    "trainable", "frozen", "images_per_second", "gflops", "latency_ms", "backbone_bytes", "added_bytes",
    "memory_1_bytes", "memory_32_bytes", "joules_1", "joules_32",
)  # fmt: skip


def costs_of(result: Result) -> dict[str, float | None]:
    """`COSTS` of a result, None for what was not counted or measured.

    Speed is that of forwards at batch 32, latency that at batch 1 in milliseconds, memory the peak at either, energy in
    joules per picture; all in whatever precision the cell was computed, on the device that its provenance names.
    """
    provenance, storage = result.provenance, result.storage
    speeds = provenance.images_per_second if provenance else {}
    memory = provenance.peak_memory if provenance else {}
    joules = provenance.joules_per_image if provenance else {}
    one = _at(speeds, 1)
    values: tuple[float | None, ...] = (
        result.trainable,
        result.frozen,
        _at(speeds, 32),
        result.cost.gflops if result.cost else None,
        1000 / one if one else None,
        storage.backbone if storage else None,
        storage.added if storage else None,
        *(_at(memory, batch) for batch in (1, 32)),
        *(_at(joules, batch) for batch in (1, 32)),
    )
    return dict(zip(COSTS, values, strict=True))


def _at(measures: Mapping[str, float], batch: int) -> float | None:
    return next((value for name, value in measures.items() if name.startswith(f"{FORWARD}{batch}_")), None)
