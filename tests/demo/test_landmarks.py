"""Action units move the points that FACS says they move, in the right direction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbd.demo.identity import PEOPLE, person
from tbd.demo.landmarks import Expression, landmarks, opening

UP, DOWN = -1, 1
REST = landmarks(PEOPLE[0], Expression({}))


def shown(units, energy=0.0):
    return landmarks(PEOPLE[0], Expression(units, energy))


@pytest.mark.parametrize(
    ("unit", "name", "point", "axis", "sign"),
    [
        (1, "brow_right", 0, 1, UP),
        (2, "brow_right", 3, 1, UP),
        (4, "brow_right", 0, 1, DOWN),
        (4, "brow_right", 0, 0, -1),  # towards the nose
        (4, "brow_left", 0, 0, +1),
        (5, "upper_lid_right", 2, 1, UP),
        (6, "lower_lid_right", 2, 1, UP),
        (7, "lower_lid_right", 2, 1, UP),
        (9, "nose", 0, 1, UP),
        (10, "upper_lip_top", 3, 1, UP),
        (12, "upper_lip_top", 0, 1, UP),
        (12, "upper_lip_top", 6, 1, UP),
        (12, "upper_lip_top", 6, 0, +1),  # outwards
        (14, "upper_lip_top", 6, 0, +1),
        (15, "upper_lip_top", 0, 1, DOWN),
        (17, "lower_lip_bottom", 2, 1, UP),
        (20, "upper_lip_top", 6, 0, +1),
        (24, "upper_lip_top", 6, 0, -1),
        (26, "lower_lip_top", 2, 1, DOWN),
        (26, "contour", 8, 1, DOWN),
        (27, "contour", 8, 1, DOWN),
        (43, "upper_lid_right", 2, 1, DOWN),
        (45, "upper_lid_right", 2, 1, DOWN),
        (64, "upper_lid_right", 2, 1, DOWN),
    ],
)
def test_a_unit_moves_its_point(unit, name, point, axis, sign):
    steps = [shown({unit: strength})[name][point, axis] for strength in (0.0, 0.2, 0.6, 1.0)]
    assert (np.diff(steps) * sign > 0).all(), "monotonic, in FACS's direction"
    assert abs(steps[-1] - steps[0]) >= 0.02


@pytest.mark.parametrize("unit", [23, 24])
def test_tight_lips_are_thin(unit):
    def thickness(points):
        return points["lower_lip_bottom"][2, 1] - points["lower_lip_top"][2, 1]

    assert thickness(shown({unit: 1.0})) < 0.75 * thickness(REST)


def test_closed_eyes_leave_no_gap_and_wide_ones_show_more_than_at_rest():
    def gap(points):
        return points["lower_lid_left"][2, 1] - points["upper_lid_left"][2, 1]

    assert 0 <= gap(shown({43: 1.0})) < 0.03 < gap(REST) < gap(shown({5: 1.0}))


def test_a_jaw_that_stretches_opens_more_than_one_that_drops_and_parted_lips_open_least():
    assert 0 == opening(Expression({})) < opening(Expression({25: 1})) < opening(Expression({26: 1}))
    assert opening(Expression({26: 1})) < opening(Expression({27: 1}))


def test_sides_are_the_persons_own():
    smirk = shown({14: (0.0, 1.0)})  # the person's right: the picture's left
    assert smirk["upper_lip_top"][0, 0] < REST["upper_lip_top"][0, 0]
    np.testing.assert_array_equal(smirk["upper_lip_top"][6], REST["upper_lip_top"][6])


def test_a_sad_brow_slants_up_to_its_inner_end_and_an_angry_one_down():
    sad, angry = shown({1: 0.8, 4: 0.8})["brow_right"], shown({4: 0.8})["brow_right"]
    assert sad[0, 1] < sad[3, 1] < angry[0, 1]


def test_both_halves_mirror_each_other():
    points = shown({1: 0.7, 4: 0.4, 6: 0.5, 9: 0.3, 12: 0.8, 25: 0.5}, 0.4)
    for name in ("brow", "upper_lid", "lower_lid", "iris"):
        np.testing.assert_allclose(points[f"{name}_left"] * (-1, 1), points[f"{name}_right"])
    np.testing.assert_allclose(points["contour"] * (-1, 1), points["contour"][::-1], atol=1e-12)
    np.testing.assert_allclose(points["upper_lip_top"] * (-1, 1), points["upper_lip_top"][::-1], atol=1e-12)


strengths = st.floats(0, 1)
units = st.dictionaries(st.integers(0, 64), strengths | st.tuples(strengths, strengths), max_size=12)


@given(units, strengths, st.integers(0, 11), st.integers(0, 3))
def test_any_mix_of_units_keeps_a_face_in_order(mix, energy, index, seed):
    points = landmarks(person(index, seed), Expression(mix, energy))
    assert all(np.isfinite(value).all() for value in points.values())
    assert points["brow_left"][2, 1] < points["upper_lid_left"][2, 1] <= points["lower_lid_left"][2, 1]
    assert points["upper_lip_top"][0, 0] < points["upper_lip_top"][3, 0] < points["upper_lip_top"][6, 0]
    gap = points["lower_lip_top"][2, 1] - points["upper_lip_bottom"][2, 1]
    assert gap >= opening(Expression(mix, energy)) - 1e-9
    assert points["lower_lip_bottom"][2, 1] < points["contour"][8, 1], "the lips stay above the chin"


@given(units, strengths, strengths)
def test_a_louder_voice_never_closes_the_mouth(mix, quiet, loud):
    quiet, loud = sorted((quiet, loud))
    assert opening(Expression(mix, quiet)) <= opening(Expression(mix, loud)) + 1e-12


def test_people_are_different_and_repeatable():
    assert len({person(index, 0).name for index in range(8)}) == 8
    assert {one.gender for one in PEOPLE} == {"woman", "man"}
    assert all(one.name[0] == ("W" if one.gender == "woman" else "M") for one in PEOPLE)
    assert person(3, 5) == person(3, 5) != person(3, 6)
    assert person(9, 0).name not in {one.name for one in PEOPLE}
