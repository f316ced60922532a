import torch

from tbd.generate.drift_guard import DriftGuard


def window(shift=0.0, stretch=1.0):
    return torch.randn(1, 4, 8, 6, 6, generator=torch.Generator().manual_seed(0)) * stretch + shift


def test_frames_that_stay_are_handed_on_as_they_are():
    guard = DriftGuard()
    for _ in range(3):
        latents = window()
        torch.testing.assert_close(guard.hand_on(latents, 2), latents[:, :, -2:])
    assert guard.corrected == guard.restarted == 0 and max(guard.drift) == 0


def test_frames_that_drift_are_brought_back_to_the_first_windows_statistics():
    guard = DriftGuard(0.5)
    first = window()
    guard.hand_on(first, 2)
    back = guard.hand_on(window(0.7, 1.2), 8)
    assert guard.corrected == 1 and 0.5 < guard.drift[-1] < 1
    torch.testing.assert_close(back, first, rtol=1e-3, atol=1e-3)


def test_frames_that_are_lost_are_dropped_and_a_guard_without_a_limit_only_watches():
    guard, watcher = DriftGuard(0.5), DriftGuard(0)
    for one in (guard, watcher):
        one.hand_on(window(), 2)
    assert (guard.hand_on(window(3.0), 2) == 0).all() and guard.restarted == 1
    torch.testing.assert_close(watcher.hand_on(window(3.0), 2), window(3.0)[:, :, -2:])
    assert watcher.drift[-1] > 2.5 and watcher.corrected == watcher.restarted == 0
