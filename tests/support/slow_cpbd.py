"""CPBD once more, slowly: the steps of python-cpbd 1.0.7 pixel by pixel, each written as its description reads."""

import math

import numpy as np
from scipy import ndimage
from skimage.feature import canny

KERNEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8


def slow_cpbd(gray):
    """Share of edges whose blur is detected with a probability of at most 63 %, from a histogram of percents."""
    image = np.asarray(gray, float)
    gate, widths = canny(image), slow_widths(image)
    histogram = np.zeros(101)
    for top in range(0, image.shape[0] - 63, 64):
        for left in range(0, image.shape[1] - 63, 64):
            block = np.s_[top : top + 64, left : left + 64]
            if np.count_nonzero(gate[block]) > 0.002 * 64 * 64:
                just_noticeable = 5 if int(np.ptp(image[block])) <= 50 else 3
                for width in widths[block].ravel():
                    if width:
                        probability = 1 - math.exp(-((width / just_noticeable) ** 3.6))
                        histogram[round(100 * probability)] += 1
    return histogram[:64].sum() / histogram.sum() if histogram.any() else 0.0


def slow_widths(image):
    """The width of each edge, 0 elsewhere."""
    height, width = image.shape
    edges, angles, found = slow_edges(image), slow_angles(image), np.zeros(image.shape)
    if not angles.any():
        return found
    for row in range(1, height - 1):
        line = image[row].tolist()
        for column in range(1, width - 1):
            angle = 45 * round(angles[row, column] / 45)
            if edges[row, column] and angle in (0, 180, -180):
                sign = 1 if angle == 0 else -1
                found[row, column] = _reach(line, column, 1, sign) + _reach(line, column, -1, -sign)
    return found


def _reach(line, column, step, sign):
    """Pixels from an edge outwards while grey levels go on in the direction of ``sign``, at most 101."""
    for margin in range(100):
        inner, outer = column + step * (1 + margin), column + step * (2 + margin)
        if not 0 <= outer < len(line) or sign * (line[outer] - line[inner]) <= 0:
            return margin + 1
    return 101


def slow_angles(image):
    """Degrees of the gradient; 0 where it has no horizontal part."""
    down, right = np.gradient(image)
    angles = np.zeros(image.shape)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            if right[row, column] != 0:
                angles[row, column] = math.degrees(math.atan2(down[row, column], right[row, column]))
    return angles


def slow_edges(image):
    """Horizontal Sobel gradient, squared, above twice the root of its mean, strict maximum along row or column."""
    strength = ndimage.convolve(image, KERNEL) ** 2
    strength[strength <= 2 * math.sqrt(strength.mean())] = 0
    around = np.pad(strength, 1)
    edges = np.zeros(image.shape, bool)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            here = strength[row, column]
            left, right = around[row + 1, column], around[row + 1, column + 2]
            up, down = around[row, column + 1], around[row + 2, column + 1]
            edges[row, column] = (here > left and here > right) or (here > up and here > down)
    return edges
