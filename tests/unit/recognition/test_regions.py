"""Where a picture is searched: exactly around what stands out, beside the people who are known."""

from __future__ import annotations

import numpy as np
import pytest

from contract.results import Box
from recognition.pyramid import Region, whole
from recognition.regions import has_another, regions_that_changed, regions_with_detail

FLAT = np.full((480, 640, 3), 100, np.uint8)


def changed(*boxes: Box, by: int = 30, on: np.ndarray = FLAT) -> np.ndarray:
    picture = on.astype(int)
    for box in boxes:
        picture[box.top : box.bottom, box.left : box.right] += by
    return picture.astype(np.uint8)


def block_box(row: int, column: int, rows: int = 5, columns: int = 5) -> Box:
    """A box in blocks of 8 px."""
    return Box(8 * row, 8 * (column + columns), 8 * (row + rows), 8 * column)


def around(box: Box) -> Region:
    """The region of a box of whole blocks: two blocks more on each side."""
    return Region(
        left=box.left - 16, top=box.top - 16, right=box.right + 16, bottom=box.bottom + 16
    )


HERE, THERE = block_box(20, 25), block_box(20, 60)


@pytest.mark.parametrize("by", [21, -21])
def test_what_got_lighter_or_darker_is_searched_with_some_room_around_it(by):
    assert regions_that_changed(changed(HERE, by=by), FLAT, [], 20) == [around(HERE)]


def test_a_change_of_the_limit_itself_is_none():
    assert regions_that_changed(changed(HERE, by=20), FLAT, [], 20) == []


def test_a_light_that_is_switched_on_is_nobody_and_who_comes_in_with_it_is_seen():
    lit = changed(Box(0, 640, 480, 0), by=40)
    assert regions_that_changed(lit, FLAT, [], 20) == []
    assert regions_that_changed(changed(HERE, on=lit), FLAT, [], 20) == [around(HERE)]


def test_what_stays_as_it_was_is_nobody_however_much_there_is_to_see():
    room = with_look(1)
    assert regions_that_changed(room, room, [], 20) == []
    assert regions_that_changed(changed(THERE, on=room), room, [], 20) == [around(THERE)]


def test_two_people_are_two_regions():
    found = regions_that_changed(changed(HERE, THERE), FLAT, [], 20)
    assert sorted(found, key=lambda one: one.left) == [around(HERE), around(THERE)]


@pytest.mark.parametrize("wide", [1, 2])
def test_an_edge_that_trembles_is_nobody(wide):
    for strip in (block_box(5, 20, rows=40, columns=wide), block_box(20, 5, wide, 40)):
        assert regions_that_changed(changed(strip), FLAT, [], 20) == []


def test_three_blocks_each_way_are_somebody():
    least = block_box(20, 25, 3, 3)
    assert regions_that_changed(changed(least), FLAT, [], 20) == [around(least)]


def test_at_the_picture_s_border_a_region_ends_there():
    corner = block_box(0, 0)
    (found,) = regions_that_changed(changed(corner), FLAT, [], 20)
    assert found == Region(left=0, top=0, right=56, bottom=56)


FACE = Box(top=160, right=240, bottom=200, left=200)  # 40 px: 20 px around and all below


@pytest.mark.parametrize(
    ("box", "is_seen"),
    [
        (HERE, False),  # the face itself
        (block_box(50, 25), False),  # below it
        (block_box(18, 23), False),  # hair: half a face above and beside
        (block_box(9, 25), True),  # above the hair
        (block_box(20, 35), True),  # right of the shoulder
        (block_box(50, 14), True),  # left of it, below
    ],
)
def test_a_known_person_is_not_searched_for_again_and_who_stands_beside_is(box, is_seen):
    assert bool(regions_that_changed(changed(box), FLAT, [FACE], 20)) == is_seen


def test_a_known_person_reaches_down_to_the_end_of_a_picture_that_is_higher_than_wide():
    tall = np.full((640, 480, 3), 100, np.uint8)
    below = block_box(70, 25)
    assert regions_that_changed(changed(below, on=tall), tall, [FACE], 20) == []


def test_a_known_face_that_reaches_out_of_the_picture_hides_nobody_at_the_other_end():
    outside = Box(top=-20, right=30, bottom=40, left=-30)
    far = block_box(20, 70)
    assert regions_that_changed(changed(far), FLAT, [outside], 20) == [around(far)]
    assert regions_that_changed(changed(block_box(0, 0)), FLAT, [outside], 20) == []


def test_where_people_are_everywhere_the_whole_picture_is_searched():
    many = [block_box(row, column, 3, 3) for row in range(1, 56, 6) for column in range(1, 76, 6)]
    assert regions_that_changed(changed(*many), FLAT, [], 20) == [whole(FLAT)]


