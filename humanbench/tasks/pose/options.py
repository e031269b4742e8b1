"""The options of pose recipes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from humanbench.schema import Count, Fraction, Positive
from humanbench.tasks.options import RecipeOptions, RecipeSections


class PoseAugmentOptions(RecipeOptions):
    """Training augmentation; the values are the released pose configurations' (`PATH/experiments`, HumanBench).

    shift: with chance `shift_chance` the box moves by up to this share of its sides. flip: chance of a mirror image.
    half_body: chance that of a person with more than `half_body_joints` labelled joints half of the body is shown.
    scale: the window is scaled by a normal factor of this deviation about 1, at most this far from 1. rotation: normal
    deviation in degrees, cut off at twice that, with chance `rotation_chance`. photometric: see `data.transforms`.
    """

    shift: Fraction
    shift_chance: Fraction
    flip: Fraction
    half_body: Fraction
    half_body_joints: int
    scale: Annotated[float, Field(ge=0, lt=1)]
    rotation: Annotated[float, Field(ge=0, le=90)]
    rotation_chance: Fraction
    photometric: Fraction


class PoseHeadOptions(RecipeOptions):
    """channels: of every transposed convolution. stride: pixels of network input per heatmap cell."""

    channels: Count
    stride: Count


class PoseLossOptions(RecipeOptions):
    """sigma: of the target Gaussians, in heatmap cells."""

    sigma: Positive


class PoseTestOptions(RecipeOptions):
    """flip: average in the mirror image. boxes: whose windows are cropped. blur: kernel of the refinement, in cells.

    `blur` 1 is none. boxes: `annotations` (the ground truth's) or `detections` (the input file `boxes`).
    """

    flip: bool
    boxes: Literal["annotations", "detections"]
    blur: Count

    @field_validator("blur")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("a kernel has an odd number of cells")
        return value


class PoseSections(RecipeSections):
    """The sections of recipes of the task."""

    augment: PoseAugmentOptions
    head: PoseHeadOptions
    loss: PoseLossOptions
    test: PoseTestOptions
