"""Claims over readings whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from tbd.replicate import claims, face_claims
from tbd.replicate.claims import FAILS, HOLDS, UNKNOWN
from tbd.replicate.intervals import mean_over_people, over_people
from tbd.replicate.readings import ClipReading

UNITS = (1, 4, 6, 12, 15, 25)


def _reading(
    number, asked, measured, *, subject="M901", emotion="happiness", level=1, energy=(), opening=(), identity=(1.0, 0.0)
):
    return ClipReading(
        f"c{number:03d}", subject, emotion, level, UNITS, np.asarray(asked, float), np.asarray(measured, float),
        np.asarray(opening, float), np.asarray(energy, float), np.asarray(identity, float),
    )  # fmt: skip


def _many(count=40, noise=0.0, obey=1.0, seed=0):
    random = np.random.default_rng(seed)
    asked = random.random((count, len(UNITS)))
    measured = obey * asked + noise * random.standard_normal(asked.shape)
    return [_reading(i, a, m, subject=_person(i)) for i, (a, m) in enumerate(zip(asked, measured, strict=True))]


def _person(number, people=10):
    return f"M{number % people}"


def test_units_that_are_always_shown_more_are_no_obedience():
    base = np.linspace(0, 1, len(UNITS))
    random = np.random.default_rng(0)
    asked, measured = (base + 0.01 * random.standard_normal((60, len(UNITS))) for _ in range(2))
    assert np.corrcoef(asked.ravel(), measured.ravel())[0, 1] > 0.99
    assert abs(claims.unit_correlation(asked, measured)) < 0.2


def test_the_correlation_is_pearsons_of_what_is_left_of_the_means():
    random = np.random.default_rng(1)
    asked, measured = random.random((30, 4)), random.random((30, 4))
    wanted = np.corrcoef((asked - asked.mean(0)).ravel(), (measured - measured.mean(0)).ravel())[0, 1]
    assert claims.unit_correlation(asked, measured) == pytest.approx(wanted)


@pytest.mark.parametrize(("obey", "answer"), [(1.0, HOLDS), (-1.0, FAILS), (0.0, UNKNOWN)])
def test_prompts_that_are_obeyed_ignored_or_turned_round(obey, answer):
    found = claims.prompts_steer(_many(obey=obey, noise=0.3))
    assert found.verdict == answer
    assert abs(found.numbers["shuffled"]) < 0.05


@pytest.mark.parametrize(("noise", "answer"), [(0.05, HOLDS), (0.4, FAILS), (0.2, UNKNOWN)])
def test_a_row_is_better_when_its_error_is_smaller_on_the_same_clips(noise, answer):
    ours, theirs = _many(noise=noise, seed=3), _many(noise=0.2, seed=3 if answer == UNKNOWN else 4)
    theirs = [
        _reading(i, a.asked, a.asked + (b.measured - b.asked), subject=_person(i))
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
    ]
    first, second = ({one.clip_id: one for one in part} for part in (ours, theirs))
    found = claims.better_row("name", "question?", first, second)
    assert found.verdict == answer and found.numbers["difference"]["clips"] == 40


def test_only_clips_of_both_rows_are_compared():
    clips = {one.clip_id: one for one in _many()}
    fewer = dict(list(clips.items())[:7])
    assert claims.better_row("n", "q", clips, fewer).numbers["difference"]["clips"] == 7


def _grid(gain):
    shown = {}
    for emotion in ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"):
        for level in (1, 2, 3):
            measured = np.full(len(UNITS), 0.3 + level * gain(emotion))
            shown[emotion, level] = _reading(level, np.zeros(len(UNITS)), measured, emotion=emotion, level=level)
    return shown


@pytest.mark.parametrize(("rising", "answer"), [(7, HOLDS), (5, HOLDS), (4, UNKNOWN), (0, FAILS)])
def test_intensities_are_graded_when_most_rise_and_the_mean_is_clear_of_zero(rising, answer):
    names = sorted({emotion for emotion, _ in _grid(lambda _: 0)})
    found = face_claims.intensities_graded(6 * [_grid(lambda emotion: 0.1 if emotion in names[:rising] else -0.1)])
    assert found.verdict == answer and f"{rising} of 7" in found.words


def test_without_a_grid_nothing_is_graded():
    assert face_claims.intensities_graded([]).verdict == UNKNOWN


def test_emotions_that_rise_by_a_hair_are_no_grading():
    names = sorted({emotion for emotion, _ in _grid(lambda _: 0)})
    gain = {name: 0.01 if number < 5 else -0.2 for number, name in enumerate(names)}
    assert face_claims.intensities_graded(6 * [_grid(gain.get)]).verdict != HOLDS


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_handful_of_people_tells_nothing(count):
    few = _many(count)
    assert claims.prompts_steer(few).verdict == UNKNOWN
    better = {one.clip_id: one for one in few}
    worse = {one.clip_id: one for one in _many(count, noise=0.5)}
    assert claims.better_row("n", "q", better, worse).verdict == UNKNOWN
    assert claims.best_levels({1: _many(count, noise=3.0), 2: few}).verdict == UNKNOWN
    assert face_claims.intensities_graded(count * [_grid(lambda _: 0.1)]).verdict == UNKNOWN


def test_seeds_of_one_clip_are_not_clips():
    once, thrice = _many(12, noise=0.4), [one for one in _many(12, noise=0.4) for _ in range(3)]
    one, other = (claims.over_clips(part, claims.steering) for part in (once, thrice))
    assert other.clips == one.clips == 12 and other.high - other.low == pytest.approx(one.high - one.low)
    ours, theirs = ({f"{seed}/{c.clip_id}": c for seed in range(3) for c in _many(12, noise)} for noise in (0.1, 0.3))
    assert claims.better_row("n", "q", ours, theirs).numbers["difference"]["clips"] == 12


@pytest.mark.parametrize(("sign", "answer"), [(1, HOLDS), (-1, FAILS)])
def test_happy_differs_from_sad_by_their_own_units(sign, answer):
    happy, sad = np.array([0, 0, 1, 1, 0, 1.0]), np.array([1, 1, 0, 0, 1, 0.0])
    shown = {("happiness", level): _reading(level, 0 * happy, happy if sign > 0 else sad) for level in (1, 2, 3)}
    shown |= {("sadness", level): _reading(level, 0 * happy, sad if sign > 0 else happy) for level in (1, 2, 3)}
    assert face_claims.happy_is_not_sad(6 * [shown]).verdict == answer


def test_a_mouth_that_follows_loosely_or_never_moves():
    random = np.random.default_rng(0)
    loud = [random.random(25) for _ in range(20)]
    zeros = np.zeros(len(UNITS))
    follows = [
        _reading(i, zeros, zeros, subject=_person(i), energy=one, opening=0.4 * one + 0.1 * random.random(25))
        for i, one in enumerate(loud)
    ]
    still = [
        _reading(i, zeros, zeros, subject=_person(i), energy=one, opening=np.full(25, 0.2))
        for i, one in enumerate(loud)
    ]
    other = [
        _reading(i, zeros, zeros, subject=_person(i), energy=one, opening=random.random(25))
        for i, one in enumerate(loud)
    ]
    assert face_claims.mouth_follows(follows).verdict == HOLDS
    assert face_claims.mouth_follows(still).verdict == FAILS  # a mouth that stands still is no clip less
    assert face_claims.mouth_follows(other).verdict == FAILS


def test_people_are_apart_when_their_embeddings_are():
    random = np.random.default_rng(0)
    zeros = np.zeros(len(UNITS))
    centres = np.eye(6)
    apart = [
        _reading(i, zeros, zeros, subject=_person(i, 6), identity=centres[i % 6] + 0.05 * random.random(6))
        for i in range(30)
    ]
    mixed = [_reading(i, zeros, zeros, subject=_person(i, 6), identity=random.random(6)) for i in range(30)]
    assert face_claims.people_apart(apart).verdict == HOLDS
    assert face_claims.people_apart(mixed).verdict == FAILS
    assert face_claims.people_apart(apart[:1]).verdict == UNKNOWN


def test_a_prompt_tells_more_than_its_label_only_if_the_face_shows_the_take_and_not_what_is_usual():
    random = np.random.default_rng(0)
    usual = random.random((8, len(UNITS)))[np.arange(40) % 8]
    takes = usual + 0.3 * random.standard_normal(usual.shape)

    def shown(measured):
        return [
            replace(_reading(i, asked, face, subject=_person(i)), usual=mean)
            for i, (asked, face, mean) in enumerate(zip(takes, measured, usual, strict=True))
        ]

    noise = 0.1 * random.standard_normal(usual.shape)
    obeys, label = shown(takes + noise), shown(usual + noise)
    assert claims.steering(label) > 0.5, "who shows what is usual for a label comes far"
    found = claims.beyond_labels({"label": label, "cot": obeys})
    assert found.verdict == HOLDS and abs(found.numbers["label"]["value"]) < 0.2
    assert found.numbers["cot"]["value"] > 0.8
    assert claims.beyond_labels({"label": obeys, "cot": label}).verdict == FAILS
    assert claims.beyond_labels({"label": label, "cot": label}).verdict == UNKNOWN
    assert abs(claims.beyond_usual(shown(0 * takes))) < 0.2, "a face that never moves obeys nothing"
    lost = [replace(label[0], usual=np.full(len(UNITS), np.nan)), *label[1:]]
    assert claims.beyond_labels({"label": lost, "cot": [lost[0], *obeys[1:]]}).numbers["difference"]["clips"] == 39


def test_k_2_is_best_only_when_it_is_so_on_the_same_clips():
    best, others = _many(noise=0.1), {1: _many(noise=0.8, seed=0), 4: _many(noise=0.6, seed=0)}
    assert claims.best_levels({**others, 2: best}).verdict == HOLDS
    assert claims.best_levels({**others, 2: best, 3: best}).verdict == UNKNOWN
    assert claims.best_levels({1: best, 2: _many(noise=0.8)}).verdict == FAILS


def test_a_small_difference_is_told_in_pairs_although_the_intervals_overlap():
    """The noise of the clips is the same in both runs; what differs is a little less obedience everywhere."""
    first = _many(noise=0.5, seed=2)
    second = [
        _reading(i, one.asked, one.measured - 0.15 * one.asked, subject=one.subject) for i, one in enumerate(first)
    ]
    found = claims.best_levels({1: second, 2: first})
    assert found.numbers["2"]["low"] < found.numbers["1"]["high"] and found.verdict == HOLDS


def test_clips_of_one_person_are_one_and_not_many():
    """Forty numbers of four people who differ: resampled one by one their mean seems known better than it is."""
    values = [(person, level) for person, level in zip("abcd", (0.0, 1.0, 2.0, 3.0), strict=True) for _ in range(10)]
    clustered = mean_over_people(values)
    single = mean_over_people([(str(i), value) for i, (_, value) in enumerate(values)])
    assert (clustered.value, clustered.people, clustered.clips) == (1.5, 4, 40)
    assert clustered.high - clustered.low > 2 * (single.high - single.low)
    exact = np.std([np.mean([a, b, c, d]) for a in range(4) for b in range(4) for c in range(4) for d in range(4)])
    assert (clustered.high - clustered.low) / 2 == pytest.approx(1.96 * exact, rel=0.15)


def test_nobody_is_no_interval():
    nothing = over_people([], str, lambda chosen: 1.0)
    assert np.isnan(nothing.value) and nothing.people == 0
    alone = mean_over_people([("a", 1.0), ("a", 2.0)])
    assert alone.value == 1.5 and np.isnan(alone.low)


def test_the_share_of_a_persons_neighbours_is_what_the_purity_is_made_of():
    from tbd.evaluate.measures.separation import neighbour_shares, separation

    random = np.random.default_rng(0)
    features, labels = random.random((30, 4)), [_person(i, 6) for i in range(30)]
    shares = neighbour_shares([*features, features[0]], [*labels, "alone"])
    assert len(shares) == 30 and {name for name, _ in shares} == set(labels)
    assert np.mean([share for _, share in shares]) == pytest.approx(separation(features, labels).purity)
    assert neighbour_shares(features[:3], labels[:3]) is None


def test_the_same_clips_give_the_same_interval():
    assert claims.over_clips(_many(noise=0.3), claims.steering) == claims.over_clips(_many(noise=0.3), claims.steering)
