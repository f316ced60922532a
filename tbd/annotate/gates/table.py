"""Every flag the gates can raise, with its severity, its meaning and what a reviewer does about it."""

from __future__ import annotations

from collections.abc import Mapping

from tbd.schema import ERROR, INFO, WARNING, Flag, Gate

GATES: Mapping[str, Gate] = {
    # what came back
    "refused": Gate(ERROR, "the model declined to answer", "reject as text; another attempt asks differently"),
    "empty_reply": Gate(ERROR, "a reply holds no word", "reject as text"),
    "wrong_language": Gate(ERROR, "the text is not English", "translate the prompts, or reject as text"),
    "repetition": Gate(ERROR, "the same words come again and again", "cut the loop, or reject as text"),
    "whitespace_loop": Gate(WARNING, "a reply is mostly white space", "look whether the parts are whole"),
    "truncated": Gate(WARNING, "a reply ran into its token limit", "look whether the last part is whole"),
    "broken_json": Gate(WARNING, "a reply begins as JSON and does not end as such", "compare the parts with the reply"),
    "bad_characters": Gate(ERROR, "control characters, or halves of characters", "remove them"),
    "hidden_characters": Gate(WARNING, "a prompt has characters that nobody sees", "edit it, which takes them out"),
    "entry_unread": Gate(WARNING, "a part of a reply could not be read", "compare the reply with what was taken"),
    "form_echoed": Gate(WARNING, "words of the question instead of an answer", "write what was asked for, or reject"),
    # who is seen
    "odd_field": Gate(
        WARNING, "step I gives something that is no such thing", "look at the picture; correct the scene"
    ),
    "gender_mismatch": Gate(WARNING, "prompts and step I disagree about the person", "correct the prompts"),
    "gender_against_dataset": Gate(
        WARNING, "the dataset knows another gender", "look at the picture; correct the prompts"
    ),
    "age_mismatch": Gate(WARNING, "a prompt gives another age than step I", "look at the picture; correct the prompt"),
    "ethnicity_mismatch": Gate(WARNING, "a prompt names another group than step I", "look at the picture"),
    "detail_invented": Gate(WARNING, "a prompt has what step I did not see", "look at the picture; take it out"),
    "detail_mismatch": Gate(WARNING, "a prompt changes what step I saw", "look at the picture; correct the prompt"),
    "several_people": Gate(WARNING, "a prompt shows more than one person", "speak of one"),
    # what is missing
    "missing_action_units": Gate(ERROR, "step II has no action unit", "reject as text"),
    "missing_muscles": Gate(ERROR, "step III has no muscle", "reject as text"),
    "missing_prompt": Gate(ERROR, "a prompt is missing or holds no words", "write it, or reject as text"),
    "levels_missing": Gate(WARNING, "two prompts instead of four", "split the fine prompt into its three levels"),
    "unit_without_muscle": Gate(
        WARNING, "step III names no muscle for a unit of step II", "see whether prompts name it"
    ),
    "muscle_without_unit": Gate(WARNING, "step III speaks of a unit that step II lacks", "take it out of the prompts"),
    # FACS: codes and names
    "unknown_code": Gate(ERROR, "FACS has no such code", "reject as text, or take the claim out of the prompts"),
    "ambiguous_code": Gate(WARNING, "the reply leaves open which of several codes is meant", "choose one"),
    "duplicate_unit": Gate(INFO, "step II lists a unit twice", "nothing, if both say the same"),
    "too_few_units": Gate(WARNING, "one unit cannot carry the level asked for", "see that the prompts show more"),
    "too_many_units": Gate(WARNING, "more units than a face is asked for", "keep those that carry the emotion"),
    "legacy_code": Gate(INFO, "a number or name of 1978 or of Baby FACS", "nothing; the note names today's code"),
    "rare_code": Gate(INFO, "seldom seen; often another code was meant", "compare number and description"),
    "unknown_name": Gate(INFO, "nobody calls an action unit so", "compare number and description"),
    "name_mismatch": Gate(WARNING, "number and name belong to different units", "keep what the prompts describe"),
    "side_impossible": Gate(WARNING, "a side for a code that has none", "take the side out of the prompts"),
    "side_missing": Gate(WARNING, "a code that needs a side has none", "say the side"),
    # FACS: muscles
    "unknown_muscle": Gate(WARNING, "no muscle of the face has this name", "name the right one, or none"),
    "misspelled_muscle": Gate(INFO, "a muscle's name is misspelled", "correct it where a prompt has it"),
    "muscle_mismatch": Gate(WARNING, "the muscle does not carry that unit", "name the right muscle in the prompts"),
    # FACS: combinations
    "impossible_combination": Gate(ERROR, "two codes cannot be active together", "remove one from the prompts"),
    "unlikely_combination": Gate(WARNING, "two codes are hardly active together", "accept if the picture asks for it"),
    "unusual_combination": Gate(INFO, "two codes seldom go together", "nothing, if both were meant"),
    "not_alone": Gate(ERROR, "a code that stands for nothing else has company", "decide which of the two holds"),
    "both_sides": Gate(ERROR, "left and right of a code that has one side only", "keep one side"),
    "movement_code": Gate(WARNING, "a movement that one picture cannot show", "accept if the clip shows it"),
    "hidden_region": Gate(ERROR, "a region is hidden and coded at once", "look at the picture"),
    "partner_missing": Gate(WARNING, "a code lacks the one it depends on", "add what is missing, or remove it"),
    "partner_expected": Gate(INFO, "a code usually comes with another", "nothing, if the prompt shows it"),
    # emotion
    "emotion_mismatch": Gate(WARNING, "the units do not show the emotion", "edit towards the emotion, or reject"),
    "emotion_partial": Gate(INFO, "a weak form of the emotion at a level above mild", "see that it is strong enough"),
    "contradicting_unit": Gate(WARNING, "a unit speaks against the emotion", "remove it from the prompts"),
    "weak_contradiction": Gate(INFO, "a unit belongs to no form of the emotion", "nothing, if it looks natural"),
    "unit_too_strong": Gate(INFO, "a unit is stronger than the emotion allows", "soften it in the prompts"),
    "one_sidedness": Gate(INFO, "an emotion of one side is shown on both", "name the side"),
    # movements in words
    "description_mismatch": Gate(WARNING, "a unit's description is another unit's", "keep what the prompts describe"),
    "muscle_action": Gate(WARNING, "a muscle does what it cannot", "name what moves, or the right muscle"),
    "movement_contradiction": Gate(WARNING, "a prompt speaks against the emotion", "describe step II"),
    # strength and labels
    "letter_off_level": Gate(WARNING, "the strongest letter does not suit the level", "suit the words to the level"),
    "intensity_jump": Gate(WARNING, "words are two steps from the level asked for", "suit the words to the level"),
    "intensity_mismatch": Gate(WARNING, "the label's strength is not the level asked for", "write the right word"),
    "intensity_absent": Gate(WARNING, "no prompt says how strong the emotion is", "add the word"),
    "intensity_missing": Gate(INFO, "no strength stands beside the label", "add the word"),
    "intensity_invented": Gate(INFO, "a strength that nobody asked for", "remove the word"),
    "label_mismatch": Gate(WARNING, "a prompt names another emotion", "write the right one"),
    "label_drift": Gate(INFO, "the label changes its wording", "use one word"),
    # steps against each other
    "step_contradiction": Gate(ERROR, "one step affirms a unit that another denies", "decide by the picture"),
    "prompt_off_steps": Gate(WARNING, "a prompt names a muscle that no step asked for", "take it out"),
    "broken_phrase": Gate(WARNING, "a phrase stops in the middle", "complete it"),
    "unseen_duration": Gate(INFO, "a duration that one picture cannot tell", "take the number out of the prompts"),
    "no_facs_basis": Gate(INFO, "codes describe movement, not honesty", "take the claim out of the prompts"),
    # prompts
    "prompt_too_long": Gate(ERROR, "CLIP would cut the prompt", "shorten it"),
    "prompt_over_budget": Gate(WARNING, "a level is longer than its share of tokens", "shorten it"),
    "too_short": Gate(WARNING, "a prompt of one or two words", "write a sentence"),
    "unfinished": Gate(WARNING, "a prompt ends in the middle of a sentence", "complete it"),
    "levels_alike": Gate(WARNING, "two levels say the same", "give each its own words"),
    "leaked_code": Gate(ERROR, "a prompt holds an action unit number", "put the movement into words"),
    "leaked_file_name": Gate(ERROR, "a prompt holds a file name or an identity code", "remove it"),
    "placeholder_left": Gate(ERROR, "a blank of the form was not filled", "fill it, or drop it"),
    "boilerplate": Gate(WARNING, "a prompt opens with words to the asker", "remove them"),
    "markdown_left": Gate(WARNING, "a prompt holds marks of formatting", "remove them"),
    "unknown_left": Gate(WARNING, "a prompt says what is not known", "leave it out"),
    "camera_talk": Gate(WARNING, "a prompt speaks of camera, cut or sound track", "describe the face"),
    "not_speaking": Gate(WARNING, "a prompt says that nobody speaks", "say that the person speaks"),
    "text_repeated": Gate(WARNING, "other chains have the very same prompts", "compare a few of them"),
    "picture_talk": Gate(WARNING, "a prompt speaks of the picture instead of the scene", "describe the scene"),
    "identity_claim": Gate(WARNING, "a prompt names or compares a person", "remove it"),
}
"""Code -> severity, meaning, advice. Severity 1 is a note, 2 asks for a look, 3 cannot stand."""


def flag(code: str, message: str, where: str = "", quote: str = "") -> Flag:
    """A flag with the severity of the table."""
    return Flag(code, GATES[code].severity, message, where, quote)
