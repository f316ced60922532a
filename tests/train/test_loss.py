import pytest
import torch

from tbd.model.noise import noise_scheduler, prediction_target
from tbd.model.recipe import Noise
from tbd.train import loss
from tbd.train.face_region import face_region, region_weights


def test_each_sample_has_its_own_mean_squared_error():
    prediction, wanted = torch.zeros(2, 4, 1, 2, 2), torch.zeros(2, 4, 1, 2, 2)
    prediction[1] += 3
    assert loss.sample_losses(prediction, wanted).tolist() == [0, 9]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_is_the_published_formula_for_every_sample_on_its_own(prediction):
    schedule = noise_scheduler(Noise(prediction=prediction))
    steps = torch.tensor([0, 1, 100, 400, 700, 999])
    found = loss.min_snr_weights(schedule, steps, 5.0)
    for step, weight in zip(steps.tolist(), found.tolist(), strict=True):
        signal = float(schedule.alphas_cumprod[step])
        ratio = signal / (1 - signal)
        wanted = min(ratio, 5.0) / (ratio if prediction == "epsilon" else ratio + 1)
        assert weight == pytest.approx(wanted, rel=1e-4)


def test_without_gamma_every_timestep_counts_the_same():
    assert loss.min_snr_weights(noise_scheduler(Noise()), torch.tensor([0, 999]), None).tolist() == [1, 1]


def test_where_no_signal_is_left_the_weight_is_a_number():
    pure = noise_scheduler(Noise(prediction="v_prediction", zero_snr=True))
    assert float(pure.alphas_cumprod[-1]) < 1e-6
    assert loss.min_snr_weights(pure, torch.tensor([999]), 5.0).item() == pytest.approx(0, abs=1e-6)
    pure.register_to_config(prediction_type="epsilon")
    assert loss.min_snr_weights(pure, torch.tensor([999]), 5.0).item() == 1


def test_the_velocity_is_the_one_of_its_definition():
    schedule = noise_scheduler(Noise(prediction="v_prediction"))
    latents, noise, steps = torch.randn(2, 4, 1, 2, 2), torch.randn(2, 4, 1, 2, 2), torch.tensor([10, 900])
    signal = schedule.alphas_cumprod[steps].view(-1, 1, 1, 1, 1)
    wanted = signal.sqrt() * noise - (1 - signal).sqrt() * latents
    assert torch.allclose(prediction_target(schedule, latents, noise, steps), wanted, atol=1e-6)


def test_weights_of_a_region_have_mean_1_and_lie_where_face_and_mouth_do():
    weights = region_weights((0.25, 0.25, 0.75, 0.75), 16, 2.0, 10.0)
    assert weights.mean().item() == pytest.approx(1)
    around, face, lips = weights[0, 0], weights[5, 8], weights[11, 8]
    assert (face / around).item() == pytest.approx(2) and (lips / around).item() == pytest.approx(10)
    assert (weights[:4] == around).all() and weights[11, 4] == face, "the mouth is narrower than the face"
    assert (region_weights(None, 16, 2.0, 10.0) == 1).all()
    assert (region_weights((-0.2, 0.5, 1.4, 1.3), 8, 2.0, 3.0) > 0).all(), "a face that leaves the picture"


def test_a_region_weighs_the_errors_within_it():
    prediction, target = torch.zeros(1, 4, 2, 8, 8), torch.zeros(1, 4, 2, 8, 8)
    prediction[..., 6, 4] = 1.0
    region = torch.from_numpy(region_weights((0.0, 0.0, 1.0, 1.0), 8, 1.0, 5.0))[None]
    plain, weighted = loss.sample_losses(prediction, target), loss.sample_losses(prediction, target, region)
    assert (weighted / plain).item() == pytest.approx(region[0, 6, 4].item())
    assert loss.sample_losses(prediction + 1, target, torch.ones_like(region)) == loss.sample_losses(
        prediction + 1, target
    )


def test_the_face_of_a_row_is_told_within_its_crop():
    assert face_region({"face_box": [150, 250, 250, 350], "crop_box": [100, 200, 300, 400]}) == (0.25, 0.25, 0.75, 0.75)
    assert face_region({"face_box": None, "crop_box": [0, 0, 1, 1]}) is None
