"""The figure of moments: a row a run and clip, a column a moment, each said in words."""

from types import SimpleNamespace

import media
import numpy as np
import pytest
import runs

from tbd.errors import InputError, UsageError
from tbd.evaluate.compare import moments_figure
from tbd.evaluate.compare.moments_figure import draw_moments, frames_at


def compared(folder, name, clips):
    (folder / name).mkdir()
    rows = {}
    for i, clip in enumerate(clips):
        media.video(folder / name / f"{clip}.mp4", runs.clip(i, 10))
        rows[clip] = SimpleNamespace(video=f"{clip}.mp4", labels={"emotion": "anger", "level": i + 1})
    record = SimpleNamespace(runs={name: {"folder": str(folder / name)}})
    return SimpleNamespace(name=name, run=name, rows={"psnr@rgb": rows}, record=record)


def test_rows_and_columns_are_named(tmp_path, monkeypatch):
    drawn, save = [], moments_figure._save
    monkeypatch.setattr(moments_figure, "_save", lambda figure, *rest: (drawn.append(figure), save(figure, *rest)))
    mine, other = (compared(tmp_path, name, ("c1", "c2")) for name in ("mine", "other"))
    paths = draw_moments([mine, other], ["c1", "c2"], [0.2, 0.8], tmp_path)
    assert [path.suffix for path in paths] == [".png", ".svg", ".pdf"] and all(path.stat().st_size for path in paths)
    axes = np.array(drawn[0].axes).reshape(4, 2)
    assert [axis.get_title() for axis in axes[0]] == ["20% of the clip", "80% of the clip"]
    assert [axis.get_ylabel() for axis in axes[:, 0]] == [
        f"{name}\nanger {level}" for level in (1, 2) for name in ("mine", "other")
    ]
    shown = axes[1, 1].images[0].get_array()
    assert np.array_equal(shown, frames_at(tmp_path / "other" / "c1.mp4", [0.8])[0])


def test_what_is_not_there_is_said(tmp_path):
    run = compared(tmp_path, "mine", ("c1",))
    with pytest.raises(UsageError, match="mine has no clip 'c2'; it has c1"):
        draw_moments([run], ["c2"], [0.5], tmp_path)
    with pytest.raises(UsageError, match="no clip in common"):
        draw_moments([run], [], [0.5], tmp_path)
    (tmp_path / "mine" / "c1.mp4").unlink()
    with pytest.raises(InputError, match="not there any more"):
        draw_moments([run], ["c1"], [0.5], tmp_path)
