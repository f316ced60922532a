"""What a run does whose first chains all fail of the same thing."""

import pytest
from scripted import ScriptedBackend, annotate, mead_tree, table

from tbd.annotate.backends.base import Reply
from tbd.annotate.recipe import AnnotateRecipe
from tbd.errors import TbdError

pytestmark = pytest.mark.usefixtures("no_pixels")


def test_when_every_clip_fails_of_a_bug_the_program_says_that_it_is_one(tmp_path, use):
    def script(face, question, good):
        raise ZeroDivisionError("everywhere")

    dataset = mead_tree(tmp_path / "mead", [("M003", "happy", 1, take) for take in (1, 2)])
    use(ScriptedBackend(script))
    with pytest.raises(RuntimeError, match="bug in tbd"):
        annotate(dataset, tmp_path / "out")
    assert len(table(tmp_path / "out")) == 2, "the rows are there all the same"


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_run_whose_first_clips_fail_alike_stops_unless_told(tmp_path, use, keep_going):
    dataset = mead_tree(tmp_path / "mead", [("M003", "happy", 1, index) for index in range(1, 41)])
    use(ScriptedBackend(lambda face, question, good: Reply(f"{face.key} is nonsense")))
    if keep_going:
        assert annotate(dataset, tmp_path / "out", keep_going=True)["status"] == {"error": 40}
        return
    with pytest.raises(TbdError, match="first 20 clips failed alike") as raised:
        annotate(dataset, tmp_path / "out")
    assert "--keep-going" in raised.value.next
    assert 20 <= len(table(tmp_path / "out")) < 40


def test_one_refused_chain_stops_no_run_however_many_clips_share_it(tmp_path, use):
    clips = [("M003", "happy", 1, index) for index in range(1, 31)] + [("W009", "happy", 1, 1)]
    dataset = mead_tree(tmp_path / "mead", clips)
    use(ScriptedBackend(lambda face, question, good: Reply("nonsense") if "M003" in face.key else good))
    recipe = AnnotateRecipe(chain={"per": "identity"}, backend={"name": "facs"})
    assert annotate(dataset, tmp_path / "out", recipe=recipe)["status"] == {"error": 30, "success": 1}


def test_chains_that_all_fail_alike_stop_the_run(tmp_path, use):
    dataset = mead_tree(
        tmp_path / "mead", [(f"M{100 + who}", "happy", 1, take) for who in range(30) for take in (1, 2)]
    )
    use(ScriptedBackend(lambda face, question, good: Reply("nonsense")))
    with pytest.raises(TbdError, match="first 20 chains failed alike"):
        annotate(dataset, tmp_path / "out", recipe=AnnotateRecipe(chain={"per": "identity"}, backend={"name": "facs"}))
    assert 20 <= len(table(tmp_path / "out")) < 60
