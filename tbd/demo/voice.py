"""A voice that says nothing: glottal pulses through moving formants, in syllables (source and filter, Fant 1960)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

Samples = npt.NDArray[np.float32]
"""Mono sound in [-1, 1]."""

SAMPLE_RATE = 16_000
VOWELS = {
    "a": (730.0, 1090.0, 2440.0),
    "e": (530.0, 1840.0, 2480.0),
    "i": (270.0, 2290.0, 3010.0),
    "o": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
}
"""First three formants in Hz (Peterson and Barney 1952, men's means)."""
BANDWIDTHS = (70.0, 100.0, 140.0)
STEP = 160
"""Samples between two settings of the formants (10 ms)."""


def speak(seconds: float, *, pitch: float = 120.0, seed: int = 0) -> Samples:
    """A babbling voice, ``(round(seconds * 16000),)`` float32 at 16 kHz with a peak of 0.7.

    Args:
        seconds: length.
        pitch: mean pitch in Hz; high voices also get formants 15 % higher.
        seed: the same seed gives the same samples.
    """
    random = np.random.default_rng([11, seed])
    count = round(seconds * SAMPLE_RATE)
    if count == 0:
        return np.zeros(0, np.float32)
    loudness, vowels = _syllables(count, random)
    voice = _formants(_pulses(count, pitch, random), vowels * (1.15 if pitch > 160 else 1.0))
    voice = voice * loudness + 1e-4 * random.standard_normal(count)
    return (0.7 * voice / max(float(np.abs(voice).max()), 1e-9)).astype(np.float32)


def energy(samples: Samples, fps: float, count: int) -> npt.NDArray[np.float64]:
    """How loud each frame is, ``(count,)`` from 0 to 1: root mean square around its middle over the loudest.

    Args:
        samples: at 16 kHz.
        fps: frames a second; frame i shows second (i + 0.5) / fps.
        count: frames.
    """
    frames = np.pad(samples, (0, max(0, int((count + 1) / fps * SAMPLE_RATE) - len(samples))))
    power = gaussian_filter1d(np.square(frames, dtype=np.float64), 0.022 * SAMPLE_RATE, mode="constant")
    level = np.sqrt(power[((np.arange(count) + 0.5) / fps * SAMPLE_RATE).astype(int)])
    result: npt.NDArray[np.float64] = np.clip(level / max(float(level.max(initial=0)), 1e-6), 0, 1)
    return result


def _syllables(count: int, random: np.random.Generator) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Loudness ``(count,)`` and formants ``(steps, 3)``: four to six syllables a second, pauses between words."""
    loudness = np.zeros(count)
    targets = np.zeros((count // STEP + 1, 3))
    start = int(random.uniform(0.05, 0.15) * SAMPLE_RATE)
    formants = list(VOWELS.values())
    targets[:] = formants[0]
    while start < count:
        length = int(random.uniform(0.15, 0.26) * SAMPLE_RATE)
        stop = min(count, start + length)
        loudness[start:stop] = (random.uniform(0.5, 1.0) * np.sin(np.linspace(0, np.pi, length)) ** 0.8)[: stop - start]
        targets[start // STEP :] = formants[random.integers(len(formants))]
        pause = random.uniform(0.12, 0.3) if random.random() < 0.28 else random.uniform(0.0, 0.04)
        start += length + int(pause * SAMPLE_RATE)
    return loudness, gaussian_filter1d(targets, 3, axis=0, mode="nearest")


def _pulses(count: int, pitch: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """The flow through the vocal folds, differentiated: a phase that runs with the pitch (Rosenberg 1971)."""
    time = np.arange(count) / SAMPLE_RATE
    tune = 1 - 0.06 * time / max(time[-1], 1e-9) + 0.06 * np.sin(2 * np.pi * 0.9 * time + random.uniform(0, 6))
    jitter = gaussian_filter1d(random.standard_normal(count), 200) * 0.12
    phase = np.cumsum(pitch * (tune + jitter) / SAMPLE_RATE) % 1
    opening = 0.5 - 0.5 * np.cos(np.pi * phase / 0.42)
    closing = np.cos(np.pi / 2 * (phase - 0.42) / 0.18)
    flow = np.where(phase < 0.42, opening, np.where(phase < 0.60, closing, 0.0))
    return np.diff(flow, prepend=0.0)


def _formants(source: npt.NDArray[np.float64], formants: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Three resonators in a row whose centres move every 10 ms while their memory runs on (Klatt 1980)."""
    sound = source
    for number, width in enumerate(BANDWIDTHS):
        memory, parts = np.zeros(2), []
        radius = np.exp(-np.pi * width / SAMPLE_RATE)
        for step in range(0, len(sound), STEP):
            angle = 2 * np.pi * formants[step // STEP, number] / SAMPLE_RATE
            poles = [1.0, -2 * radius * np.cos(angle), radius * radius]
            part, memory = lfilter([sum(poles)], poles, sound[step : step + STEP], zi=memory)
            parts.append(part)
        sound = np.concatenate(parts)
    return sound
