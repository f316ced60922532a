import json

import pytest
from facs_chain import written

from tbd.annotate.backends.base import ConversationStart, Question
from tbd.annotate.backends.facs import FacsBackend, scene
from tbd.annotate.facs import ACTION_UNITS, EMOTIONS, MUSCLES
from tbd.annotate.gates import check
from tbd.annotate.steps import schema
from tbd.manifest.prompt_levels import REST_LIMIT, SCENE_LIMIT
from tbd.manifest.tokens import count_tokens
from tbd.schema import Annotation

TOPICS = [
    Annotation("cot", emotion, level, gender=gender)
    for emotion in EMOTIONS
    for level in ((1, None) if emotion == "neutral" else (1, 2, 3, None))
    for gender in ("woman", "man", None)
]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: f"{topic.emotion}-{topic.level}-{topic.gender}")
def test_what_the_knowledge_base_writes_carries_no_flag(topic):
    row = written(topic)
    assert check(row) == []
    assert count_tokens(row.prompts[0]) <= SCENE_LIMIT
    assert count_tokens(" ".join(row.prompts[1:])) <= REST_LIMIT


def test_every_emotion_and_level_has_its_own_words():
    rows = [
        written(topic).prompts[1:]
        for topic in TOPICS
        if topic.gender == "woman" and topic.emotion != "calm" and topic.level
    ]
    assert len(set(rows)) == len(rows) == 22


def test_the_label_ends_the_expression_with_the_papers_word():
    assert written(Annotation("cot", "happiness", 2)).prompts[1].endswith("showing Moderate Happiness.")
    assert written(Annotation("cot", "anger", 3)).prompts[1].endswith("showing Intense Anger.")
    assert written(Annotation("cot", "fear")).prompts[1].endswith("showing Fear.")
    assert written(Annotation("cot", "neutral", 1)).prompts[1].endswith("showing Neutrality.")


def test_the_person_is_only_who_the_topic_says():
    woman = written(Annotation("cot", "sadness", 1, gender="woman"))
    nobody = written(Annotation("cot", "sadness", 1))
    assert woman.prompts[0] == "A woman is speaking with a sad emotion."
    assert woman.prompts[1].startswith("Her ") and nobody.prompts[1].startswith("The ")
    assert nobody.prompts[0] == "A person is speaking with a sad emotion."
    assert (nobody.gender, nobody.age_range, nobody.ethnicity, nobody.appearance) == (None,) * 4


def test_the_scene_takes_what_is_known_and_the_right_article():
    topic = Annotation(
        "cot", "anger", 2, gender="woman", age_range="her thirties", ethnicity="Asian", appearance="short hair"
    )
    assert scene(topic, "angry") == "An Asian woman in her thirties with short hair, is speaking with an angry emotion."


def test_replies_have_the_shape_that_models_are_asked_for():
    topic = Annotation("cot", "fear", 3)
    with FacsBackend().open([ConversationStart("key", None, "", topic)]) as session:
        for step in ("step1", "step2", "step3", "step4", "describe"):
            reply = json.loads(session.ask([Question(step, "", {}, 10)])[0].text)
            form = schema(step, 1000)
            assert list(reply) == form["required"]
            for name, part in form["properties"].items():
                if part["type"] == "string":
                    assert 0 < len(reply[name]) <= part["maxLength"]
                else:
                    assert part["minItems"] <= len(reply[name]) <= part["maxItems"]
                    assert all(list(item) == part["items"]["required"] for item in reply[name])


@pytest.mark.parametrize("topic", TOPICS[::3], ids=lambda topic: f"{topic.emotion}-{topic.level}")
def test_every_muscle_of_step_three_carries_its_unit(topic):
    row = written(topic)
    names = {facts.name: key for key, facts in MUSCLES.items()}
    for muscle in row.muscles:
        assert muscle.au == 0 or names[muscle.name] in ACTION_UNITS[muscle.au].all_muscles


def test_the_same_topic_gives_the_same_bytes_and_batches_do_not_matter():
    topics = TOPICS[:5]
    with FacsBackend().open([ConversationStart(str(n), None, "", topic) for n, topic in enumerate(topics)]) as session:
        together = session.ask([Question("step4", "", {}, 10)] * 5)
    alone = []
    for topic in topics:
        with FacsBackend().open([ConversationStart("key", None, "", topic)]) as session:
            alone += session.ask([Question("step4", "", {}, 10)])
    assert together == alone


@pytest.mark.parametrize("emotion", [None, "boredom"])
def test_without_a_known_emotion_the_reply_fails_and_says_so(emotion):
    with FacsBackend().open([ConversationStart("key", None, "", Annotation("cot", emotion))]) as session:
        (reply,) = session.ask([Question("step2", "", {}, 10)])
    assert reply.finish == "failed" and "needs an emotion" in reply.text
