"""What votes say: means with t intervals, the bias model of ITU-T P.910, agreement of the raters, screening.

Votes are a matrix ``(stimuli, raters)`` of numbers from 1 to 5, ``nan`` where there is none.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Votes = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MeanOpinion:
    """A mean opinion score.

    Attributes:
        mos: mean.
        ci95: with Student's t over ``n``; None for fewer than two.
        n: raters that it is a mean of.
    """

    mos: float
    ci95: tuple[float, float] | None
    n: int


def opinion(values: npt.ArrayLike) -> MeanOpinion:
    """Mean of independent numbers, one a rater, with its 95 % interval ``mean ± t(n - 1) s / sqrt(n)``.

    Args:
        values: ``(n,)``; ``nan`` is no vote.

    Raises:
        ValueError: there is no vote.
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        raise ValueError("no votes")
    mean = float(known.mean())
    if len(known) < 2:
        return MeanOpinion(mean, None, 1)
    from scipy.stats import t

    half = float(t.ppf(0.975, len(known) - 1)) * float(known.std(ddof=1)) / math.sqrt(len(known))
    return MeanOpinion(mean, (mean - half, mean + half), len(known))


def rater_means(votes: Votes) -> Votes:
    """``(raters,)`` each rater's mean over the stimuli; ``nan`` for who rated none.

    An interval over these is one over people, as a claim about people needs it: votes of one rater are alike.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of an empty slice
        return np.asarray(np.nanmean(votes, axis=0))


@dataclass(frozen=True)
class BiasModel:
    """Maximum likelihood of ``vote = quality + bias + inconsistency * noise`` (ITU-T P.910, P.913; Li et al. 2020).

    Attributes:
        quality: ``(stimuli,)`` freed of the raters' biases, raters weighed by their consistency.
        quality_sd: ``(stimuli,)`` standard deviation of what is left, over the root of the number of votes.
        bias: ``(raters,)``, with mean 0.
        inconsistency: ``(raters,)`` standard deviation of the rater's noise.
    """

    quality: Votes
    quality_sd: Votes
    bias: Votes
    inconsistency: Votes

    @property
    def degenerate(self) -> bool:
        """Whether the fit follows one rater exactly, whose weight then has no bound: its quality is no consensus."""
        return len(self.inconsistency) > 1 and bool(self.inconsistency.min() < 1e-3)


def bias_model(votes: Votes) -> BiasModel:
    """Fit the bias model by alternating projection, as ITU-T P.910 describes it.

    Args:
        votes: ``(stimuli, raters)``; every stimulus and every rater has at least one vote.

    Raises:
        ValueError: one of them has none.
    """
    known = ~np.isnan(votes)
    if not votes.size or not known.any(0).all() or not known.any(1).all():
        raise ValueError("every stimulus and every rater needs a vote")
    quality = np.nanmean(votes, axis=1)
    bias = np.nanmean(votes - quality[:, None], axis=0)
    for _ in range(1000):
        before, residuals = quality, votes - quality[:, None] - bias
        spread = np.nanstd(residuals, axis=0)
        weights = np.where(known, 1 / (spread**2 + 1e-8), np.nan)
        quality = np.nansum(weights * (votes - bias), axis=1) / np.nansum(weights, axis=1)
        bias = np.nanmean(votes - quality[:, None], axis=0)
        if np.linalg.norm(quality - before) < 1e-8:
            break
    residuals, centre = votes - quality[:, None] - bias, bias.mean()
    deviation = np.nanstd(residuals, axis=1) / np.sqrt(known.sum(axis=1))
    return BiasModel(quality + centre, deviation, bias - centre, np.nanstd(residuals, axis=0))


@dataclass(frozen=True)
class IntraclassCorrelation:
    """ICC(2,1) and ICC(2,k): two-way random effects, absolute agreement (Shrout and Fleiss 1979).

    Attributes:
        single: reliability of one rater.
        average: reliability of the mean of all ``raters``.
        stimuli, raters: of the complete part of the matrix that was used.
    """

    single: float
    average: float
    stimuli: int
    raters: int


def icc(votes: Votes) -> IntraclassCorrelation | None:
    """Over the stimuli that all raters rated; None for fewer than two stimuli or raters, or where nothing varies."""
    complete = votes[~np.isnan(votes).any(axis=1)]
    n, k = complete.shape
    if n < 2 or k < 2:
        return None
    mean = complete.mean()
    rows = k * ((complete.mean(1) - mean) ** 2).sum() / (n - 1)
    columns = n * ((complete.mean(0) - mean) ** 2).sum() / (k - 1)
    left = complete - complete.mean(1, keepdims=True) - complete.mean(0, keepdims=True) + mean
    error = (left**2).sum() / ((n - 1) * (k - 1))
    single, average = rows + (k - 1) * error + k * (columns - error) / n, rows + (columns - error) / n
    if single <= 0 or average <= 0:
        return None
    return IntraclassCorrelation(float((rows - error) / single), float((rows - error) / average), n, k)


def alpha(votes: Votes) -> float | None:
    """Krippendorff's alpha for ordinal votes; missing ones are allowed; None where it is not defined."""
    import krippendorff

    pairable = votes[(~np.isnan(votes)).sum(axis=1) > 1]
    if len(np.unique(pairable[~np.isnan(pairable)])) < 2:
        return None
    return float(krippendorff.alpha(reliability_data=pairable.T, level_of_measurement="ordinal"))


def screened(votes: Votes) -> npt.NDArray[np.bool_]:
    """``(raters,)``: whether ITU-R BT.500 would leave a rater out (recommendation 13, annex 2: the beta-2 test)."""
    mean, spread = np.nanmean(votes, axis=1), np.nanstd(votes, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        kurtosis = np.nanmean((votes - mean[:, None]) ** 4, axis=1) / spread**4
    normal = (kurtosis >= 2) & (kurtosis <= 4)
    limit = np.where(normal, 2.0, math.sqrt(20)) * spread
    varied = (spread > 0)[:, None] & ~np.isnan(votes)
    above = (varied & (votes >= (mean + limit)[:, None])).sum(0)
    below = (varied & (votes <= (mean - limit)[:, None])).sum(0)
    count = (~np.isnan(votes)).sum(0)
    both = above + below
    often = both > 0.05 * np.maximum(count, 1)
    scattered = np.abs(above - below) < 0.3 * np.maximum(both, 1)
    return np.asarray(often & scattered)
