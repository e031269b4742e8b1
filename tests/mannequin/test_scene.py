"""Labels against the pixels they were drawn from: places, sides, covers, clothes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from humanbench.cards import load_card
from humanbench.data.mannequin.anatomy import ANGLE, ANGLES, JOINT
from humanbench.data.mannequin.attribute_rules import attribute_values
from humanbench.data.mannequin.camera import Camera
from humanbench.data.mannequin.dress import GARMENT, GARMENTS
from humanbench.data.mannequin.geometry import (
    HEAD,
    IN_BOX,
    Actor,
    Obstacle,
    combined,
    heading_sector,
    obstacle_geometry,
    people_geometry,
)
from humanbench.data.mannequin.keypoint_rules import joint_indices
from humanbench.data.mannequin.labels import shoot
from humanbench.data.mannequin.looks import Look
from humanbench.data.mannequin.part_rules import part_map
from humanbench.data.mannequin.sampling import Photograph, identity, photograph_scene, world_of
from humanbench.data.mannequin.sampling_plan import plan
from humanbench.data.mannequin.scene import Light, Scene, render
from humanbench.data.mannequin.shapes import SHAPE
from humanbench.data.mannequin.task_scenes import LabelRow

CAMERA = Camera.centred(focal=400.0, height=1.2, tilt=0.0, size=(240, 320))
LIGHT = Light((0.0, -1.0, -0.5))


def someone(**changes: object) -> Look:
    """A person of a fixed look without anything carried, in long clothes."""
    look = identity(world_of(load_card("market1501"), 0), 3)
    plain = {"bags": (), "umbrella": None, "sleeve": "long", "outer": None, "lower": "trousers", "scarf": None}
    plain |= {"hat": "", "glasses": False, "gloves": False, "hair": "short", "shoes": "shoes", "mask": False}
    return replace(look, **(plain | changes))  # type: ignore[arg-type]


def standing(look: Look, x: float = 0.0, z: float = -3.5, yaw: float = 0.0, **angles: float) -> Actor:
    values = np.zeros(len(ANGLES))
    for name, value in angles.items():
        values[ANGLE[name]] = value
    return Actor(look, "standing", values, x, z, yaw)


def taken(actors: list[Actor], obstacles: tuple[Obstacle, ...] = (), k: int = 1, camera: Camera = CAMERA) -> Scene:
    grey = np.full((camera.size[1], camera.size[0], 3), 128, np.uint8)
    geometry = combined(people_geometry(camera, actors), obstacle_geometry(camera, list(obstacles)))
    return render(camera, geometry, grey, LIGHT, k)


def middle(mask: np.ndarray) -> np.ndarray:
    """Mean (x, y) of the pixels of a mask."""
    assert mask.any()
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("k", [1, 2])
def test_a_ball_is_drawn_where_it_is_projected_to(k: int) -> None:
    at = np.array([[0.13, 1.37, -3.0]])
    picture = taken([], (Obstacle(at, at, np.array([0.2]), (1.0, 0.0, 0.0)),), k)
    expected = CAMERA.project(CAMERA.view(at))[0]
    # Pixel (0, 0) is the centre of the first pixel, in the mask of what was drawn and in its colours.
    drawn = (np.abs(picture.radiance - 128 / 255) > 0.05).any(axis=2)
    np.testing.assert_allclose(middle(drawn), expected, atol=0.3)
    assert np.sqrt(drawn.sum() / np.pi) == pytest.approx(0.2 / 3.0 * CAMERA.focal, abs=0.5)


def test_a_window_shows_the_same_point_of_the_picture() -> None:
    actor = standing(someone())
    window = CAMERA.window(60.25, 40.5, 1.75, (200, 300))
    whole = render(CAMERA, people_geometry(CAMERA, [actor]), np.zeros((320, 240, 3), np.uint8), LIGHT).people[0]
    part = render(window, people_geometry(CAMERA, [actor]), np.zeros((300, 200, 3), np.uint8), LIGHT).people[0]
    # The left edge 60.25 of the window becomes the edge -0.5 of its first pixel.
    np.testing.assert_allclose(part.joints[:, :2] + 0.5, (whole.joints[:, :2] - [60.25, 40.5]) * 1.75)
    np.testing.assert_allclose(part.box[2:], whole.box[2:] * 1.75, rtol=1e-4)


def test_somebody_facing_the_camera_has_the_left_on_the_right_of_the_picture() -> None:
    front, back = taken([standing(someone())]).people[0], taken([standing(someone(), yaw=np.pi)]).people[0]
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear"):
        left, right = JOINT[f"left_{part}"], JOINT[f"right_{part}"]
        assert front.joints[left, 0] > front.joints[right, 0] + 1
        assert back.joints[left, 0] < back.joints[right, 0] - 1
    assert front.joints[JOINT["nose"], 2] == 2
    assert back.joints[JOINT["nose"], 2] == 1
    up = taken([standing(someone(), left_shoulder_abduct=2.8)]).people[0].joints
    assert up[JOINT["left_wrist"], 1] < up[JOINT["head_top"], 1] < up[JOINT["right_wrist"], 1]


def test_upright_people_have_their_joints_in_the_order_of_the_body() -> None:
    y = taken([standing(someone())]).people[0].joints[:, 1]
    down = ("head_top", "left_eye", "nose", "chin", "thorax", "spine", "pelvis", "left_knee", "left_ankle", "left_heel")
    assert list(y[[JOINT[n] for n in down]]) == sorted(y[[JOINT[n] for n in down]])


@pytest.mark.parametrize("yaw", [0.0, 0.6, np.pi])
def test_boxes_are_the_extents_of_what_is_drawn(yaw: float) -> None:
    """Of an uncovered person, with clothes that flare and things carried."""
    for changes in ({}, {"lower": "long_skirt"}, {"lower": "dress", "hair": "long"}, {"bags": ("backpack", "held")}):
        picture = taken([standing(someone(**changes), yaw=yaw, left_shoulder_abduct=0.9)])
        (person,) = picture.people
        for box, counts in ((person.box, IN_BOX), (person.head_box, HEAD)):
            rows, columns = np.nonzero((picture.owner == 0) & counts[picture.shape])
            edges = np.array([columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5])
            outside = np.concatenate([edges[:2] - box[:2], box[:2] + box[2:] - edges[2:]])
            assert (outside >= -0.51).all()  # nothing is drawn outside the box
            if counts is IN_BOX:
                assert (outside <= 1.0).all()
            else:  # what is nearer may hide the chin and the sides of the head
                assert outside[1] <= 1.0
        assert person.pixels == ((picture.owner == 0) & IN_BOX[picture.shape]).sum()
        assert person.visible_share > 0.5


def test_what_stands_before_somebody_hides_joints_and_cuts_the_visible_box() -> None:
    wall = np.array([[-1.0, 0.3, -2.5]])
    obstacle = Obstacle(wall, wall + np.array([2.0, 0.0, 0.0]), np.array([0.45]), (0.2, 0.2, 0.2))
    free, covered = taken([standing(someone())]).people[0], taken([standing(someone())], (obstacle,)).people[0]
    np.testing.assert_array_equal(free.joints[:, :2], covered.joints[:, :2])
    np.testing.assert_array_equal(free.box, covered.box)
    for name in ("left_knee", "right_ankle", "left_toe"):
        assert (free.joints[JOINT[name], 2], covered.joints[JOINT[name], 2]) == (2, 1)
    for name in ("nose", "left_shoulder", "pelvis"):
        assert covered.joints[JOINT[name], 2] == 2
    assert covered.visible_box is not None
    assert free.visible_box is not None
    assert covered.visible_box[3] < 0.75 * free.visible_box[3]
    assert covered.pixels < free.pixels
    other = taken([standing(someone()), standing(someone(), z=-2.0)]).people
    assert other[0].pixels < 0.1 * other[1].pixels
    assert taken([standing(someone(), x=9.0)]).people[0].visible_box is None


SHOWN = {  # attribute of a card -> shapes that only those who have it show
    "Hat": ("hat",),
    "Glasses": ("glasses",),
    "Backpack": ("backpack",),
    "HandBag": ("left_hand_bag", "right_hand_bag"),
    "ShoulderBag": ("left_shoulder_bag", "right_shoulder_bag"),
    "HoldObjectsInFront": ("held",),
    "Skirt&Dress": ("skirt_short", "skirt_knee", "skirt_long"),
}


@cache
def crops(name: str, count: int) -> list[tuple[Photograph, list[LabelRow]]]:
    card = load_card(name)
    world = world_of(card, 0)
    (shots, *_) = plan(card, world, 1.0).values()
    return [shoot(card, world, shot) for shot in shots[:count]]


def test_attributes_are_what_the_pixels_show() -> None:
    """In all pictures nothing is worn that is not stated, and in most what is stated can be seen."""
    names = load_card("pa100k").labels.attributes
    visible = {name: [0, 0] for name in (*SHOWN, "LongSleeve", "Trousers")}
    faces: dict[str, list[bool]] = {"Front": [], "Side": [], "Back": []}
    for shot, rows in crops("pa100k", 120):
        (row,) = rows
        drawn = shot.scene.shape[shot.scene.owner == 0]
        for name, shapes in SHOWN.items():
            seen = np.isin(drawn, [SHAPE[s] for s in shapes]).any()
            assert row[name] or not seen, name
            visible[name][0] += row[name]
            visible[name][1] += seen
        garment = shot.scene.garment[shot.scene.owner == 0]
        for name, limb, cloth in (
            ("LongSleeve", "forearm", ("upper", "dress", "jumpsuit", "coat")),
            ("Trousers", "shin", ("pants", "jumpsuit")),
        ):
            worn = garment[np.isin(drawn, [SHAPE[f"left_{limb}"], SHAPE[f"right_{limb}"]])]
            if len(worn):
                assert row[name] == np.isin(worn, [GARMENT[c] for c in cloth]).all(), name
                visible[name][0] += row[name]
                visible[name][1] += row[name]
        assert sum(row[n] for n in ("AgeOver60", "Age18-60", "AgeLess18")) == 1
        assert sum(row[n] for n in ("Front", "Side", "Back")) == 1
        view = next(n for n in ("Front", "Side", "Back") if row[n])
        faces[view].append(shot.scene.people[0].joints[JOINT["nose"], 2] == 2)
        assert list(row.values())[: len(names)] == attribute_values(names, shot.scene.people[0].actor)
    for name, (stated, seen) in visible.items():
        assert 0 < 0.4 * stated <= seen, name
    assert np.mean(faces["Front"]) > 0.9
    assert np.mean(faces["Back"]) < 0.2


def test_directions_are_those_of_the_picture() -> None:
    names = tuple(f"Orientation {side}" for side in ("front", "right", "back", "left"))
    for yaw, expected in ((0.0, 0), (np.pi / 2, 1), (np.pi, 2), (-np.pi / 2, 3)):
        actor = standing(someone(), yaw=yaw)
        assert attribute_values(names, actor) == [int(i == expected) for i in range(4)]
        joints = taken([actor]).people[0].joints
        ahead = joints[JOINT["nose"], 0] - joints[JOINT["head"], 0]
        assert (expected == 1) == (ahead > 3)
        assert (expected == 3) == (ahead < -3)


def test_headings_of_body_and_head_are_what_the_picture_shows() -> None:
    """Classes of eight: 0 faces us, 2 the right side of the picture, 4 is seen from behind, 6 the left side."""
    for sector in range(8):
        for turn in (-2, 0, 1):  # the head turns on its own
            yaw, neck = sector * np.pi / 4, turn * np.pi / 4
            (person,) = taken([standing(someone(), yaw=yaw, head_yaw=neck)]).people
            assert heading_sector(person.heading, 8) == sector
            assert heading_sector(person.head_heading, 8) == (sector + turn) % 8
            x, z = (person.joints_3d[JOINT["nose"]] - person.joints_3d[JOINT["head"]])[[0, 2]]
            # In the camera's frame, tilted by nothing here, forward of the camera is away from us.
            assert np.allclose([x, -z] / np.hypot(x, z), person.head_direction[[0, 2]], atol=1e-6)
            nose, head = person.joints[JOINT["nose"]], person.joints[JOINT["head"]]
            if heading_sector(person.head_heading, 8) in (1, 2, 3):
                assert nose[0] > head[0] + 2
            if heading_sector(person.head_heading, 8) in (5, 6, 7):
                assert nose[0] < head[0] - 2
            assert (nose[2] == 2) == (heading_sector(person.head_heading, 8) not in (3, 4, 5))


def test_a_head_that_looks_down_keeps_its_heading() -> None:
    (person,) = taken([standing(someone(), yaw=0.7, head_pitch=0.6)]).people
    assert person.head_heading == pytest.approx(0.7)
    assert person.head_direction[1] == pytest.approx(-np.sin(0.6))
    assert np.linalg.norm(person.head_direction) == pytest.approx(1)


def test_depth_is_that_of_what_stands_in_front() -> None:
    scene = taken([standing(someone(), z=-3.0), standing(someone(), x=0.1, z=-5.0)])
    near, far = (scene.depth[scene.owner == i] for i in (0, 1))
    assert near.max() < scene.people[0].distance + 0.6
    assert scene.people[1].distance - 0.6 < far.min()
    assert np.isinf(scene.depth[scene.owner < 0]).all()
    assert [p.distance for p in scene.people] == pytest.approx([3.0, 5.0], abs=0.05)


def people(name: str, count: int) -> Iterator[tuple[Photograph, int, np.ndarray]]:
    """Pictures, people in them and the people's keypoints as the card of a dataset names them."""
    card = load_card(name)
    world = world_of(card, 0)
    which = joint_indices(card.labels, world.style.joints)
    for number in range(count):
        shot = photograph_scene(world, number % world.style.places, number)
        for i, person in enumerate(shot.scene.people):
            yield shot, i, person.joints[which]


