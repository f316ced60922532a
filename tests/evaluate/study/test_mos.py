"""The statistics of the study against known answers and worked examples."""

import numpy as np
import pytest
from scipy import stats

from tbd.evaluate.measures.significance import holm, paired_bootstrap, paired_test, wilcoxon
from tbd.evaluate.study import mos

# The small sample of Netflix/sureal (itut_p910_demo): 30 videos, 20 raters, 0 for a missing vote.
SAMPLE = """
50542535555555555555 13525555454555555555 35554545344555555445 14345554454555455555 45034555555555555445
43255535555555555555 13451454454555355435 35424545553555555455 52133455355555555445 12113111131221112112
55313122232342122122 52434222243335222422 55554333353443223333 55435444454454334334 14455555555554454553
14143545555555454554 42554545555555455555 25325555555555555555 55553355554555555545 45535223133235112222
12245122132242312213 45352323342343312223 15354233353342323323 55551443353444434334 55554544455445555344
51454555455555545555 34425555455545555555 41353111111111111111 33131123131312222222 53225313143434333212
"""
# The large one (itut_p910_demo, itur_bt500_demo): 79 videos of the Netflix public set, 26 raters, five of them at random.
LARGE_SAMPLE = """
55542535555555555555555555 13525555454555555555555555 35554545344555555445554555 14345554454555455555555454
45334555555555555445554555 43255535555555555555555555 13451454454555355435554555 35424545553555555455445455
52133455355555555445554555 12113111131221112112111112 55313122232342122122311232 52434222243335222422222133
55554333353443223333323243 55435444454454334334334245 14455555555554454553544555 14143545555555454554445344
42554545555555455555544355 25325555555555555555545455 55553355554555555545555455 45535223133235112222121132
12245122132242312213221122 45352323342343312223332234 15354233353342323323232242 55551443353444434334334343
55554544455445555344554454 51454555455555545555555554 34425555455545555555455555 41353111111111111111111111
33131123131312222222122132 53225313143434333212233233 55324334344443333223434243 52445535454444454324443453
52555355454545454443444454 44451445454444555455545454 25455131122211111111111111 23535111123332211111211112
11435434244343233233232243 35234434344443433333433344 21435444455543554343434354 35444554455455555454544555
25535545454555455544554455 52544111142111111111111121 43241232253443233232322123 53525423443443243222422234
31452114443443324422433244 55533434453442345243543254 45321445554455544334434254 21555524555554545544434455
21253545554543555554554455 42445545554555555544555555 11545232142231232221221122 52555332444453342333323333
54335434443343333333332343 33525444454453454443443445 55512555555554554435544554 42544535555554555555555555
44552111121111111111111121 53555142131221212112212232 33441233143322322221322232 15425454352343222233333243
21345455354553554434444454 53453555454554354444544553 42215545554554555455555555 55415111121111111111111111
24525223122343222111222122 52453134243433332223223133 41452534353334334224332234 21552333354453533334434354
35545230453444434324434354 35444545553544545344353445 33354544454555555345554455 33535135354454545435444555
22354544454543455445554555 11153113131121112222121131 34255253343343322223222223 43343324344444322424323353
25534434143453343333233443 44515555255453445435434455 34325545455453545555545454
"""
# Of the same set as it was rated, its first reference video and the second distorted one (vmaf, NFLX_dataset_public_raw).
NETFLIX = ("54555535555555555555555555", "21233122232342122122311232")
# Shrout and Fleiss 1979, table 2: six targets, four judges.
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def votes_in(sample):
    return np.array([[float(vote) or np.nan for vote in line] for line in sample.split()])


def test_bias_model_of_p910():
    votes = votes_in(LARGE_SAMPLE)
    model, plain = mos.bias_model(votes), np.nanmean(votes, axis=1)
    assert votes.shape == (79, 26) and np.isnan(votes).sum() == 1
    assert (plain.mean(), plain[0]) == pytest.approx((3.5441869523, 4.7692307692), abs=1e-9)
    assert model.quality.mean() == pytest.approx(3.5442828255, abs=1e-9)
    assert model.quality[0] == pytest.approx(4.9262321956, abs=1e-9)
    assert model.quality_sd.mean() == pytest.approx(0.1735706756, abs=1e-9)
    assert model.bias[0] == pytest.approx(-0.1898524458, abs=1e-9)
    assert model.inconsistency[0] == pytest.approx(1.8339364220, abs=1e-9)
    assert set(model.inconsistency.argsort()[-5:].tolist()) == set(range(5))  # those who answer at random


def test_opinions_of_the_netflix_public_set():
    reference, second = ([float(vote) for vote in line] for line in NETFLIX)
    assert mos.opinion(reference).mos == pytest.approx(4.884615, abs=1e-6)
    assert mos.opinion(second).mos == pytest.approx(2.076923, abs=1e-6)


