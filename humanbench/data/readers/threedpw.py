"""3DPW: one pickle per sequence with detected 2D joints of one or two actors; images are extracted by the authors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import annotation_files, need
from humanbench.data.readers.coco_keypoints import MergedKeypoints, merged_table
from humanbench.data.readers.files import array, load_pickle
from humanbench.data.readers.people import box_around, join_tables, person_table
from humanbench.errors import DataError

OPTIONS = MergedKeypoints


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """People by frame `<sequence>/image_<number>` and actor (0 or 1).

    v is 2 where the detector's confidence is above 0. The format states no box: it is taken around the joints. An actor
    without any joint in a frame has no row, but the image stays listed.
    """
    official = (root / "sequenceFiles").is_dir()
    if not official and (merged := merged_table(card, MergedKeypoints.of(card), split, root)) is not None:
        return merged
    folder = need(card, root, f"sequenceFiles/{split}")
    files = annotation_files(card, folder, ".pkl", "of a sequence ")
    return join_tables([_sequence(card, path, root) for path in files])


def _sequence(card: DatasetCard, path: Path, root: Path) -> Table:
    content: Any = load_pickle(card, path)
    if not isinstance(content, dict) or "sequence" not in content or not isinstance(content.get("poses2d"), list):
        raise DataError(f"{card.id}: {path} is not a 3DPW sequence: it holds no 'sequence' and no list 'poses2d'")
    joints = len(card.labels.keypoints)
    actors = [array(card, path, actor, "poses2d", (None, 3, joints)) for actor in content["poses2d"]]
    if len({len(actor) for actor in actors}) != 1:
        raise DataError(f"{card.id}: {path}: 'poses2d' has actors with different numbers of frames, or none")
    keypoints = np.stack(actors, axis=1).transpose(0, 1, 3, 2).copy()  # frame, actor, joint, (x, y, confidence)
    keypoints[..., 2] = 2.0 * (keypoints[..., 2] > 0)
    frame, actor = np.nonzero((keypoints[..., 2] > 0).any(axis=2))
    labelled = keypoints[frame, actor]
    names = [f"{content['sequence']}/image_{number:05d}" for number in range(len(keypoints))]
    return person_table(
        image=[str(root / "imageFiles" / f"{names[f]}.jpg") for f in frame],
        image_id=[names[f] for f in frame],
        annotation_id=actor.tolist(),
        keypoints=labelled,
        bbox=box_around(labelled),
        image_ids=names,
    )
