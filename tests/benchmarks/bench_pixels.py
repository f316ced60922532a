"""PSNR, SSIM and CPBD are faster than what they are equal to: ratios taken in one run on drawn and on real pictures."""

import numpy as np
import pytest
from pixels import blurred, frames, noisy, picture
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from slow_cpbd import slow_cpbd
from timing import least_seconds

from tbd.evaluate import cpbd, psnr, ssim

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("size", [256, 512, 1080])
def test_psnr_and_ssim_against_scikit_image(size):
    ref = frames(1, size, size)
    pred = noisy(ref, 10)
    psnr(pred, ref), ssim(pred, ref)  # compiles
    ours, theirs = least_seconds(
        lambda: (psnr(pred, ref), ssim(pred, ref)),
        lambda: (peak_signal_noise_ratio(ref[0], pred[0]), structural_similarity(pred[0], ref[0], channel_axis=-1)),
    )
    print(f"\nPSNR + SSIM at {size}x{size}: {ours * 1e3:.1f} ms a frame; scikit-image {theirs / ours:.1f} x")
    assert theirs / ours > 8


PICTURES = {
    "camera 512x512": data.camera,
    "astronaut 512x512": lambda: data.astronaut()[..., 1].copy(),
    "drawn 512x512": lambda: picture(512, 512),
    "drawn and blurred 512x512": lambda: blurred(picture(512, 512), 2),
    "drawn 1080x1920": lambda: np.tile(picture(540, 640), (2, 3)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_cpbd_against_a_per_pixel_implementation(name):
    drawn = PICTURES[name]()
    cpbd(drawn)
    ours, theirs = least_seconds(lambda: cpbd(drawn), lambda: slow_cpbd(drawn), times=2)
    print(f"\nCPBD, {name}: {ours * 1e3:.1f} ms; per pixel {theirs * 1e3:.0f} ms, {theirs / ours:.0f} x")
    assert theirs / ours > 20
