import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scripted import ScriptedBackend

from tbd import workspace
from tbd.annotate.backends.base import ConversationStart, Reply, Turn
from tbd.annotate.backends.conversation import Conversation
from tbd.annotate.chain import Chain, ChainRunner
from tbd.annotate.gates import check
from tbd.annotate.journal import Journal
from tbd.annotate.recipe import AnnotateRecipe
from tbd.annotate.steps import load_prompts
from tbd.schema import Annotation

IMAGES = np.zeros((1, 8, 8, 3), np.uint8)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path) as journal:
        yield journal


def chain_runner(journal, recipe=None, origin=("scripted", "scripted-1", "r1"), prompts=None):
    return ChainRunner(recipe or AnnotateRecipe(), prompts or load_prompts("v1"), journal, origin)


def chains(count=1, **changes):
    topic = Annotation("cot", "happiness", 2)
    return [Chain(f"chain{n}", replace(topic, **changes), IMAGES, f"image{n}") for n in range(count)]


def bad(*replies, step="step2", key=None):
    """A script that answers one step with these texts, one after another, and then well."""
    left = list(replies)

    def script(face, question, good):
        if question.step == step and (key is None or face.key == key) and left:
            text = left.pop(0)
            return text if isinstance(text, Reply) else replace(good, text=text)
        return good

    return script


def test_a_chain_has_four_steps_and_passes_the_gates(journal):
    (chain,) = chains()
    backend = ScriptedBackend()
    chain_runner(journal).run([chain], backend)
    assert chain.ended and chain.status == "success"
    assert [question.step for _, question in backend.asked] == ["step1", "step2", "step3", "step4"]
    assert [question.max_tokens for _, question in backend.asked] == [128, 384, 384, 256]
    assert all(question.temperature == 0 and question.seed == 0 for _, question in backend.asked)
    assert len(chain.topic.prompts) == 4 and chain.topic.action_units and chain.topic.muscles
    assert check(chain.topic) == []


def test_a_journalled_chain_is_not_asked_again(journal):
    (first,), (second,) = chains(), chains()
    chain_runner(journal).run([first], ScriptedBackend())
    chain_runner(journal).recall(second)
    assert second.ended and second.topic == first.topic


def test_the_first_question_names_no_emotion(journal):
    backend = ScriptedBackend()
    chain_runner(journal).run(chains(), backend)
    assert "happ" not in backend.asked[0][1].text.lower()
    assert "moderate" in backend.asked[1][1].text


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("step4 prompt", 3),
        ("step2 prompt", 1),
        ("system prompt", 0),
        ("model", 0),
        ("picture", 0),
        ("level", 1),
        ("seed", 0),
    ],
)
def test_only_what_depends_on_a_change_is_asked_again(journal, change, kept):
    (chain,) = chains()
    chain_runner(journal).run([chain], ScriptedBackend())
    (again,) = chains(level=3 if change == "level" else 2)
    prompts, recipe, origin = load_prompts("v1"), AnnotateRecipe(), ("scripted", "scripted-1", "r1")
    name = change.split()[0]
    if change.endswith("prompt"):
        prompts = replace(prompts, texts={**prompts.texts, name: prompts.texts[name] + " Be brief."})
    if change == "model":
        origin = ("scripted", "scripted-2", "r1")
    if change == "picture":
        again.image_sha256 = "other"
    if change == "seed":
        recipe = AnnotateRecipe(chain={"seed": 1})
    chain_runner(journal, recipe, origin, prompts).recall(again)
    assert len(again.turns) == kept


def test_an_unreadable_reply_is_asked_again_with_a_note(journal):
    (chain,) = chains()
    backend = ScriptedBackend(bad("Blue and green."))
    chain_runner(journal).run([chain], backend)
    texts = [question.text for _, question in backend.asked if question.step == "step2"]
    assert len(texts) == 2 and "one JSON object" in texts[1].removeprefix(texts[0])
    assert chain.status == "success"


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        ("nothing here", "error", "unreadable"),
        ("I'm sorry, but I cannot identify or describe people in images.", "refused", "refused"),
        (Reply('{"action_units": [{"au": 1', "length"), "truncated", "truncated"),
        (Reply("the server answered 500", "failed"), "error", "the server answered 500"),
    ],
)
def test_a_reply_that_stays_bad_ends_the_chain_and_says_why(journal, reply, status, words):
    (chain,) = chains()
    backend = ScriptedBackend(bad(*[reply] * 5))
    chain_runner(journal).run([chain], backend)
    assert (chain.ended, chain.status) == (True, status)
    assert chain.error.startswith("step2: ") and words in chain.error
    assert len(chain.turns) == 1, "step I is kept"


