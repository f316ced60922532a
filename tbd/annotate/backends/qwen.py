"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL in this process, through transformers.

backend = QwenBackend("Qwen/Qwen2-VL-7B-Instruct")     # finds and checks, loads nothing
with backend.open(starts) as session:                   # loads once
    replies = session.ask(questions)                   # reads picture and question
    replies = session.ask(next_questions)              # reads only what is new
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbd.annotate.backends import snapshot
from tbd.annotate.backends.base import ConversationStart
from tbd.errors import InputError, MissingError

if TYPE_CHECKING:
    from tbd.annotate.backends.qwen_session import QwenSession

PIXELS = {"shortest_edge": 32 * 32, "longest_edge": 2048 * 2048}
"""Pixels (not edges) that a picture may have: the canonical crop is only rounded to whole tokens,
504 x 504 and 324 tokens for Qwen2-VL and Qwen2.5-VL, 512 x 512 and 256 tokens for Qwen3-VL."""

_log = logging.getLogger(__name__)


class QwenBackend:
    """A Qwen vision-language model as a source of replies.

    Args:
        model: name or hub id of the weights, or the folder they lie in.
        dtype: ``auto`` is bfloat16 on a GPU and float32 on a CPU.
        quantize: ``none``, ``8bit`` or ``4bit`` (NF4); needs bitsandbytes and a GPU.
        attention: ``auto`` takes flash attention where it is installed and the numbers are half precision, else sdpa.
        device: ``cuda:1``, ``cpu``; None takes the first GPU, or the CPU.
        device_map: how one model is spread over GPUs (``auto``); None puts it on ``device``.
        batch_size: chains that run together.

    Attributes:
        revision: commit of the snapshot, or a hash of the folder (see ``snapshot.revision``).
        notes: what happened that a report should tell.

    Raises:
        MissingError: weights, GPU, bitsandbytes or flash attention are not there.
        RecipeError: the model is of another architecture.
    """

    name = "qwen2-vl"
    needs_image = True
    concurrency = 1

    def __init__(
        self,
        model: str | Path,
        *,
        dtype: str = "auto",
        quantize: str = "none",
        attention: str = "auto",
        device: str | None = None,
        device_map: str | None = None,
        batch_size: int = 8,
    ) -> None:
        self.model = str(model)
        self.batch_size = batch_size
        self.notes: list[str] = []
        self._dtype, self._quantize, self._attention = dtype, quantize, attention
        self._device, self._device_map = device, device_map
        self._folder = snapshot.find(model)
        _check_packages(quantize, attention)
        self.revision = snapshot.revision(self._folder)

    @contextmanager
    def open(self, starts: Sequence[ConversationStart]) -> Iterator[QwenSession]:
        """Start conversations; those with a history continue where it ends.

        Raises:
            MissingError: the model does not fit the device, or the device is not there.
            InputError: the weights cannot be loaded.
        """
        from tbd.annotate.backends.qwen_session import QwenSession

        session = QwenSession(self, starts)
        try:
            yield session
        finally:
            session.close()

    def stop(self) -> None:
        """A reply that is being written is finished: it takes seconds."""

    def close(self) -> None:
        """Forget the model and give its memory back."""
        if "network" in self.__dict__:
            import torch

            del self.network
            torch.cuda.empty_cache()

    def note(self, words: str) -> None:
        """Keep something that a person should know, and log it."""
        self.notes.append(words)
        _log.warning(words)

    @cached_property
    def processor(self) -> Any:
        """The model's own tokenizer, chat template and image processor."""
        with _loading(self._folder):
            processor = _transformers().AutoProcessor.from_pretrained(self._folder, local_files_only=True)
            processor.image_processor.size = dict(PIXELS)
            return processor

    @cached_property
    def network(self) -> Any:
        """The model, in evaluation mode on its device."""
        import torch

        device = self._target()
        dtype = _dtype(self._dtype, device)
        with _loading(self._folder):
            network = _transformers().AutoModelForImageTextToText.from_pretrained(
                self._folder,
                local_files_only=True,
                dtype=dtype,
                attn_implementation=_attention(self._attention, dtype),
                device_map=self._device_map or {"": device},
                quantization_config=_quantization(self._quantize, dtype),
            )
        if torch.device(device).type == "cpu":
            self.note(f"no GPU: {self.model} runs on the CPU in {str(dtype).removeprefix('torch.')}, which is slow")
        return network.eval()

    def _target(self) -> str:
        import torch

        device = self._device or ("cuda:0" if torch.cuda.is_available() else "cpu")
        if (device.startswith("cuda") or self._quantize != "none") and not torch.cuda.is_available():
            wish = f"quantize = {self._quantize}" if self._quantize != "none" else f"device {device}"
            raise MissingError(f"{wish} needs a GPU that torch can use, and there is none", next="tbd doctor")
        return device


def _check_packages(quantize: str, attention: str) -> None:
    wishes = {
        "bitsandbytes": (quantize != "none", f"quantize = {quantize}", "pip install 'think-before-draw[low-memory]'"),
        "flash_attn": (attention == "flash_attention_2", f"attention = {attention}", "--set backend.attention=auto"),
    }
    for package, (wanted, key, remedy) in wishes.items():
        if wanted and importlib.util.find_spec(package) is None:
            raise MissingError(f"{key} needs the package {package}, which is not installed", next=remedy)


def _dtype(name: str, device: str) -> Any:
    import torch

    return getattr(torch, name if name != "auto" else "bfloat16" if device.startswith("cuda") else "float32")


def _attention(name: str, dtype: Any) -> str:
    import torch

    if name != "auto":
        return name
    return (
        "flash_attention_2" if _transformers().utils.is_flash_attn_2_available() and dtype != torch.float32 else "sdpa"
    )


def _quantization(name: str, dtype: Any) -> Any:
    if name == "none":
        return None
    config = _transformers().BitsAndBytesConfig
    if name == "8bit":
        return config(load_in_8bit=True)
    return config(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def _transformers() -> Any:
    """The library, without its progress bars: only the console draws."""
    import transformers

    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    return library


@contextmanager
def _loading(folder: Path) -> Iterator[None]:
    """Turn whatever the libraries raise on damaged or too large weights into words."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MissingError(
            f"{folder.name}: does not fit the GPU ({error})", next="--set backend.quantize=4bit"
        ) from error
    except Exception as error:  # damaged files surface as errors of five libraries
        raise InputError(
            f"{folder}: cannot be loaded ({type(error).__name__}: {error})", next="tbd weights verify"
        ) from error
