"""The Qwen backend against plain recomputation by the same (tiny, random) models."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tiny_qwen
import torch

from tbd.annotate.backends import kv_cache
from tbd.annotate.backends.base import ConversationStart, Question, Turn
from tbd.annotate.backends.qwen import QwenBackend
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


def face(seed, *, size=112, system="You look.", history=(), frames=1):
    images = np.random.default_rng(seed).integers(0, 256, (frames, size, size, 3), dtype=np.uint8)
    return ConversationStart(f"face{seed}", images, system, Annotation("cot", "anger"), tuple(history))


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
        feed = kv_cache.PrefixCache.feed

        def recorded(context, pieces, images=()):
            logits = feed(context, pieces, images)
            for row, piece in enumerate(pieces):
                if piece:
                    self.logits.setdefault((id(context), row), {})[context.read[row]] = logits[row].clone()
            return logits

        monkeypatch.setattr(kv_cache.PrefixCache, "feed", recorded)

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
            input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=(ids == 5).int(), **row.pixels
        ).logits[0]


def test_cached_logits_equal_full_recomputation_in_a_ragged_batch(backend, monkeypatch):
    recorder = Recorder(monkeypatch)
    faces = [face(1), face(2, system="You look at faces, closely.", frames=3), face(3, size=168, frames=2)]
    with backend.open(faces) as session:
        for questions in dialogue(3):
            session.ask(questions)
        assert recorder.largest_error(session) < 1e-4


def test_tokens_equal_those_of_generate_without_a_cache(backend):
    faces, turns = [face(1, frames=2), face(2, system="You look at faces, closely.")], dialogue(2)
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
                    **row.pixels,
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
    faces, turns = [face(1, frames=2), face(2, system="You look at faces, closely.")], dialogue(2)
    whole = converse(backend, faces, turns)
    for done in (1, 2, 3):
        histories = [
            [Turn(turns[k][row].text, whole[k][row].text, whole[k][row].token_ids) for k in range(done)]
            for row in range(2)
        ]
        resumed = [
            ConversationStart(old.key, old.images, old.system, old.topic, tuple(past))
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
    drawn = Counter(kv_cache._choose(logits, asked, [[0] * place])[0] for place in range(3000))
    assert [drawn[token] / 3000 for token in range(3)] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


@pytest.mark.parametrize("turn", [0, 2])
def test_out_of_memory_halves_the_batch_and_changes_no_reply(own, monkeypatch, turn):
    faces, turns = [face(seed) for seed in range(4)], dialogue(4)
    expected = tokens(converse(own, faces, turns))
    feed = kv_cache.PrefixCache.feed
    full = False

    def short_of_memory(context, pieces, images=()):
        if full and len(pieces) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return feed(context, pieces, images)

    monkeypatch.setattr(kv_cache.PrefixCache, "feed", short_of_memory)
    with own.open(faces) as session:
        for index, questions in enumerate(turns):
            full = index == turn
            assert tokens([session.ask(questions)]) == expected[index : index + 1]
    assert own.batch_size == 1
    assert any("out of memory with 4 chains" in words for words in own.notes)


def test_too_little_memory_for_one_chain_is_a_failed_reply(own, monkeypatch):
    def no_memory(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(kv_cache.PrefixCache, "feed", no_memory)
    replies = converse(own, [face(1), face(2)], [[question("What?")] * 2])[0]
    assert [reply.finish for reply in replies] == ["failed"] * 2
    assert "out of memory" in replies[0].text


def test_a_face_without_a_picture_takes_no_other_down(own):
    faces, turns = [face(seed) for seed in range(5)], dialogue(5)
    expected = tokens(converse(own, faces, turns))
    blind = ConversationStart("blind", None, "You look.", Annotation("cot", "anger"))
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
    feed = kv_cache.PrefixCache.feed

    def chokes(context, pieces, images=()):
        if any(str(poison)[1:-1] in str(list(piece)) for piece in pieces):
            raise RuntimeError("a bad row")
        return feed(context, pieces, images)

    monkeypatch.setattr(kv_cache.PrefixCache, "feed", chokes)
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