def test_a_truncated_reply_gets_twice_the_room(journal):
    backend = ScriptedBackend(bad(Reply('{"action_units": [{"au": 1', "length")))
    chain_runner(journal).run(chains(), backend)
    assert [question.max_tokens for _, question in backend.asked if question.step == "step2"] == [384, 768]


def test_later_attempts_are_sampled_with_their_own_seed(journal):
    backend = ScriptedBackend(bad("no", "no"))
    chain_runner(journal).run(chains(), backend)
    sampling = [(question.temperature, question.seed) for _, question in backend.asked if question.step == "step2"]
    assert sampling == [(0.0, 0), (0.3, 1000), (0.3, 2000)], "a greedy answer would only come back"


def test_a_reply_cut_off_but_readable_is_kept_as_truncated(journal):
    whole = '{"scene": "A woman is speaking with a happy emotion", "expression": "e", "muscles": "m", "dynamics": "d"} and so'
    (chain,) = chains()
    chain_runner(journal).run([chain], ScriptedBackend(bad(*[Reply(whole, "length")] * 3, step="step4")))
    assert chain.status == "truncated" and chain.topic.truncated == (3,)
    assert chain.topic.prompts[0].startswith("A woman")


def test_one_bad_chain_does_not_disturb_its_batch(journal):
    batch = chains(4)
    backend = ScriptedBackend(bad("no", key="chain2"), batch_size=4)
    chain_runner(journal).run(batch, backend)
    assert [chain.status for chain in batch] == ["success"] * 4
    assert len({json.dumps(chain.topic.prompts) for chain in batch}) == 1
    assert backend.batches == [4, 1], "the mended chain goes on alone"


def test_rejected_text_is_written_anew_with_another_seed(journal):
    (chain,), (again,) = chains(), chains()
    chain_runner(journal).run([chain], ScriptedBackend())
    again.round = 1
    chain_runner(journal).recall(again)
    assert again.turns == []
    backend = ScriptedBackend()
    chain_runner(journal).run([again], backend)
    assert {(question.temperature, question.seed) for _, question in backend.asked} == {(0.3, 1)}


def test_label_mode_asks_nobody(journal):
    (chain,) = chains(mode="label")
    chain_runner(journal, AnnotateRecipe(chain={"mode": "label"})).recall(chain)
    assert chain.ended and chain.topic.prompts == ("A person is speaking with a moderate happy emotion.",)


def test_describe_mode_is_one_call(journal):
    (chain,) = chains(mode="describe")
    backend = ScriptedBackend()
    chain_runner(journal, AnnotateRecipe(chain={"mode": "describe"})).run([chain], backend)
    assert [question.step for _, question in backend.asked] == ["describe"]
    assert len(chain.topic.prompts) == 1


def test_several_moments_are_told_in_the_first_question_and_change_every_key(journal):
    recipe = AnnotateRecipe(chain={"frames": 4})
    one, four = chains(2)
    one.image_sha256 = four.image_sha256
    four.pictures = 4
    backend = ScriptedBackend()
    runner = chain_runner(journal, recipe, prompts=load_prompts("v1", 4))
    assert runner.key(one, "step1") != runner.key(four, "step1")
    runner.run([one, four], backend)
    told = [(key, question.step) for key, question in backend.asked if "The 4 pictures show" in question.text]
    assert told == [(four.key, "step1")]
    assert "$" not in backend.asked[1][1].text


def test_few_shot_turns_of_the_prompt_folder_come_before_the_first_question(journal, tmp_path, monkeypatch):
    shutil.copytree(workspace.find("annotate/prompts/v1"), tmp_path / "annotate/prompts/mine")
    example = '[[example]]\nuser = "Step I of another face"\nassistant = "{}"\n'
    (tmp_path / "annotate/prompts/mine/examples.toml").write_text(example)
    monkeypatch.chdir(tmp_path)
    plain, shown = load_prompts("v1"), load_prompts("mine")
    assert shown.examples == (("Step I of another face", "{}"),) and shown.sha256 != plain.sha256
    (chain,) = chains()
    keys = {chain_runner(journal, prompts=prompts).key(chain, "step1") for prompts in (plain, shown)}
    assert len(keys) == 2, "examples can change a reply"
    started = []

    def script(face, question, good):
        started.append(face)
        return good

    chain_runner(journal, prompts=shown).run([chain], ScriptedBackend(script))
    assert started[0].examples == (Turn("Step I of another face", "{}"),)
    setting = type("Setting", (), {"endpoints": ()})
    start = ConversationStart("k", None, "You look.", chain.topic, (), started[0].examples)
    assert [turn["role"] for turn in Conversation(setting, start).messages] == ["system", "user", "assistant"]
