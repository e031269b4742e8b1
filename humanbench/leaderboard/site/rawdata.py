"""The numbers as files: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from humanbench.leaderboard.model.boards import Ranked
from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.site.costs import SPEED_FIELDS, speed_fields
from humanbench.names import shown, spreadsheet
from humanbench.results.record import FIRST_COPY

_OF_ENTRY = ("parameters", "trained", "backbone_bytes", "added_bytes", "gflops")
COLUMNS = (
    "entry", "backbone", "checkpoint", "weights_sha256", "pretrained_on", "suite", "regime", "variant", "recipe",
    "synthetic", "procedural", "subset", "condition", "evidence", "withdrawn", "date", "dataset", "scenario", "metric",
    "value", "low", "high", "n", "seeds", *_OF_ENTRY, *SPEED_FIELDS,
)  # fmt: skip


def rows_of(entries: Iterable[BoardEntry]) -> Iterator[dict[str, Any]]:
    """A row per entry and dataset."""
    for entry in entries:
        key = entry.board
        entry_fields = {
            "entry": entry.id,
            "backbone": shown(entry.backbone),
            "checkpoint": shown(entry.checkpoint or "", 120),
            "weights_sha256": shown(entry.weights_sha256),
            "pretrained_on": entry.pretraining,
            **{name: shown(getattr(key, name)) for name in ("suite", "regime", "variant", "subset")},
            **{name: getattr(key, name) for name in ("recipe", "synthetic", "condition")},
            "procedural": shown(key.copy or (FIRST_COPY if key.synthetic else "")),
            "withdrawn": shown(entry.withdrawn, 200),
            "date": entry.date,
            **{name: _finite(getattr(entry, name)) for name in _OF_ENTRY},
            **speed_fields(entry),
        }
        for score in entry.scores.values():
            score_fields = {
                **{name: getattr(score, name) for name in ("evidence", "dataset", "scenario", "metric")},
                **{name: _finite(getattr(score, name)) for name in ("value", "low", "high")},
                "n": score.number.n,
                "seeds": score.number.seeds,
            }
            fields = entry_fields | score_fields
            yield {name: fields[name] for name in COLUMNS}


def csv_of(rows: Iterable[dict[str, Any]], columns: Iterable[str] = COLUMNS) -> str:
    """CSV whose texts no spreadsheet takes for formulas; absent values are empty."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        values = {name: row[name] for name in writer.fieldnames}
        writer.writerow({name: spreadsheet(v) if isinstance(v, str) else v for name, v in values.items()})
    return file.getvalue()


def json_of(value: Any) -> str:
    """One JSON document; what is not finite is null already, so anything else is an error here."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def board_csv(ranked: Ranked) -> str:
    """A row per entry as on the board, a column per dataset."""
    ranking = ranked.ranking
    rows = []
    for i in ranking.order:
        entry = ranked.entries[i]
        row: dict[str, Any] = {
            "rank": int(ranking.rank[i]),
            "rank_low": int(ranking.low[i]),
            "rank_high": int(ranking.high[i]),
            "mean_rank": round(float(ranking.mean_rank[i]), 3),
            "entry": entry.id,
            "backbone": shown(entry.backbone),
        }
        for name in ranked.columns:
            score = ranked.score(int(i), name)
            row[name] = _finite(score.value) if score else None
        rows.append(row)
    return csv_of(rows, ["rank", "rank_low", "rank_high", "mean_rank", "entry", "backbone", *ranked.columns])


def entry_json(entry: BoardEntry) -> str:
    """An entry with everything its results say, but for the course of the training, as one JSON document."""
    head = {
        "entry": entry.id,
        "withdrawn": entry.withdrawn,
        "submission": entry.submission,
        "pretrained_on": list(entry.pretrained_on) if entry.pretrained_on is not None else None,
        "evidence": {name: score.evidence for name, score in entry.scores.items()},
    }
    results = ",\n".join(result.model_dump_json(exclude={"history"}) for result in entry.results)
    return json_of(head).rstrip().removesuffix("}") + f',"results":[\n{results}\n]}}\n'


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