@pytest.mark.parametrize("name", ["coco_pose", "aic", "mpii", "jrdb_pose", "human36m_pose", "penn_action"])
def test_named_keypoints_lie_on_the_limbs_of_their_name(name: str) -> None:
    """The pixels of a hand or shoe are nearer to the wrist or ankle of that side than to the other side's."""
    names = list(load_card(name).labels.keypoints)
    ends = {"hand": "wrist", "forearm": "wrist", "foot": "foot" if "left_foot" in names else "ankle"}
    right = checked = 0
    for shot, i, keypoints in people(name, 12):
        for limb, joint in ends.items():
            here, there = (
                (keypoints[names.index(f"{side}_{joint}")] for side in ("left", "right"))
                if (f"left_{joint}" in names)
                else (None, None)
            )
            if here is None or there is None or np.hypot(*(here - there)[:2]) < 12:
                continue
            drawn = (shot.scene.owner == i) & (shot.scene.shape == SHAPE[f"left_{limb}"])
            if drawn.sum() >= 8:
                at = middle(drawn)
                right += np.hypot(*(at - here[:2])) < np.hypot(*(at - there[:2]))
                checked += 1
    assert checked >= 8
    assert right >= 0.95 * checked


def test_visible_joints_are_on_their_person_and_hidden_ones_under_something() -> None:
    """A joint lies inside its limb: where it is visible, its pixel shows the person."""
    on = total = 0
    for shot, i, keypoints in people("coco_pose", 25):
        for x, y, v in keypoints[5:]:
            if v == 2:
                total += 1
                on += shot.scene.owner[round(y), round(x)] == i
            elif v == 0:
                assert not (0 <= x <= 319 and 0 <= y <= 239)
    assert total > 300
    assert on >= 0.97 * total


