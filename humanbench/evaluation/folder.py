"""A folder of pictures predicted: the predictions file, and the pictures with what was found drawn in.

Done in portions that are kept until all are there, so that an interrupted run goes on where it was. Nothing is
half-written: the predictions file appears when it is whole.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from humanbench._version import __version__
from humanbench.engine.devices import check_device
from humanbench.engine.run_folder import RunFolder
from humanbench.errors import DataError, HumanbenchError
from humanbench.evaluation.finetuned import FinetunedModel
from humanbench.evaluation.pictures import PICTURES, assumptions, decoded_of, folder_pictures
from humanbench.files import replacing, write_text
from humanbench.hashing import content_sha256, file_sha256, key
from humanbench.overrides import PathLike
from humanbench.run_log import RunLog
from humanbench.tasks.base import Tables
from humanbench.tasks.registry import task_for
from humanbench.tasks.training import FolderPicture, training_of

ABOUT = "prediction.json"


@dataclass(frozen=True)
class FolderOutcome:
    """What was written: the folder, the predictions file or folder in it, drawn pictures, and `ABOUT`'s content."""

    folder: Path
    predictions: Path
    drawn: int
    about: dict[str, Any]


def predict_folder(
    model: FinetunedModel,
    pictures: PathLike,
    out: PathLike,
    boxes: PathLike | None = None,
    *,
    device: str | None = None,
    workers: int | None = None,
    drawn: bool = True,
    skip_unreadable: bool = False,
    command: str = "",
) -> FolderOutcome:
    """Predict a folder of pictures into `out`: `predictions` in the task's format, `drawn/`, and `prediction.json`.

    What is there of the same content is not computed again. With `skip_unreadable` pictures that cannot be read are
    left out, and named in `prediction.json`. Raises `HumanbenchError` for pictures, boxes or weights that do not fit,
    for pictures that cannot be read, and where `out` holds predictions of something else.
    """
    check_device(device)
    _check_apart(pictures, out)
    folder = RunFolder(Path(out).expanduser().absolute())
    skipped: list[str] = []
    listed = folder_pictures(model.card, pictures, boxes, skipped if skip_unreadable else None)
    tables = training_of(model.card).picture_tables(model.card, listed)
    if not sum(map(len, tables.values())):
        raise DataError(f"{boxes}: holds no box in any of the {len(listed)} pictures")
    record = _record(model, listed, boxes) | {"skipped": skipped}
    log = RunLog(folder.log)
    with folder.claim(["predict"]):
        log.write(f"$ {command or 'predict_folder'}")
        for text in record["assumed"]:
            log.info(f"  assumed: {text}")
        for text in skipped:
            log.info(f"  left out: {text}")
        place = folder.path / f"predictions{task_for(model.card).predictions.suffix}"
        _write(model, tables, record, folder.path, place, log, device, workers)
        names = drawn_names([picture.id for picture in listed])
        count = _draw(model, tables, place, folder.path / "drawn", names, log) if drawn else 0
    return FolderOutcome(folder.path, place, count, json.loads((folder.path / ABOUT).read_bytes()))


def _check_apart(pictures: PathLike, out: PathLike) -> None:
    """Drawn pictures may not come among those that are predicted, where the next call would find them."""
    inside, around = (Path(given).expanduser().resolve() for given in (out, pictures))
    if inside.is_relative_to(around):
        raise HumanbenchError(f"--out {out}: lies in the folder of pictures {pictures}; give one outside of it")


def _record(model: FinetunedModel, pictures: Sequence[FolderPicture], boxes: PathLike | None) -> dict[str, Any]:
    given = None if boxes is None else file_sha256(Path(boxes))
    content = [(p.id, file_sha256(Path(p.path))) for p in pictures]
    return {
        "humanbench": __version__,
        "identity": key(model.result.cell.id, model.sha256, content, given),
        "dataset": model.card.id,
        "task": model.card.task,
        "backbone": model.result.backbone,
        "cell": model.name,
        "weights_sha256": model.sha256,
        "pictures": len(pictures),
        "pictures_sha256": key(content),
        "people": sum(len(p.boxes) for p in pictures) if training_of(model.card).takes_boxes else None,
        "boxes_sha256": given,
        "assumed": assumptions(model.card, model.recipe, pictures),
    }


def _write(
    model: FinetunedModel,
    tables: Tables,
    record: dict[str, Any],
    folder: Path,
    place: Path,
    log: RunLog,
    device: str | None,
    workers: int | None,
) -> None:
    """The predictions, unless they are there; the record says what they are of, and is the last that is written."""
    record_file, parts = folder / ABOUT, folder / "parts"
    before = _read(record_file)
    if before is not None and before.get("identity") == record["identity"] and place.exists():
        log.info(f"  done before: {place}")
        return
    if before is not None:
        raise HumanbenchError(f"{folder}: holds predictions of {_differing(before, record)}; give another --out")
    started = _read(parts / ABOUT)
    if started is None or started.get("identity") != record["identity"]:
        if started is not None:
            log.info(f"  what an earlier run left is of {_differing(started, record)} and is removed")
        shutil.rmtree(parts, ignore_errors=True)
        write_text(parts / ABOUT, json.dumps(record, indent=1) + "\n")
    decoded = decoded_of(model.card, model.recipe, model.network, tables, device, workers, log, parts)
    if place.is_dir():  # of a run that ended before it could say what they are
        shutil.rmtree(place)
    value = training_of(model.card).predictions(model.card, tables, decoded)
    task_for(model.card).predictions.write(model.card, tables, value, place)
    done = record | {"predictions": place.name, "predictions_sha256": content_sha256(place)}
    write_text(record_file, json.dumps(done, indent=1) + "\n")
    shutil.rmtree(parts, ignore_errors=True)


def _differing(before: dict[str, Any], now: dict[str, Any]) -> str:
    """In what two records differ, in words."""
    texts = {
        "pictures_sha256": f"other pictures ({before.get('pictures')} there, {now['pictures']} now)",
        "boxes_sha256": "other boxes",
        "cell": f"other weights ({before.get('cell')})",
        "weights_sha256": f"other weights ({before.get('cell')})",
    }
    differences = [text for name, text in texts.items() if name in before and before[name] != now[name]]
    return " and ".join(dict.fromkeys(differences)) or f"other pictures, boxes or weights ({before.get('cell')})"


def drawn_names(ids: Sequence[str]) -> dict[str, str]:
    """By id of a picture the name of its drawing, without a suffix: the picture's own is dropped where no two then
    have one name.

    >>> drawn_names(["a.jpg", "b.jpg", "b.png"])
    {'a.jpg': 'a', 'b.jpg': 'b.jpg', 'b.png': 'b.png'}
    """
    bare = {name: str(Path(name).with_suffix("")) if Path(name).suffix.lower() in PICTURES else name for name in ids}
    counts = Counter(name.casefold() for name in bare.values())
    return {name: short if counts[short.casefold()] == 1 else name for name, short in bare.items()}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _draw(model: FinetunedModel, tables: Tables, place: Path, folder: Path, names: dict[str, str], log: RunLog) -> int:
    """Draw the pictures that are not drawn yet; how many there are."""
    task, count = task_for(model.card), 0
    read = task.predictions.read(model.card, tables, place)
    total = max(map(len, tables.values()))
    with log.bar("draw", total) as advance:
        for name, make in task.drawing.pictures(model.card, tables, read):
            file = folder / f"{names.get(name, name)}.jpg"
            if not file.is_file():
                with replacing(file) as temporary:
                    make().convert("RGB").save(temporary, "JPEG", quality=90)
            count += 1
            advance(1)
    return count
