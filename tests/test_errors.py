import json

import pytest

from tbd import errors
from tbd.cli import main

CODES = {
    errors.TbdError: 1,
    errors.UsageError: 2,
    errors.RecipeError: 2,
    errors.InputError: 3,
    errors.MissingError: 4,
    errors.Interrupted: 130,
    errors.Terminated: 143,
}


def _tree(kind):
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _tree(child))]


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_each_kind_has_the_exit_code_that_the_documentation_promises(kind, code):
    assert kind("x").exit_code == code


def test_no_kind_is_without_a_row_in_the_documented_tree():
    own = [kind for kind in _tree(errors.TbdError) if kind.__module__ == "tbd.errors"]
    assert set(own) == CODES.keys()
    assert all(kind.__name__ in errors.__doc__ for kind in own)
    assert len({kind.kind for kind in own}) == len(own)


def test_words_and_next_step_reach_people_and_programs():
    error = errors.InputError("a.mp4: no face", next="tbd annotate --clips others.txt")
    assert str(error) == "a.mp4: no face"
    assert error.as_json() == {
        "error": {"kind": "input", "message": "a.mp4: no face", "next": "tbd annotate --clips others.txt"}
    }
    assert errors.MissingError("x").as_json()["error"]["next"] is None


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["words", "json"])
def test_ctrl_c_is_said_and_how_to_go_on(more, tmp_path, monkeypatch, capfd):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tbd.demo.dataset.draw", stop)
    line = ["demo", "my demo", "--until", "draw", *more]
    assert main(line) == 130
    found = capfd.readouterr()
    assert "error: interrupted" in found.err and "next:  tbd demo 'my demo' --until draw" in found.err
    assert not more or json.loads(found.out)["error"]["kind"] == "interrupted"