PARTS = {  # class of a vocabulary -> garments whose pixels carry it, whatever the person wears
    "cihp": {"hair": ("hair",), "hat": ("hat",), "pants": ("pants", "belt"), "skirt": ("skirt",), "dress": ("dress",)},
    "atr": {"hair": ("hair",), "hat": ("hat",), "pants": ("pants",), "skirt": ("skirt",), "bag": ("bag",)},
    "lip": {"hair": ("hair",), "coat": ("coat",), "scarf": ("scarf",), "sunglasses": ("sunglasses",)},
}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_part_maps_are_the_garments(name: str) -> None:
    card = load_card(name)
    classes = [c.lower() for c in card.labels.classes]
    seen = set()
    for shot, ((row),) in crops(name, 40):
        label = row["label"]
        assert label.shape == shot.pixels.shape[:2]
        np.testing.assert_array_equal(label > 0, (shot.scene.owner >= 0) & (label > 0))
        for part, garments in PARTS[name].items():
            wanted = np.isin(shot.scene.garment, [GARMENTS.index(g) for g in garments])
            suit = shot.scene.garment == GARMENT["jumpsuit"]  # a class of its own or its upper and lower part
            np.testing.assert_array_equal((label == classes.index(part)) & ~suit, wanted, err_msg=part)
            seen |= {part} if wanted.any() else set()
    assert seen == set(PARTS[name])


