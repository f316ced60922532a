import itertools

import cv2
import numpy as np
import pytest
import torch

from tbd.evaluate.networks import s3fd as module
from tbd.evaluate.networks.s3fd import S3FD, s3fd

PUBLISHED_BYTES = 89_844_381


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return S3FD().eval().requires_grad_(False)


def test_the_layout_is_that_of_the_published_file():
    with torch.device("meta"):
        state = S3FD().state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert {name.partition(".")[0] for name in shapes} == {
        *("vgg", "L2Norm3_3", "L2Norm4_3", "L2Norm5_3", "extras", "loc", "conf"),
    }
    assert shapes["vgg.31.weight"] == (1024, 512, 3, 3)
    assert shapes["vgg.33.weight"] == (1024, 1024, 1, 1)
    assert shapes["extras.3.weight"] == (256, 128, 3, 3)
    assert shapes["conf.0.weight"] == (4, 256, 3, 3)
    assert shapes["conf.5.weight"] == (2, 256, 3, 3)
    assert shapes["loc.3.weight"] == (4, 1024, 3, 3)
    assert 0 < PUBLISHED_BYTES - 4 * sum(tensor.numel() for tensor in state.values()) < 40_000


def test_priors_are_four_times_as_wide_as_their_cells_and_computed_once(net):
    cells = ((4, 6), (2, 3), (1, 2), (1, 1), (1, 1), (1, 1))
    found = module._priors((16, 24), cells)
    wanted = [
        ((column + 0.5) * step / 24, (row + 0.5) * step / 16, 4 * step / 24, 4 * step / 16)
        for step, (rows, columns) in zip((4, 8, 16, 32, 64, 128), cells, strict=True)
        for row, column in itertools.product(range(rows), range(columns))
    ]
    assert found.numpy() == pytest.approx(np.array(wanted))
    assert module._priors((16, 24), cells) is found


def test_there_is_a_box_for_every_cell_of_six_layers(net):
    with torch.inference_mode():
        boxes, sure = net(torch.zeros(2, 3, 72, 40))
    cells = 18 * 10 + 9 * 5 + 4 * 2 + 2 * 1 + 1 + 1  # 72 x 40, halved; the third pool rounds up
    assert boxes.shape == (2, cells, 4)
    assert sure.shape == (2, cells)
    assert ((sure > 0) & (sure < 1)).all()


def test_of_the_three_background_scores_the_largest_counts():
    scores = torch.tensor([1.0, 5.0, 2.0, 3.0])[None, :, None, None]
    assert module._two(scores).flatten().tolist() == [5.0, 3.0]


def test_the_picture_is_reduced_as_opencv_does_and_less_the_mean_colour():
    frames = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), np.uint8)
    found = module._reduced(torch.from_numpy(frames)).permute(0, 2, 3, 1).numpy() + (123, 117, 104)
    wanted = [cv2.resize(frame, (0, 0), fx=0.25, fy=0.25) for frame in frames]
    assert np.abs(found - np.array(wanted)).max() <= 1


def test_boxes_move_by_tenths_and_grow_by_fifths():
    priors = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    found = module._decoded(torch.tensor([[1.0, -1.0, 0.0, 5 * np.log(2)]]), priors)
    assert found[0].tolist() == pytest.approx([0.42, 0.06, 0.62, 0.86])


def test_faces_are_the_sure_ones_and_overlaps_go_in_two_rounds():
    boxes = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 0.83, 1, 1.83], [0, 3, 1, 4], [0, 6, 1, 7.0]])
    sure = torch.tensor([0.95, 0.99, 0.94, 0.85, 0.91])
    found = module._faces(boxes, sure, torch.tensor([100.0, 50, 100, 50]))
    # the first overlaps the second by 0.9; the third by 0.04: kept; the fourth is not sure
    assert found[:, 4] == pytest.approx([0.99, 0.94, 0.91])
    assert found[0, :4] == pytest.approx([0, 0, 100, 45])


def test_overlaps_between_a_tenth_and_three_tenths_go_only_among_sure_faces():
    boxes = torch.tensor([[0, 0, 1, 1], [0, 0.7, 1, 1.7]])
    size = torch.ones(4)
    assert len(module._faces(boxes, torch.tensor([0.99, 0.95]), size)) == 1
    assert len(module._faces(boxes, torch.tensor([0.8, 0.95]), size)) == 1
    assert len(module._faces(boxes[:0], torch.zeros(0), size)) == 0


def test_batches_change_nothing_and_every_frame_gets_its_answer(net, monkeypatch):
    frames = np.random.default_rng(0).integers(0, 256, (3, 128, 160, 3), np.uint8)
    monkeypatch.setattr(module, "SURE", 0.5)
    together = net.find(frames)
    monkeypatch.setattr(module, "BATCH", 2)
    apart = net.find(frames)
    assert [len(one) for one in together] == [len(one) for one in apart]
    assert sum(map(len, together)) > 0
    for one, other in zip(together, apart, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-3)


def test_a_file_of_random_weights_loads(net, tmp_path):
    torch.save(net.state_dict(), tmp_path / "sfd_face.pth")
    again = s3fd(tmp_path / "sfd_face.pth")
    pictures = torch.rand(1, 3, 48, 48) * 255
    with torch.inference_mode():
        for one, other in zip(net(pictures), again(pictures), strict=True):
            assert one.numpy() == pytest.approx(other.numpy(), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("width", range(128, 137))
@pytest.mark.parametrize("height", [128, 131, 134])
def test_pictures_are_reduced_as_opencv_reduces_them_whatever_their_size(width, height):
    picture = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    wanted = cv2.resize(picture, (0, 0), fx=0.25, fy=0.25, interpolation=cv2.INTER_LINEAR)
    found = module._reduced(torch.from_numpy(picture)[None])[0].permute(1, 2, 0).numpy() + module.MEAN
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1
