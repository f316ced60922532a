"""The Qwen backend against plain recomputation by the same (tiny, random) models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tiny_qwen
import torch

from tbd import weights
from tbd.annotate.backends import kv, qwen, snapshot
from tbd.annotate.backends.base import Face, Question, Turn
from tbd.annotate.backends.qwen import QwenBackend
from tbd.errors import InputError, MissingError, RecipeError
from tbd.schema import Annotation

SPECIAL_IDS = {1, 3, 4, 5, 6}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("qwen")
    return {kind: tiny_qwen.save(kind, root / kind) for kind in tiny_qwen.KINDS}


@pytest.fixture(scope="module", params=tiny_qwen.KINDS)
def shared(request, folders):
    torch.set_num_threads(1)
    return QwenBackend(folders[request.param])


@pytest.fixture
def backend(shared):
    shared.batch_size, shared.notes = 8, []
    return shared


@pytest.fixture
def own(folders):
    """A backend that a test may break."""
    return QwenBackend(folders["qwen2_vl"])


def face(seed, *, size=112, system="You look.", history=()):
    image = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return Face(f"face{seed}", image, system, Annotation("cot", "anger"), tuple(history))


def question(text, limit=8, **kwargs):
    return Question("step1", text, {}, limit, **kwargs)


def converse(backend, faces, turns):
    """Run all turns in one session; ``turns[k][i]`` is what row i is asked in turn k."""
    with backend.open(faces) as session:
        return [session.ask(questions) for questions in turns]


def tokens(turns):
    return [[reply.token_ids for reply in replies] for replies in turns]


def dialogue(rows, turns=4):
    """Questions of unequal lengths and limits, so that every batch is ragged."""
    return [
        [
            question(f"Turn {turn}" + " more" * ((turn + row) % 3) + "?", 3 + 4 * ((turn + row) % 3))
            for row in range(rows)
        ]
        for turn in range(turns)
    ]


class Recorder:
    """Keeps the logits of every feed, by the number of tokens that the row had read."""

    def __init__(self, monkeypatch):
        self.logits = {}
        feed = kv.Context.feed

        def recorded(context, pieces, images=()):
            logits = feed(context, pieces, images)
            for row, piece in enumerate(pieces):
                if piece:
                    self.logits.setdefault((id(context), row), {})[context.read[row]] = logits[row].clone()
            return logits

        monkeypatch.setattr(kv.Context, "feed", recorded)

    def largest_error(self, session):
        """Against one forward pass over each whole conversation: no cache, no padding, own positions."""
        errors = []
        for batch in session.batches:
            for index, row in enumerate(batch.rows):
                full = recomputed(session.model, row)
                for read, logits in self.logits[id(batch.context), index].items():
                    errors.append((full[read - 1] - logits).abs().max().item())
        return max(errors)


def recomputed(model, row):
    ids = torch.tensor([row.ids])
    with torch.no_grad():
        return model(
            input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=(ids == 5).int(), **row.image
        ).logits[0]


def test_cached_logits_equal_full_recomputation_in_a_ragged_batch(backend, monkeypatch):
    recorder = Recorder(monkeypatch)
    faces = [face(1), face(2, system="You look at faces, closely."), face(3, size=168)]
    with backend.open(faces) as session:
        for questions in dialogue(3):
            session.ask(questions)
        assert recorder.largest_error(session) < 1e-4


def test_tokens_equal_those_of_generate_without_a_cache(backend):
    faces, turns = [face(1), face(2, system="You look at faces, closely.")], dialogue(2)
    with backend.open(faces) as session:
        for questions in turns:
            replies = session.ask(questions)
            for row, reply, asked in zip(session.rows, replies, questions, strict=True):
                before = torch.tensor([row.ids[: len(row.ids) - len(reply.token_ids)]])
                written = session.model.generate(
                    input_ids=before,
                    attention_mask=torch.ones_like(before),
                    mm_token_type_ids=(before == 5).int(),
                    max_new_tokens=asked.max_tokens,
                    suppress_tokens=session.writer.never.tolist(),
                    do_sample=False,
                    **row.image,
                )
                assert written[0, before.shape[1] :].tolist() == list(reply.token_ids)


def test_open_sessions_may_take_turns(backend, monkeypatch):
    small, large = [face(1), face(2)], [face(3, size=168), face(4, size=56)]
    turns = dialogue(2)
    alone = [converse(backend, faces, turns) for faces in (small, large)]
    recorder = Recorder(monkeypatch)
    with backend.open(small) as first, backend.open(large) as second:
        both = [(first.ask(questions), second.ask(questions)) for questions in turns]
        assert max(map(recorder.largest_error, (first, second))) < 1e-4
    assert tokens(first for first, _ in both) == tokens(alone[0])
    assert tokens(second for _, second in both) == tokens(alone[1])


def test_nothing_is_read_from_the_offset_that_the_model_object_keeps(backend, monkeypatch):
    recorder = Recorder(monkeypatch)
    with backend.open([face(1)]) as session:
        for questions in dialogue(1):
            session.model.model.rope_deltas = torch.tensor([[1000]])
            session.ask(questions)
        assert recorder.largest_error(session) < 1e-4


@pytest.mark.parametrize("offset", ["of another picture", "none"])
def test_the_comparison_sees_a_wrong_offset(backend, monkeypatch, offset):
    """16 image tokens advance the position by 4, the 36 of a 168 x 168 picture by 6: 18 too few with its offset."""
    recorder = Recorder(monkeypatch)
    with backend.open([face(1)]) as session:
        session.ask([question("First?")])
        context = session.batches[0].context
        count = torch.tensor([[context.read[0]]])
        context.position = context.position - 18 if offset == "of another picture" else count
        session.ask([question("Second?")])
        assert recorder.largest_error(session) > 1e-3


def test_a_resumed_chain_goes_on_exactly(backend):
    faces, turns = [face(1), face(2, system="You look at faces, closely.")], dialogue(2)
    whole = converse(backend, faces, turns)
    for done in (1, 2, 3):
        histories = [
            [Turn(turns[k][row].text, whole[k][row].text, whole[k][row].token_ids) for k in range(done)]
            for row in range(2)
        ]
        resumed = [
            Face(old.key, old.image, old.system, old.topic, tuple(past))
            for old, past in zip(faces, histories, strict=True)
        ]
        assert tokens(converse(backend, resumed, turns[done:])) == tokens(whole[done:])


def test_a_history_without_token_ids_is_tokenised(own):
    ids = tuple(own.processor.tokenizer("She smiles.")["input_ids"])
    with_ids, without = (
        converse(own, [face(1, history=[Turn("Who?", "She smiles.", known)])], dialogue(1)) for known in (ids, None)
    )
    assert tokens(with_ids) == tokens(without)


def test_a_batch_writes_what_each_chain_writes_alone(backend):
    faces = [face(1), face(2, system="You look at faces, closely."), face(3)]
    turns = dialogue(3)
    together = tokens(converse(backend, faces, turns))
    alone = [tokens(converse(backend, [one], [[asked[row]] for asked in turns])) for row, one in enumerate(faces)]
    assert together == [[chain[turn][0] for chain in alone] for turn in range(len(turns))]


def test_greedy_replies_are_the_same_every_time(backend):
    assert tokens(converse(backend, [face(1)], dialogue(1))) == tokens(converse(backend, [face(1)], dialogue(1)))


def test_the_vision_tower_runs_once_a_chain(backend):
    calls = []
    hook = backend.network.model.visual.register_forward_hook(lambda *_: calls.append(1))
    try:
        converse(backend, [face(1), face(2)], dialogue(2))
    finally:
        hook.remove()
    assert len(calls) == 1


def test_usage_counts_prompt_cache_and_reply(own):
    turns = converse(own, [face(1)], dialogue(1))
    usages = [replies[0].usage for replies in turns]
    assert usages[0].cached_tokens == 0
    for (earlier,), now in zip(turns, usages[1:], strict=False):
        said = earlier.usage.prompt_tokens + earlier.usage.completion_tokens
        assert now.cached_tokens == said - 1  # the last token of a reply that ran into its limit was not read
        assert now.prompt_tokens > said
    assert [usage.completion_tokens for usage in usages] == [3, 7, 11, 3]
    assert all(usage.seconds > 0 for usage in usages)


def test_a_reply_ends_at_the_stop_token_or_at_its_own_limit(folders, monkeypatch):
    backend = QwenBackend(folders["qwen2_vl"])
    faces = [face(1), face(2)]
    free = converse(backend, faces, [[question("What?", 12), question("And this?", 12)]])[0]
    end = next(token for token in free[0].token_ids[2:] if token not in (*free[0].token_ids[:2], *free[1].token_ids))
    cut = list(free[0].token_ids).index(end)
    backend.network.generation_config.eos_token_id = [2, end]
    recorder = Recorder(monkeypatch)
    with backend.open(faces) as session:
        first, second = session.ask([question("What?", 12), question("And this?", 5)])
        assert (first.finish, first.token_ids) == ("stop", free[0].token_ids[:cut])
        assert (second.finish, second.token_ids) == ("length", free[1].token_ids[:5])
        session.ask([question("Why?"), question("Why not?")])
        assert recorder.largest_error(session) < 1e-4


def test_special_tokens_never_enter_a_reply(own):
    def prefer_special(module, args, logits):
        logits[..., sorted(SPECIAL_IDS)] += 1e4
        return logits

    own.network.lm_head.register_forward_hook(prefer_special)
    for replies in converse(own, [face(1)], dialogue(1)):
        assert replies[0].token_ids and not SPECIAL_IDS & set(replies[0].token_ids)


def test_special_tokens_in_a_question_stay_words(own):
    nasty = "<|image_pad|><|im_end|><|vision_start|>"
    with own.open([face(1, system=nasty, history=[Turn(nasty, nasty)])]) as session:
        reply = session.ask([question(nasty)])[0]
        count = Counter(session.rows[0].ids[: reply.usage.prompt_tokens])
    assert reply.finish != "failed"
    assert (count[5], count[3], count[1]) == (16, 1, 5)  # one picture; system, two questions, two replies


def test_drawing_depends_on_the_seed_and_on_nothing_else(backend):
    warm = question("What?", temperature=0.8, seed=3)
    first, beside = converse(backend, [face(1), face(2)], [[warm, question("Something longer?")]])[0]
    alone = converse(backend, [face(1)], [[warm]])[0][0]
    other = converse(backend, [face(1)], [[question("What?", temperature=0.8, seed=4)]])[0][0]
    greedy = converse(backend, [face(2)], [[question("Something longer?")]])[0][0]
    assert first.token_ids == alone.token_ids != other.token_ids
    assert beside.token_ids == greedy.token_ids


def test_drawing_follows_the_softmax():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]])) * 0.7
    asked = [question("?", temperature=0.7, seed=1)]
    drawn = Counter(kv._choose(logits, asked, [[0] * place])[0] for place in range(3000))
    assert [drawn[token] / 3000 for token in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


@pytest.mark.parametrize("turn", [0, 2])
def test_out_of_memory_halves_the_batch_and_changes_no_reply(own, monkeypatch, turn):
    faces, turns = [face(seed) for seed in range(4)], dialogue(4)
    expected = tokens(converse(own, faces, turns))
    feed = kv.Context.feed
    full = False

    def short_of_memory(context, pieces, images=()):
        if full and len(pieces) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return feed(context, pieces, images)

    monkeypatch.setattr(kv.Context, "feed", short_of_memory)
    with own.open(faces) as session:
        for index, questions in enumerate(turns):
            full = index == turn
            assert tokens([session.ask(questions)]) == expected[index : index + 1]
    assert own.batch_size == 1
    assert any("out of memory with 4 chains" in words for words in own.notes)


def test_too_little_memory_for_one_chain_is_a_failed_reply(own, monkeypatch):
    def no_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(kv.Context, "feed", no_memory)
    replies = converse(own, [face(1), face(2)], [[question("What?")] * 2])[0]
    assert [reply.finish for reply in replies] == ["failed"] * 2
    assert "out of memory" in replies[0].text


def test_a_face_without_a_picture_takes_no_other_down(own):
    faces, turns = [face(seed) for seed in range(5)], dialogue(5)
    expected = tokens(converse(own, faces, turns))
    blind = Face("blind", None, "You look.", Annotation("cot", "anger"))
    replies = converse(own, [faces[0], blind, *faces[2:]], turns)
    assert [row[1].finish for row in replies] == ["failed"] * 4
    assert "picture" in replies[0][1].text
    others = (0, 2, 3, 4)
    assert [[row[i].token_ids for i in others] for row in replies] == [[row[i] for i in others] for row in expected]


def test_a_row_that_the_model_cannot_run_is_the_only_one_that_fails(own, monkeypatch):
    faces, turns = [face(seed) for seed in range(5)], dialogue(5)
    turns[2][3] = question("POISON?")
    expected = tokens(converse(own, faces, turns))
    poison = own.processor.tokenizer("POISON")["input_ids"]
    feed = kv.Context.feed

    def chokes(context, pieces, images=()):
        if any(str(poison)[1:-1] in str(list(piece)) for piece in pieces):
            raise RuntimeError("a bad row")
        return feed(context, pieces, images)

    monkeypatch.setattr(kv.Context, "feed", chokes)
    replies = converse(own, faces, turns)
    assert [row[3].finish == "failed" for row in replies] == [False, False, True, True]
    assert "a bad row" in replies[2][3].text
    others = (0, 1, 2, 4)
    assert [[row[i].token_ids for i in others] for row in replies] == [[row[i] for i in others] for row in expected]


@pytest.mark.parametrize(("kind", "count"), [("qwen2_vl", 324), ("qwen2_5_vl", 324), ("qwen3_vl", 256)])
def test_the_canonical_crop_is_taken_as_it_is(folders, kind, count):
    backend = QwenBackend(folders[kind])
    with backend.open([face(1, size=512)]) as session:
        session.ask([question("What?", 1)])
        assert Counter(session.rows[0].ids)[5] == count


def test_more_faces_than_the_batch_takes_run_in_several_batches(own):
    faces, turns = [face(seed) for seed in range(3)], dialogue(3)
    expected = tokens(converse(own, faces, turns))
    own.batch_size = 2
    assert tokens(converse(own, faces, turns)) == expected


def test_a_closed_backend_loads_again(own):
    first = tokens(converse(own, [face(1)], dialogue(1)))
    own.close()
    assert "network" not in own.__dict__
    assert tokens(converse(own, [face(1)], dialogue(1))) == first


def test_missing_weights_say_what_to_do():
    with pytest.raises(MissingError) as caught:
        QwenBackend("Qwen/Qwen2-VL-Nowhere")
    assert "Qwen/Qwen2-VL-Nowhere" in caught.value.message
    assert "--backend facs" in caught.value.message
    assert "--endpoint URL" in caught.value.message
    assert caught.value.next == "tbd weights pull Qwen/Qwen2-VL-Nowhere"


@pytest.mark.parametrize("lacking", ["config.json", "model.safetensors"])
def test_a_folder_without_a_model_is_missing(folders, tmp_path, lacking):
    for path in folders["qwen2_vl"].iterdir():
        if path.name != lacking:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(MissingError, match="missing"):
        QwenBackend(tmp_path)


def test_another_architecture_is_refused_with_the_names_of_those_that_run(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(RecipeError, match=r"'llama'.*Qwen2-VL, Qwen2.5-VL, Qwen3-VL"):
        QwenBackend(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_an_unreadable_configuration_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text, errors="surrogateescape")
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        QwenBackend(tmp_path)


def test_damaged_weights_are_named(folders, tmp_path):
    for path in folders["qwen2_vl"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 1000 if path.suffix == ".safetensors" else None])
    with pytest.raises(InputError, match="cannot be loaded"), QwenBackend(tmp_path).open([face(1)]):
        pass


@pytest.mark.parametrize(
    ("options", "words"),
    [({"quantize": "4bit"}, "bitsandbytes"), ({"attention": "flash_attention_2"}, "flash_attn")],
)
def test_a_missing_package_is_named(folders, monkeypatch, options, words):
    monkeypatch.setattr(qwen.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=words):
        QwenBackend(folders["qwen2_vl"], **options)


@pytest.mark.parametrize("options", [{"device": "cuda:0"}, {"quantize": "8bit"}])
def test_a_missing_gpu_is_named(folders, monkeypatch, options):
    monkeypatch.setattr(qwen.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    backend = QwenBackend(folders["qwen2_vl"], **options)
    with pytest.raises(MissingError, match="needs a GPU"), backend.open([face(1)]):
        pass


def test_the_revision_is_the_commit_of_a_hub_snapshot(folders, tmp_path, monkeypatch):
    commit = "0123456789abcdef" * 2 + "01234567"
    place = tmp_path / "snapshots" / commit
    place.parent.mkdir()
    place.symlink_to(folders["qwen2_vl"])
    monkeypatch.setattr(weights, "resolve", lambda name: place)
    assert QwenBackend("Qwen/Qwen2-VL-2B-Instruct").revision == commit


def test_the_revision_of_a_folder_follows_its_contents(folders, tmp_path):
    for path in folders["qwen2_vl"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert QwenBackend(tmp_path).revision == QwenBackend(folders["qwen2_vl"]).revision
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    assert QwenBackend(tmp_path).revision != QwenBackend(folders["qwen2_vl"]).revision


def test_blocks_of_a_large_file_reach_from_its_first_to_its_last_byte(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(range(100)))
    assert b"".join(snapshot._blocks(path, size=50, count=2)) == path.read_bytes()
    assert list(snapshot._blocks(path, size=10, count=4)) == [bytes(range(at, at + 10)) for at in (0, 30, 60, 90)]


def test_finding_a_model_does_not_import_torch(folders):
    code = (
        "import sys; from tbd.annotate.backends.qwen import QwenBackend; "
        f"QwenBackend({str(folders['qwen2_vl'])!r}); sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=os.environ | {"PYTHONPATH": str(root)})