@pytest.mark.parametrize("name", ["cihp", "lip"])
def test_left_and_right_in_part_maps(name: str) -> None:
    card = load_card(name)
    look = someone(sleeve="none", lower="shorts")
    picture = taken([standing(look)])
    label = part_map(picture, card.labels)
    classes = [c.lower() for c in card.labels.classes]
    for part in ("arm", "leg", "shoe"):
        left, right = (middle(label == classes.index(f"{side}-{part}")) for side in ("left", "right"))
        assert left[0] > right[0] + 3, part  # they face us


def test_body_parts_of_human36m_surround_their_joints() -> None:
    card = load_card("human36m_parsing")
    classes = list(card.labels.classes)
    look = someone()
    picture = taken([standing(look, left_shoulder_abduct=0.5, right_shoulder_abduct=0.5)])
    height = look.height * CAMERA.focal / picture.people[0].distance
    label = part_map(picture, card.labels)
    for name in classes:
        side, _, joint = name.partition("-")
        if joint in ("shoulder", "elbow", "hip", "knee"):
            at = picture.people[0].joints[JOINT[f"{side}_{joint}"], :2]
            assert np.hypot(*(middle(label == classes.index(name)) - at)) < 0.05 * height, name
    assert (label[picture.owner == 0] > 0).mean() > 0.97