def test_a_patch_with_detail_is_found_in_a_plain_room_and_noise_is_none():
    picture = FLAT.copy()
    noise = np.random.default_rng(0).integers(-3, 4, FLAT.shape)
    assert regions_with_detail((FLAT + noise).astype(np.uint8), 2.0) == []
    patch = np.random.default_rng(1).integers(0, 255, (8, 8, 1))
    picture[160:224, 200:264] = np.kron(patch, np.ones((8, 8, 3))).astype(np.uint8)
    (found,) = regions_with_detail(picture, 2.0)
    assert found.left <= 200 - 16
    assert found.top <= 160 - 16
    assert found.right >= 264 + 16
    assert found.bottom >= 224 + 16
    assert found.right - found.left < 160
    assert found.bottom - found.top < 160


def test_a_step_in_brightness_counts_from_its_contrast_on():
    """Halves that differ by 10 gray levels spread by at most 4.9 over five columns of blocks."""
    step = FLAT.copy()
    step[:, 320:] = 110
    assert regions_with_detail(step, 5.0) == []
    (found,) = regions_with_detail(step, 4.8)
    assert (found.top, found.bottom) == (0, 480)
    assert found.left < 320 < found.right


def test_a_picture_full_of_detail_is_searched_whole():
    busy = np.kron(np.random.default_rng(0).integers(0, 255, (60, 80, 1)), np.ones((8, 8, 3)))
    assert regions_with_detail(busy.astype(np.uint8), 2.0) == [whole(busy)]


def test_a_picture_smaller_than_a_block_is_looked_at_too():
    tiny = np.full((3, 4, 3), 100, np.uint8)
    assert regions_with_detail(tiny, 2.0) == []


def face_like(seed: int) -> np.ndarray:
    """Something with a look of its own, 80 px high."""
    patches = np.random.default_rng(seed).integers(0, 255, (10, 10, 1))
    return np.kron(patches, np.ones((8, 8, 3))).astype(np.uint8)


def with_look(seed: int, top: int = 200, left: int = 280) -> np.ndarray:
    picture = FLAT.copy()
    look = face_like(seed)
    part = picture[max(0, top) : top + 80, max(0, left) : left + 80]
    part[:] = look[-part.shape[0] :, -part.shape[1] :]
    return picture


PLACE = Box(top=200, right=360, bottom=280, left=280)


def test_who_stays_is_nobody_else_and_who_takes_the_place_is():
    assert not has_another(with_look(1), with_look(1), PLACE)
    assert has_another(with_look(2), with_look(1), PLACE)


@pytest.mark.parametrize(("by", "is_another"), [(24, False), (-24, False), (56, True), (-56, True)])
def test_a_face_may_move_a_third_of_its_height_and_not_two_thirds(by, is_another):
    for moved in (with_look(1, top=200 + by), with_look(1, left=280 + by)):
        assert has_another(moved, with_look(1), PLACE) == is_another


def test_who_takes_a_place_in_a_corner_is_somebody_else():
    corner = Box(top=0, right=80, bottom=80, left=0)
    assert has_another(with_look(2, top=0, left=0), with_look(1, top=0, left=0), corner)


def test_what_is_outside_the_picture_or_too_small_to_tell_is_nobody_else():
    for place in (
        Box(top=-300, right=100, bottom=-200, left=0),
        Box(top=500, right=100, bottom=580, left=20),
        Box(top=100, right=640 + 70, bottom=180, left=630),
        Box(top=100, right=100, bottom=100, left=100),
    ):
        assert not has_another(with_look(2), with_look(1), place)


def test_a_tall_or_wide_change_far_from_the_corner_is_not_the_whole_picture():
    for box in (block_box(5, 70, rows=50), block_box(50, 5, columns=60)):
        assert regions_that_changed(changed(box), FLAT, [], 20) == [around(box)]


def test_beside_a_known_person_the_very_next_blocks_are_searched():
    """Hair and shoulders reach from block 17 down and from block 22 to 32."""
    for box in (block_box(20, 33, 3, 3), block_box(20, 19, 3, 3), block_box(14, 25, 3, 3)):
        assert regions_that_changed(changed(box), FLAT, [FACE], 20) == [around(box)]


def test_what_reaches_out_of_a_known_person_is_searched_as_far_as_it_does():
    aside = block_box(20, 31, 5, 5)
    assert regions_that_changed(changed(aside), FLAT, [FACE], 20) == [
        around(block_box(20, 33, 5, 3))
    ]
    above = block_box(15, 25, 3, 3)
    assert regions_that_changed(changed(above), FLAT, [FACE], 20) == []


def test_a_plain_wall_has_no_detail_however_little_is_asked_for():
    assert regions_with_detail(FLAT, 0.5) == []


def test_what_is_around_a_face_does_not_count():
    other = np.kron(np.random.default_rng(5).integers(0, 255, (60, 80, 1)), np.ones((8, 8, 3)))
    behind = other.astype(np.uint8)
    behind[200:280, 280:360] = face_like(1)
    assert not has_another(behind, with_look(1), PLACE)
