"""The annotation recipe: every key that ``annotate/recipes/*.toml`` may set, with its default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from tbd.media.canonical import ClipRule
from tbd.recipe import Recipe, essence, operational
from tbd.schema import Mode


class ChainSettings(Recipe):
    """The chain of thought (section 3.2 and Fig. 4 of the paper)."""

    mode: Mode = "cot"
    """``label`` and ``describe`` are the first two rows of Table 2."""
    per: Literal["clip", "identity"] = "clip"
    """``identity`` writes one text for each identity x emotion x level and shares it."""
    prompts: str = "v1"
    """Folder below ``annotate/prompts/``."""
    max_tokens: tuple[int, int, int, int] = (128, 384, 384, 256)
    """New tokens for steps I to IV; ``describe`` takes the last."""
    frames: int = Field(1, ge=1, le=8)
    """Moments of a clip that the model sees, in order of time; the paper shows the reference frame alone."""
    attempts: int = Field(3, ge=1, le=5)
    """Asks a step gets until its reply can be read."""
    seed: int = Field(0, ge=0)
    """Of the model's sampling, where it samples at all: decoding is greedy."""


BLIND = ("facs", "oracle")
"""Backends that look at no picture and ask no model: the same units have the same words."""


class BackendSettings(Recipe):
    """The language model."""

    name: Literal["qwen2-vl", "server", "facs", "oracle"] = "qwen2-vl"
    """Who writes the chain."""
    model: str | None = None
    """A hub id or a folder; None is the paper's Qwen/Qwen2-VL-7B-Instruct, or the only model of a server."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """``auto``: bfloat16 on a GPU, float32 on a CPU."""
    quantize: Literal["none", "8bit", "4bit"] = "none"
    """Needs the extra ``low-memory``."""
    attention: Literal["auto", "sdpa", "flash_attention_2", "eager"] = operational("auto")
    device_map: str | None = operational(None)
    """``auto`` spreads one model over all GPUs of the machine."""
    batch_size: int = operational(8, ge=1)
    """Chains that run together on one GPU."""


DEFAULT_MODEL = "Qwen/Qwen2-VL-7B-Instruct"
"""The model of the paper."""

VLLM = "vllm serve $model --host 127.0.0.1 --port $port --limit-mm-per-prompt '{\"image\": $frames}'"
"""The server that ``--serve`` starts by default."""


class ServerSettings(Recipe):
    """An OpenAI-compatible endpoint."""

    command: str = VLLM
    """What ``--serve`` starts on each free GPU; blanks are ``$model $port $frames``, and ``$gpus``, their number, makes it
    one server on all of them."""
    start_timeout: float = operational(1200.0, gt=0)
    """Seconds until a server that ``--serve`` started must answer."""
    concurrency: int = operational(32, ge=1)
    """Chains in flight on each endpoint."""
    timeout: float = operational(120.0, gt=0)
    """Seconds one request may take."""
    retries: int = operational(5, ge=0)
    """Tries after a failure that may pass (429, 5xx, cut connection, time-out)."""
    backoff: float = operational(1.0, gt=0)
    """Seconds before the first retry; doubles each time, to a minute at most."""
    requests_per_minute: int = operational(0, ge=0)
    """Over all endpoints together, where a provider counts them; 0 is no limit."""
    price: tuple[float, float] = operational((0.0, 0.0))
    """Money for a million prompt tokens and a million new ones; plan and summary then say what a run costs."""
    structured: Literal["auto", "json_schema", "off"] = "auto"
    """``auto`` sends ``response_format`` and stops when the server refuses the field."""
    extra: dict[str, Any] = {}
    """Vendor fields added to every request body, e.g. vLLM's ``repetition_detection``."""


class GateSettings(Recipe):
    """Quality gates."""

    audit: float = Field(0.01, ge=0, le=1)
    """Share of the clean rows that is queued as a blind audit."""


class RunSettings(Recipe):
    """How a run uses this machine."""

    workers: int = operational(0, ge=0)
    """Processes that read clips; 0 is one for each core."""


class AnnotateRecipe(Recipe):
    """A whole annotation recipe."""

    clip: ClipRule = ClipRule()
    chain: ChainSettings = ChainSettings()
    backend: BackendSettings = BackendSettings()
    server: ServerSettings = ServerSettings()
    gates: GateSettings = GateSettings()
    run: RunSettings = RunSettings()

    def reply_settings(self) -> dict[str, Any]:
        """What can change a reply besides the question: part of every step's key. Defaults leave no trace."""
        chosen: dict[str, BaseModel] = {"backend": self.backend}
        if self.backend.name == "server":
            chosen["server"] = self.server
        return {
            f"{section}.{key}": value
            for section, settings in chosen.items()
            for key, value in essence(settings).items()
            if key not in ("name", "model") and value != type(settings).model_fields[key].default
        }


def money(price: Sequence[float], prompt_tokens: float, new_tokens: float) -> float:
    """What tokens cost by a recipe's ``server.price``, in its currency; 0 where no price is known."""
    for_prompt, for_new = price
    return (prompt_tokens * for_prompt + new_tokens * for_new) / 1e6
