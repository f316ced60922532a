import numpy as np
from PIL import Image

from tbd.generate.grid import MARGIN, GridCell, write_grid
from tbd.media import video


def test_every_cell_stands_in_its_place_with_its_own_frames(tmp_path):
    cells, colours = [], {("anger", "mild"): 40, ("anger", "intense"): 120, ("fear", "mild"): 220}
    for number, ((row, column), grey) in enumerate(colours.items()):
        path = tmp_path / f"{number}.mp4"
        video.write(path, (np.full((32, 32, 3), grey, np.uint8) for _ in range(5 + number)), 25)
        cells.append(GridCell(row, column, path))
    picture, film = write_grid(cells, tmp_path / "grid", fps=25, sound=np.zeros(3200, np.float32))
    found, frames = np.asarray(Image.open(picture)).astype(int), video.probe(film)
    left = found.shape[1] - 2 * 96
    for place, grey in zip([(0, 0), (0, 1), (1, 0)], colours.values(), strict=True):
        y, x = MARGIN + 96 * place[0] + 48, left + 96 * place[1] + 48
        assert abs(found[y, x] - grey).max() <= 6
    assert (found[MARGIN + 96 + 48, left + 96 + 48] == 255).all(), "a place without a video stays white"
    assert frames.num_frames == 5 and frames.width >= found.shape[1]
