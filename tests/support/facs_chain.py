"""Annotations for the gates: a chain that the knowledge base wrote, and units from codes."""

from dataclasses import replace

from tbd.annotate.backends.base import ConversationStart, Question
from tbd.annotate.backends.facs import FacsBackend
from tbd.annotate.facs import ACTION_UNITS, MUSCLES, parse_action_units
from tbd.annotate.replies import read
from tbd.annotate.steps import STEPS
from tbd.schema import ActionUnit, Annotation, Muscle


def written(topic: Annotation) -> Annotation:
    """What the facs backend writes about a topic, read back as the chain reads it."""
    with FacsBackend().open([ConversationStart("key", None, "", topic)]) as session:
        for step in STEPS[topic.mode]:
            (reply,) = session.ask([Question(step, "", {}, 400)])
            fields = read(step, reply.text)
            topic = replace(topic, **fields, step_outputs=(*topic.step_outputs, reply.text))
    return topic


def units(codes: str) -> tuple[ActionUnit, ...]:
    """``6C+R12B`` as units with their official names."""
    return tuple(
        ActionUnit(found.au, ACTION_UNITS[found.au].name, found.side, found.intensity)
        for found in parse_action_units(codes)
    )


def with_units(base: Annotation, codes: str) -> Annotation:
    """The annotation with other units, and a right muscle for each; its raw replies are dropped."""
    coded = units(codes)
    muscles = [
        Muscle(MUSCLES[key].name, unit.au, "") for unit in coded for key in ACTION_UNITS[unit.au].all_muscles[:1]
    ]
    return replace(base, action_units=coded, muscles=tuple(muscles) or base.muscles, step_outputs=())
