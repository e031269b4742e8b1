"""`submit`: a run made into a submission."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from humanbench._version import __version__
from humanbench.backbones.cards import backbone_cards, load_backbone_card, portable_card
from humanbench.cards import find_card, pretraining_names, scenario
from humanbench.errors import HumanbenchError
from humanbench.files import beside, entry_synced, synced, temporary, with_usual_mode
from humanbench.hashing import file_sha256
from humanbench.leaderboard.model.entries import seen_by
from humanbench.leaderboard.submissions.claims import artefact
from humanbench.leaderboard.submissions.manifest import LONGEST_NAME, BackboneRecord, FileEntry, Manifest, recorded
from humanbench.leftovers import files_in, is_leftover
from humanbench.names import mark, slug
from humanbench.recipes import DIRECT
from humanbench.results import Result, load_results

_STORED = (".npz", ".png")
"""Kinds of files that compression does not make smaller."""
_EPOCH = (2020, 1, 1, 0, 0, 0)
"""Time of every member: equal runs make equal archives."""


def default_name(run: Path) -> str:
    """Name of a run's archive."""
    return f"{slug(run.resolve().name)}-submission.zip"


@contextmanager
def gathered(
    run: Path,
    name: str | None = None,
    submitter: str = "",
    pretrained_on: str | Iterable[str] | None = None,
    card: str | None = None,
) -> Iterator[Path]:
    """The submission of a run folder as a folder, for as long as the block lasts.

    Takes its finished results with their predictions, recipes and freeze reports, the environment and what is known of
    the backbone. What it was pretrained on is what the run says, or the card, unless `pretrained_on` says it (names,
    `nothing` or `undisclosed`); the scenarios of the results follow from it. `card`: the file of a card that was
    written after the run; it names the backbone.
    Raises `HumanbenchError` for a run without finished results, with several backbones, or with files missing.
    """
    for option, text in (("--name", name or ""), ("--submitter", submitter)):
        if len(text) > LONGEST_NAME:
            raise HumanbenchError(f"{option}: has {len(text)} characters, at most {LONGEST_NAME} are shown")
    results = [result for result in load_results(run) if result.status == "done"]
    if not results:
        raise HumanbenchError(f"{run}: no cell is finished, so there is nothing to submit")
    record = _backbone(run, results)
    record = record if card is None else with_later_card(record, card)
    if pretrained_on is not None:
        record = record.model_copy(update={"pretrained_on": pretraining_names(pretrained_on)})
    with temporary("humanbench-submit-") as folder:
        for result in results:
            _copy_cell(run, _of_record(result, record), folder)
        (folder / "backbone.json").write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if (run / "environment.json").is_file():
            shutil.copyfile(run / "environment.json", folder / "environment.json")
        manifest = Manifest(
            humanbench=__version__,
            name=name or f"{record.name} {'/'.join(sorted({r.regime for r in results}))}"[:LONGEST_NAME],
            submitter=submitter,
            files=_listed(folder),
        )
        (folder / "manifest.json").write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        yield folder


def write_submission(folder: Path, out: Path) -> Path:
    """Write a gathered submission: an archive if `out` ends in .zip, else a folder; whole or not at all.

    Raises `HumanbenchError` where something is there already.
    """
    if os.path.lexists(out):
        raise HumanbenchError(f"{out}: is there already; remove it or give another --out")
    with beside(out) as place:
        whole = place / out.name
        if out.suffix.lower() == ".zip":
            with zipfile.ZipFile(whole, "w") as archive:
                for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                    _add(archive, path, path.relative_to(folder).as_posix())
        else:
            shutil.copytree(folder, whole)
            with_usual_mode(whole)
        synced(whole)
        whole.rename(out)
        entry_synced(out.absolute().parent)
    return out


def submission_id(name: str, manifest_sha256: str) -> str:
    """The permanent name of a submission."""
    return f"{slug(name, 40)}-{mark(manifest_sha256)}"


def _of_record(result: Result, record: BackboneRecord) -> Result:
    """The result under the record's name, in the scenario that what the backbone has seen makes it."""
    fields: dict[str, Any] = {"backbone": record.name, "checkpoint": record.checkpoint}
    if (card := find_card(result.dataset)) is not None:
        fields["scenario"] = scenario(card, record.pretrained_on)
    return result.model_copy(update=fields)


