"""The paper's guidance in other people's pipelines: tiny random models of diffusers' and transformers' real classes."""

import pytest
import tiny_pipelines
import torch

from tbd.errors import UsageError
from tbd.generate import ProgressivePrompts
from tbd.model.guidance import blend, stage_weights
from tbd.model.recipe import Guidance

PROMPTS = ["a woman is speaking", "her lip corners rise and her cheeks lift"]
STEPS = 5
MAKERS = {name: getattr(tiny_pipelines, name) for name in ("stable_diffusion", "animatediff", "wan")}


@pytest.fixture(scope="module", params=MAKERS)
def made(request):
    """A pipeline, the network that hears its prompts, and the arguments of a small call."""
    pipe, network, arguments = MAKERS[request.param]()
    pipe.set_progress_bar_config(disable=True)
    return pipe, network, arguments


def encoded(pipe, prompts, arguments):
    """As the pipeline would encode them in a call with these arguments."""
    return ProgressivePrompts.encode(
        pipe, prompts, **{k: v for k, v in arguments.items() if k == "max_sequence_length"}
    )


def heard(pipe, network, **call):
    """What the network heard at each call: ``(timestep, embeddings)``; and what came out."""
    found = []

    def listen(_, arguments, keywords):
        timestep = keywords.get("timestep", arguments[1] if len(arguments) > 1 else None)
        found.append((float(torch.as_tensor(timestep).flatten()[0]), keywords["encoder_hidden_states"].clone()))

    hook = network.register_forward_pre_hook(listen, with_kwargs=True)
    try:
        return found, pipe(generator=torch.Generator().manual_seed(0), output_type="pt", **call)[0]
    finally:
        hook.remove()


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_every_step_hears_the_blend_of_its_noise_level(made, scale):
    pipe, network, arguments = made
    guide = encoded(pipe, PROMPTS, arguments)
    inputs = guide.inputs(num_inference_steps=STEPS, pipe=pipe)
    calls, _ = heard(pipe, network, guidance_scale=scale, **inputs, **arguments)
    for timestep, embeddings in calls:
        step = torch.tensor([min(round(timestep), 999)])
        wanted = blend(guide.levels, stage_weights(step))[0]
        rows = [torch.allclose(row, wanted, atol=1e-5) for row in embeddings]
        others = [torch.allclose(row, guide.negative[0], atol=1e-5) for row in embeddings]
        assert all(one != other for one, other in zip(rows, others, strict=True)), "text or negative, at every row"
    spoken = [embeddings for _, embeddings in calls]
    assert not torch.equal(spoken[0], spoken[-1])
    assert len({timestep for timestep, _ in calls}) == STEPS


def test_a_single_text_on_every_level_is_the_plain_pipeline(made):
    pipe, network, arguments = made
    guide = encoded(pipe, [PROMPTS[0]] * 2, arguments)
    _, guided = heard(pipe, network, guidance_scale=4.0, **guide.inputs(num_inference_steps=3), **arguments)
    plain = {"prompt": PROMPTS[0], "negative_prompt": "", "num_inference_steps": 3}
    _, usual = heard(pipe, network, guidance_scale=4.0, **plain, **arguments)
    torch.testing.assert_close(torch.as_tensor(guided), torch.as_tensor(usual), rtol=1e-3, atol=1e-4)


def test_several_pictures_each_hear_their_own_levels():
    pipe, unet, arguments = tiny_pipelines.stable_diffusion()
    pipe.set_progress_bar_config(disable=True)
    torch.manual_seed(3)
    shape = ProgressivePrompts.encode(pipe, PROMPTS).levels.shape[2:]
    guide = ProgressivePrompts(torch.randn(2, 3, *shape), Guidance(levels=3, schedule="hard"), torch.zeros(shape))
    inputs = guide.inputs(num_inference_steps=STEPS, pipe=pipe)
    calls, _ = heard(pipe, unet, guidance_scale=2.0, **inputs, **arguments)
    for timestep, embeddings in calls:
        level = int(stage_weights(torch.tensor([int(timestep)]), fractions=(1 / 3,) * 3, schedule="hard").argmax())
        torch.testing.assert_close(embeddings[2:], guide.levels[:, level])
        assert (embeddings[:2] == 0).all()


def test_what_it_cannot_do_is_said():
    pipe, _, arguments = tiny_pipelines.stable_diffusion()
    pipe.set_progress_bar_config(disable=True)
    guide = ProgressivePrompts.encode(pipe, PROMPTS)
    with pytest.raises(UsageError, match="not those that it was given"):
        pipe("something else", callback_on_step_end=guide, callback_on_step_end_tensor_inputs=["prompt_embeds"],
             num_inference_steps=2, **arguments)  # fmt: skip
    with pytest.raises(UsageError, match="does not offer"):
        pipe(PROMPTS[0], callback_on_step_end=guide, num_inference_steps=2, **arguments)
    with pytest.raises(UsageError, match="2 prompt levels, the guidance is for 3"):
        ProgressivePrompts(guide.levels, Guidance(levels=3))