def test_counted_heads_are_on_heads_that_show() -> None:
    card = load_card("shanghaitech_b")
    for shot, (row,) in crops("shanghaitech_b", 6):
        people = [p for p in shot.scene.people if p.head_pixels > 0]
        assert row["count"] == len(row["points"]) <= len(people)
        boxes = np.array([p.head_box for p in people])
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        for point in row["points"]:
            assert ((low <= point) & (point <= high)).all(axis=1).any()
    assert card.task == "counting"


def test_an_identity_looks_the_same_before_all_cameras() -> None:
    card = load_card("market1501")
    world = world_of(card, 0)
    shots = plan(card, world, 1.0)
    looks: dict[int, set[Look]] = {}
    cameras: dict[int, set[int]] = {}
    for shot in (s for listed in shots.values() for s in listed if s.pid > 0):
        looks.setdefault(shot.pid, set()).add(identity(world, shot.who, shot.outfit))
        cameras.setdefault(shot.pid, set()).add(shot.where)
    assert all(len(of) == 1 for of in looks.values())
    assert len({look for of in looks.values() for look in of}) == len(looks)
    assert np.mean([len(c) for c in cameras.values()]) > 3
    people = {split: {s.pid for s in listed if s.pid > 0} for split, listed in shots.items()}
    assert people["query"] <= people["gallery"]
    assert not people["train"] & people["gallery"]
    strangers = [s for s in shots["gallery"] if s.pid == 0]
    assert strangers
    assert len({s.who for s in strangers}) == len(strangers)