def with_later_card(record: BackboneRecord, name: str) -> BackboneRecord:
    """The record with a card that was written after the run.

    Raises `HumanbenchError` where the card says of its weights what does not hold for those of the run.
    """
    card = load_backbone_card(name)
    load = (record.network or {}).get("load") or {}
    files = {place.sha256 for place in card.weights if place.sha256}
    if card.tensors_sha256 and record.weights_sha256 not in card.tensors_sha256:
        raise HumanbenchError(f"--card {name}: its tensors_sha256 is not that of the run's weights")
    if not card.tensors_sha256 and files and load.get("sha256") and load["sha256"] not in files:
        raise HumanbenchError(
            f"--card {name}: its weights have the SHA-256 {min(files)[:12]}…, the run's file {load['sha256'][:12]}…"
        )
    known = next((one.id for one in backbone_cards().values() if record.weights_sha256 in one.tensors_sha256), card.id)
    if known != card.id:
        raise HumanbenchError(f"--card {name}: the run's weights are those of {known}, which has a card already")
    built = ((record.network or {}).get("architecture") or {}).get("timm")
    theirs = card.architecture.timm
    if built and theirs and built.partition(".")[0] != theirs.partition(".")[0]:
        raise HumanbenchError(f"--card {name}: is of the network {theirs}, the run is of {built}")
    if card.id in backbone_cards() and record.weights_sha256 not in card.tensors_sha256:
        raise HumanbenchError(f"--card {name}: {card.id} is the id of a card that comes with humanbench; take another")
    return record.model_copy(
        update={"name": card.id, "checkpoint": None, "card": card.portable(), "pretrained_on": card.datasets()}
    )


def _backbone(run: Path, results: list[Result]) -> BackboneRecord:
    first = results[0]
    weights = {(r.backbone, r.checkpoint, r.cell.weights_sha256) for r in results}
    if len(weights) > 1:
        names = ", ".join(sorted({r.backbone for r in results}))
        raise HumanbenchError(
            f"{run}: holds results of {len(weights)} sets of weights ({names}); submit one run of each"
        )
    networks = {r.cell.architecture for r in results if r.variant != DIRECT}
    if len(networks) > 1:
        raise HumanbenchError(
            f"{run}: holds results of {len(networks)} networks with the same weights (other heads, another mean ...); "
            "submit one run of each"
        )
    record = recorded(run)
    if record is None or (record.name, record.checkpoint, record.weights_sha256) not in weights:
        record = BackboneRecord(
            name=first.backbone,
            checkpoint=first.checkpoint,
            weights_sha256=first.cell.weights_sha256,
            pretrained_on=seen_by(first),
            card=portable_card(backbone_cards().get(first.backbone), first.checkpoint),
        )
    return record


def _copy_cell(run: Path, result: Result, folder: Path) -> None:
    if result.predictions is None:
        raise HumanbenchError(f"{run}: the result on {result.dataset} has no predictions, so nobody can check it")
    name = artefact(result)
    parts = [f"recipes/{name}.json", f"freeze/{name}.json", f"freeze/{name}.txt", result.predictions]
    for part in parts:
        source, target = run / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=lambda _, names: filter(is_leftover, names))
        elif source.is_file():
            shutil.copyfile(source, target)
        elif part != f"freeze/{name}.txt":
            raise HumanbenchError(f"{run}: {part} is missing; a submission needs it (run `humanbench eval` again)")
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results" / f"{name}.json").write_text(result.to_json() + "\n", encoding="utf-8")


def _listed(folder: Path) -> dict[str, FileEntry]:
    files = [p for p in files_in(folder, "**/*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): FileEntry(sha256=file_sha256(p), size=p.stat().st_size) for p in files}


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o100644 << 16
    info.compress_type = zipfile.ZIP_STORED if path.suffix in _STORED else zipfile.ZIP_DEFLATED
    with path.open("rb") as source, archive.open(info, "w", force_zip64=path.stat().st_size > 1 << 31) as target:
        shutil.copyfileobj(source, target, 1 << 20)
