"""The contact sheet: grid, counts, colours, odd pictures and odd text."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tbd.errors import InputError
from tbd.media import sheet
from tbd.media.sheet import SEVERITY, SIDE, SheetCell, draw_sheet
from tbd.schema import ERROR, INFO, WARNING

GREEN_PICTURE = np.zeros((100, 100, 3), np.uint8) + np.array([10, 200, 30], np.uint8)


def cell(**changes):
    given = {"picture": GREEN_PICTURE, "title": "anger, mild", "coarse": "A man.", "fine": "His brows lower."}
    return SheetCell(**(given | changes))


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.mode == "RGB"
        return np.asarray(picture)


def has(picture, colour):
    return bool((picture == colour).all(-1).any())


def drawn_texts(monkeypatch, cells, path, **options):
    """Every line of text with its right edge and the width of the picture that it is written on."""
    lines = []
    write = sheet._write

    def spy(target, blocks, x, y):
        for block in blocks:
            lines.extend((line, x + sheet._wide(line, block.size), target.width) for line in block.lines)
        write(target, blocks, x, y)

    monkeypatch.setattr(sheet, "_write", spy)
    draw_sheet(cells, path, **options)
    return lines


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 3, 1), (5, 3, 2), (16, 4, 4), (64, 8, 8), (70, 8, 8)])
def test_the_grid_fits_the_number_of_cells(tmp_path, count, columns, rows):
    picture = pixels(draw_sheet([cell()] * count, tmp_path / "s.png"))
    pitch = SIDE + 2 * sheet.PAD + sheet.GAP
    assert picture.shape[1] == 2 * sheet.MARGIN + columns * pitch - sheet.GAP
    green = (picture == GREEN_PICTURE[0, 0]).all(-1)
    assert green.sum() == min(count, 64) * SIDE**2, "every crop is whole"
    starts = np.flatnonzero(np.diff(green.any(1).astype(int)) == 1)
    assert len(starts) == rows


def test_the_first_line_counts(tmp_path, monkeypatch):
    cells = [cell(severity=ERROR), cell(severity=WARNING), cell(severity=WARNING), cell(severity=INFO), cell()]
    cells += [cell(picture=None, severity=ERROR)]
    lines = drawn_texts(monkeypatch, cells, tmp_path / "s.png", heading="mead")
    head = " ".join(line for line, *_ in lines[:3])
    for words in (
        "mead · 6 clips",
        "2 with errors",
        "2 with warnings",
        "1 with notes",
        "1 clean",
        "1 without a picture",
    ):
        assert words in head
    many = drawn_texts(monkeypatch, [cell()] * 65, tmp_path / "t.png")
    assert many[0][0].startswith("64 of 65 clips")


@pytest.mark.parametrize("severity", [0, INFO, WARNING, ERROR])
def test_flags_have_the_colour_of_their_severity(tmp_path, severity):
    picture = pixels(draw_sheet([cell(flags=("two_faces",), severity=severity)], tmp_path / "s.png"))
    assert [has(picture, colour) for colour in SEVERITY.values()] == [level == severity for level in SEVERITY]


def test_no_text_leaves_its_cell_and_no_word_of_a_usual_prompt_is_lost(tmp_path, monkeypatch):
    fine = "Zygomaticus major pulls the lip corners up and back while orbicularis oculi lifts the cheeks. " * 4
    lines = drawn_texts(monkeypatch, [cell(fine=fine, flags=("a_flag_name" * 6,))] * 64, tmp_path / "s.png")
    pitch, margin = SIDE + 2 * sheet.PAD + sheet.GAP, sheet.MARGIN + sheet.PAD
    for line, right, width in lines[1:]:
        assert right <= width
        assert (right - margin) % pitch <= SIDE + 1e-6, line
    text = " ".join(line for line, *_ in lines)
    assert text.count("Zygomaticus major") >= 64 * 3 and "…" not in text
    assert text.count("the cheeks.") == 64 * 4


def test_text_beyond_the_limit_ends_in_an_ellipsis(tmp_path, monkeypatch):
    lines = [line for line, *_ in drawn_texts(monkeypatch, [cell(fine="word " * 900)], tmp_path / "s.png")]
    assert lines[-1].endswith("…") and len(lines) < 30


def test_a_missing_picture_says_why(tmp_path, monkeypatch):
    gone = [cell(picture=None, missing="cannot be decoded"), cell(picture=np.zeros((0, 5, 3), np.uint8), missing="")]
    lines = [line for line, *_ in drawn_texts(monkeypatch, gone, tmp_path / "s.png")]
    assert "cannot be decoded" in lines and "no picture" in lines
    assert has(pixels(tmp_path / "s.png"), sheet.EMPTY)


def test_the_face_box_is_scaled_with_the_crop(tmp_path):
    picture = pixels(draw_sheet([cell(box=(25, 25, 75, 50))], tmp_path / "s.png"))
    ys, xs = np.nonzero((picture == (255, 214, 64)).all(-1))
    top, left = np.argwhere((picture == GREEN_PICTURE[0, 0]).all(-1))[0]
    assert (xs.min() - left, xs.max() - left) == pytest.approx((SIDE / 4, SIDE * 3 / 4), abs=1)
    assert (ys.min() - top, ys.max() - top) == pytest.approx((SIDE / 4, SIDE / 2), abs=1)


def test_a_wide_picture_keeps_its_shape(tmp_path):
    picture = pixels(draw_sheet([cell(picture=np.repeat(GREEN_PICTURE, 2, axis=1))], tmp_path / "s.png"))
    green = (picture == GREEN_PICTURE[0, 0]).all(-1)
    assert green.any(0).sum() == SIDE and green.any(1).sum() == SIDE // 2


def test_accents_are_drawn_and_what_the_typeface_lacks_is_written_as_an_escape():
    assert sheet._readable("Müller – naïve…") == "Müller – naïve…"
    assert sheet._readable("中\x00\u202e") == "\\u4e2d\\u0000\\u202e"


@given(
    title=st.text(max_size=40), coarse=st.text(max_size=200), flags=st.lists(st.text(max_size=60), max_size=4),
    severity=st.integers(-5, 9), box=st.none() | st.tuples(*[st.floats(width=32)] * 4),
    shape=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
)  # fmt: skip
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_odd_breaks_it(tmp_path, title, coarse, flags, severity, box, shape):
    picture = None if shape is None else np.zeros((*shape, 3), np.uint8)
    odd = SheetCell(picture, title, coarse, coarse, tuple(flags), severity, box)
    assert pixels(draw_sheet([odd], tmp_path / "s.png")).size


def test_no_cells_still_give_a_sheet_and_the_same_cells_the_same_bytes(tmp_path):
    assert pixels(draw_sheet([], tmp_path / "none.png")).size
    first = draw_sheet([cell()] * 3, tmp_path / "a.png").read_bytes()
    assert draw_sheet([cell()] * 3, tmp_path / "b.png").read_bytes() == first


def test_a_folder_that_cannot_be_written_is_an_error_with_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        draw_sheet([], tmp_path / "file" / "s.png")