def test_bias_model_of_p910_with_missing_votes():
    model = mos.bias_model(votes_in(SAMPLE))
    assert model.quality.mean() == pytest.approx(3.7274223505, abs=1e-9)
    assert model.quality[0] == pytest.approx(4.8248877096, abs=1e-8)
    assert model.quality_sd.mean() == pytest.approx(0.2017304433, abs=1e-9)
    assert model.bias[0] == pytest.approx(-0.3607556838, abs=1e-8)
    assert model.bias.mean() == pytest.approx(0, abs=1e-12)


def test_bias_model_finds_planted_biases():
    rng = np.random.default_rng(0)
    quality, bias, spread = rng.uniform(2, 4, 200), rng.normal(0, 0.4, 24), rng.uniform(0.3, 0.9, 24)
    votes = np.clip(np.rint(quality[:, None] + bias + rng.normal(0, spread, (200, 24))), 1, 5)
    model = mos.bias_model(votes)
    assert not model.degenerate
    np.testing.assert_allclose(model.bias, bias - bias.mean(), atol=0.12)
    assert np.corrcoef(model.inconsistency, spread)[0, 1] > 0.95


def test_bias_model_says_when_it_leans_on_one_rater():
    """The likelihood has no bound: a rater whom the quality follows exactly takes all the weight."""
    rng = np.random.default_rng(0)
    quality, spread = rng.uniform(1, 5, 400), rng.uniform(0.1, 1, 12)
    assert mos.bias_model(quality[:, None] + rng.normal(0, spread, (400, 12))).degenerate
    with pytest.raises(ValueError, match="needs a vote"):
        mos.bias_model(np.array([[np.nan, np.nan], [1, 2]]))


def test_icc_of_shrout_and_fleiss():
    found = mos.icc(JUDGES)
    assert (round(found.single, 2), round(found.average, 2)) == (0.29, 0.62)
    assert (found.stimuli, found.raters) == (6, 4)


def test_icc_leaves_out_stimuli_that_not_all_rated():
    votes = np.vstack([JUDGES, [1, np.nan, 3, 4]])
    assert mos.icc(votes) == mos.icc(JUDGES)
    assert mos.icc(np.full((4, 3), 3.0)) is None
    assert mos.icc(JUDGES[:1]) is None


def test_opinion_is_students_t():
    values = np.array([4.0, 3.5, 4.5, 3.0, np.nan, 5.0])
    known = values[~np.isnan(values)]
    found = mos.opinion(values)
    assert found.ci95 == pytest.approx(stats.t.interval(0.95, 4, known.mean(), stats.sem(known)))
    assert (found.mos, found.n) == (4.0, 5)
    assert mos.opinion([3.0]).ci95 is None
    with pytest.raises(ValueError, match="no votes"):
        mos.opinion([np.nan])


def test_alpha_of_agreement_and_of_chance():
    same = np.tile(np.array([1.0, 2, 3, 4, 5])[:, None], (1, 6))
    assert mos.alpha(same) == pytest.approx(1)
    chance = np.random.default_rng(0).integers(1, 6, (2000, 5)).astype(float)
    assert abs(mos.alpha(chance)) < 0.03
    assert mos.alpha(np.full((5, 3), 4.0)) is None


def test_bt500_leaves_out_who_answers_at_random():
    rng = np.random.default_rng(1)
    votes = np.clip(rng.integers(2, 5, 200)[:, None] + rng.normal(0, 0.4, (200, 15)), 1, 5)
    votes[:, 4] = rng.choice([1.0, 5.0], 200)
    assert mos.screened(votes).nonzero()[0].tolist() == [4]


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, None]) == pytest.approx([0.03, 0.06, 0.06, None])
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_wilcoxon_is_scipys_and_bootstrap_holds_the_mean():
    rng = np.random.default_rng(2)
    first, second = rng.normal(0.3, 1, 60), rng.normal(0, 1, 60)
    assert wilcoxon(first - second) == stats.wilcoxon(first, second).pvalue
    found = paired_test(first, second)
    assert found.ci95[0] < found.difference < found.ci95[1]
    expected = stats.bootstrap((first - second,), np.mean, method="percentile", rng=np.random.default_rng(3))
    assert found.ci95 == pytest.approx(tuple(expected.confidence_interval), abs=0.03)
    assert paired_bootstrap(first - second) == paired_bootstrap((first - second)[::-1])
    assert wilcoxon([0.0, 0.0]) == 1.0
    assert (wilcoxon([1.0]), paired_bootstrap([1.0])) == (None, None)
    with pytest.raises(ValueError, match="at least one clip"):
        paired_test([], [])
