"""What readers return equals what the generator recorded before the writer got it, for all 44 datasets.

Pictures are matched by their content and people by their place, so names, ids and orders given by the writer play no
part. Formats round, merge visibilities or make boxes of their own as their facts say; the tables below list which.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linear_sum_assignment

from humanbench.cards import DatasetCard, cards
from humanbench.data.labels import load_label
from humanbench.data.readers.people import box_around
from humanbench.data.samples import load_samples
from humanbench.data.verify import verify
from humanbench.data.writers.people import WITHOUT_PEOPLE
from tests.mannequin.copies import Copies, content, matched, stack

pytestmark = pytest.mark.xdist_group("mannequin")

WHOLE = 0.5 + 1e-6
"""Formats of whole numbers: at most half a pixel off."""
KEYPOINT_ROUNDING = {"coco_keypoints": WHOLE, "halpe": WHOLE, "jrdb": WHOLE, "aic": WHOLE}
ONE_VISIBILITY = {
    "posetrack": 1, "human36m": 1, "mpii": 2, "penn_action": 2, "mpi_inf_3dhp": 2, "aist_plusplus": 2, "threedpw": 2
}  # fmt: skip
"""Formats that do not tell hidden joints from visible ones, and the v that labelled ones get."""
BOX_AREA = {"aic", "posetrack", "mhp", "penn_action", "mpi_inf_3dhp", "aist_plusplus", "threedpw", "mpii"}
"""Formats without an area: that of the box."""
NO_EMPTY_PICTURES = {"human36m", "penn_action", "mpi_inf_3dhp", "aist_plusplus", "mpii"}
"""Formats that list people, or hold one person in each picture: pictures without people are not in their tables."""


def of(task: str) -> list[str]:
    return sorted(name for name, card in cards().items() if card.task == task)


def pairs_of(copies: Copies, name: str, split: str) -> list[tuple[list[Any], list[Any]]]:
    """Rows read and rows recorded, picture by picture; pictures of which nothing was read fail."""
    card, records = copies.record(name)
    read = load_samples(card, split, copies.root)
    assert read.attrs["synthetic"]
    pairs = matched(read, records[split])
    assert all(theirs for theirs, _ in pairs)
    return pairs


def splits_of(copies: Copies, name: str) -> list[str]:
    card, records = copies.record(name)
    assert list(records) == [s for s, described in card.splits.items() if described.labels != "withheld"]
    return list(records)


def paired(read: np.ndarray, recorded: np.ndarray) -> np.ndarray:
    """For every recorded row of numbers the row read that is nearest (one to one): indices into `read`."""
    assert len(read) == len(recorded)
    distance = np.abs(recorded[:, None] - read[None]).sum(axis=2)
    return linear_sum_assignment(distance)[1]


@pytest.mark.parametrize("name", of("reid"))
def test_people_and_cameras(copies: Copies, name: str) -> None:
    for split in splits_of(copies, name):
        card, _ = copies.record(name)
        for theirs, ours in pairs_of(copies, name, split):
            ((got,), (recorded,)) = theirs, ours
            assert got["pid"] == recorded["pid"]
            assert got["camid"] == (recorded["camid"] if card.splits[split].cameras else -1)


@pytest.mark.parametrize("name", of("attribute"))
def test_attributes(copies: Copies, name: str) -> None:
    for split in splits_of(copies, name):
        card, _ = copies.record(name)
        seen = 0
        for theirs, ours in pairs_of(copies, name, split):
            if "bbox" in theirs[0]:
                boxes, recorded = stack(theirs, "bbox"), stack(ours, "bbox")
                order = paired(boxes, recorded)
                np.testing.assert_allclose(boxes[order], recorded, atol=1 + 1e-6)  # two rounded corners
            else:
                order = np.arange(1)
                assert len(theirs) == len(ours) == 1
            for attribute in card.labels.attributes:
                assert [theirs[i][attribute] for i in order] == [row[attribute] for row in ours], attribute
            seen += len(ours)
        assert seen == len(load_samples(card, split, copies.root))


@pytest.mark.parametrize("name", of("parsing"))
def test_part_maps(copies: Copies, name: str) -> None:
    for split in splits_of(copies, name):
        card, records = copies.record(name)
        read = load_samples(card, split, copies.root)
        maps = 0
        for theirs, (recorded,) in matched(read, records[split]):
            if not theirs:  # a picture without any garment has no polygon in ModaNet's file
                assert card.reader.format == "modanet"
                assert not recorded["label"].any()
                continue
            (got,) = theirs
            np.testing.assert_array_equal(load_label(card, got["label"]), recorded["label"])
            maps += 1
        assert maps == len(read)


@pytest.mark.parametrize("name", of("pose"))
def test_keypoints_and_boxes(copies: Copies, name: str) -> None:
    for split in splits_of(copies, name):
        card, records = copies.record(name)
        kind = card.reader.format
        offsets = []
        for theirs, ours in pairs_of(copies, name, split):
            read, recorded = stack(theirs, "keypoints"), stack(ours, "keypoints")
            order = paired(read[..., :2].reshape(len(read), -1), recorded[..., :2].reshape(len(recorded), -1))
            read, theirs = read[order], [theirs[i] for i in order]
            labelled = recorded[..., 2] > 0
            if kind == "mhp":  # negative coordinates, here the left half of the first pixel, mean unlabelled
                labelled &= (recorded[..., :2] >= 0).all(axis=-1)
            visible = np.where(labelled, ONE_VISIBILITY.get(kind, recorded[..., 2]), 0)
            np.testing.assert_array_equal(read[..., 2], visible)
            np.testing.assert_allclose(
                read[labelled][:, :2], recorded[labelled][:, :2], atol=KEYPOINT_ROUNDING.get(kind, 1e-6)
            )
            offsets.append(read[labelled][:, :2] - recorded[labelled][:, :2])
            _check_boxes(kind, split, theirs, ours)
            assert {(row["image_id"], row["iscrowd"]) for row in theirs} == {(theirs[0]["image_id"], 0)}
        # Rounding is to both sides: no coordinate is shifted by half a pixel or one.
        assert np.abs(np.concatenate(offsets).mean(axis=0)).max() < 0.08
        _check_images(card, split, copies, records[split])


def _check_boxes(kind: str, split: str, theirs: list[Any], ours: list[Any]) -> None:
    read, recorded = stack(theirs, "bbox"), stack(ours, "bbox")
    if kind in ("aist_plusplus", "threedpw", "mpi_inf_3dhp"):  # these state no boxes
        np.testing.assert_allclose(read, box_around(stack(ours, "keypoints"), square=kind == "mpi_inf_3dhp"))
    elif kind == "mpii":
        np.testing.assert_allclose(stack(theirs, "center"), stack(ours, "center"))
        np.testing.assert_allclose(stack(theirs, "scale"), stack(ours, "scale"))
        side = 200 * stack(ours, "scale")
        np.testing.assert_allclose(read[:, 2:], np.stack([side, side], axis=1))
        np.testing.assert_allclose(read[:, :2] + read[:, 2:] / 2, stack(ours, "center"))
        if split == "val":
            np.testing.assert_allclose(stack(theirs, "headbox"), stack(ours, "headbox"))
    else:
        atol = {"aic": 2 * WHOLE, "coco_keypoints": 0.006, "halpe": 0.006, "jrdb": 0.006}.get(kind, 1e-6)
        np.testing.assert_allclose(read, recorded, atol=atol)
    area = read[:, 2:].prod(axis=1) if kind in BOX_AREA else stack(ours, "area")
    np.testing.assert_allclose(stack(theirs, "area"), area, rtol=1e-6)


def _check_images(card: DatasetCard, split: str, copies: Copies, record: pd.DataFrame) -> None:
    """Pictures without people are in the list of images, where the format has a place for them."""
    empty = 0 if card.reader.format in NO_EMPTY_PICTURES else len(record.attrs[WITHOUT_PEOPLE])
    read = load_samples(card, split, copies.root)
    assert len(read.attrs["image_ids"]) == record["image"].nunique() + empty


@pytest.mark.parametrize("name", of("detection"))
def test_boxes(copies: Copies, name: str) -> None:
    for split in splits_of(copies, name):
        card, _ = copies.record(name)
        offsets = []
        for (got,), (recorded,) in pairs_of(copies, name, split):
            ignored = np.asarray(recorded["ignore"], bool)
            # The paper's list for Caltech holds people only.
            stored = ~ignored if card.reader.options.get("kinds", {}).get(split) == "list" else ignored | True
            boxes, full, visible = np.asarray(got["boxes"]), recorded["boxes"][stored], recorded["visible"][stored]
            order = paired(boxes, full)
            np.testing.assert_allclose(boxes[order], full, atol=0.006 if name == "coco_person" else WHOLE)
            np.testing.assert_array_equal(np.asarray(got["ignore"])[order], ignored[stored])
            offsets.append(boxes[order] - full)
            _check_visible(card, got, order, full, visible, ignored[stored])
        assert np.abs(np.concatenate(offsets).mean(axis=0)).max() < 0.12


def _check_visible(
    card: DatasetCard, got: Any, order: np.ndarray, full: np.ndarray, visible: np.ndarray, ignored: np.ndarray
) -> None:
    if got["visible"] is None:
        assert card.reader.format not in ("odgt", "citypersons", "caltech")
        return
    read = np.asarray(got["visible"])[order]
    if card.reader.format == "caltech":  # ratios of areas; the heights of both boxes are whole pixels
        share = visible[:, 2:].prod(axis=1) / full[:, 2:].prod(axis=1)
        np.testing.assert_array_less(np.abs(read - np.minimum(share, 1)), 1.01 / np.maximum(full[:, 3], 2))
    elif card.reader.format == "citypersons":  # what is no person has no visible box of its own
        np.testing.assert_allclose(read, np.where(ignored[:, None], full, visible), atol=WHOLE)
    else:
        np.testing.assert_allclose(read, visible, atol=WHOLE)
        np.testing.assert_allclose(np.asarray(got["head"])[order].shape, full.shape)


@pytest.mark.parametrize("name", of("counting"))
def test_heads(copies: Copies, name: str) -> None:
    for split in splits_of(copies, name):
        for (got,), (recorded,) in pairs_of(copies, name, split):
            points = np.asarray(got["points"])
            np.testing.assert_allclose(points[paired(points, recorded["points"])], recorded["points"], atol=1e-6)
            assert got["count"] == recorded["count"] == len(points)


@pytest.mark.parametrize("name", sorted(cards()))
def test_verify_accepts_a_copy_as_a_copy(copies: Copies, name: str) -> None:
    card, _ = copies.record(name)
    report = verify(card, copies.root, every=5)
    assert report.release == "mannequin"
    assert [row for row in report.rows if row.status != "ok"] == []


@pytest.mark.parametrize("name", sorted(cards()))
def test_no_picture_is_in_two_splits_that_a_model_meets_apart(copies: Copies, name: str) -> None:
    card, records = copies.record(name)
    if card.evaluation is None:
        pytest.skip("not evaluated on")
    shown = {split: {content(str(p)) for p in records[split]["image"]} for split in records}
    for train in card.evaluation.train:
        for test in card.evaluation.test:
            assert not shown[train] & shown[test]


def test_all_pictures_are_files_of_the_copy(copies: Copies) -> None:
    card, records = copies.record("crowdhuman")
    for split in records:
        read = load_samples(card, split, copies.root)
        assert all(Path(p).is_relative_to(copies.root / card.id) for p in read["image"])
