"""What an entry of the catalogue says about a file of weights: where it comes from, its hash, and its terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Commercial = Literal["yes", "no", "unstated"]

STAGES = ("annotate", "train", "generate", "eval")
"""What ``tbd weights pull --for`` takes."""

WITHOUT_MODEL = "--backend facs needs no weights, nor does --endpoint URL (a server that has the model)"


@dataclass(frozen=True, slots=True)
class File:
    """One file, by its name relative to the folder of its ``Weights``."""

    name: str
    bytes: int | None = None
    sha256: str | None = None
    urls: tuple[str, ...] = ()
    """Places outside the hub that have it; ``….zip#member`` is a file inside an archive."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What one part of ``tbd`` loads as a unit.

    Attributes:
        key: the short name in ``tbd weights pull KEY``.
        purpose: what needs it.
        files: what must be there; one file resolves to that file, several to their folder.
        licence: as its publisher states it.
        commercial: whether the licence allows commercial use; ``unstated`` when there is no licence.
        hub: repository on the Hugging Face Hub; None when it is published elsewhere.
        subfolder: folder of ``files`` inside that repository.
        aliases: earlier or equal repositories whose cached copy serves as well.
        trees: folders that hold it in other projects' ``pretrained_models/``.
        elsewhere: folders where the library that made it popular keeps it.
        package: a pip package that carries it, and the folder inside.
        origin: where to look when it is not on the hub.
        without: how to do without it, for the error message.
        made: the command that makes it on this machine; nobody publishes it.
        choice: one of several that serve the same purpose, and not the usual one.
    """

    key: str
    purpose: str
    files: tuple[File, ...]
    licence: str
    commercial: Commercial
    hub: str | None = None
    subfolder: str = ""
    aliases: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    package: tuple[str, str] | None = None
    origin: str = ""
    without: str = ""
    made: str = ""
    choice: bool = False

    @property
    def stages(self) -> tuple[str, ...]:
        """The commands that use it: annotate, train, generate, eval."""
        names = self.purpose.partition(":")[0]
        return STAGES if names == "every stage" else tuple(names.split(", "))

    @property
    def ids(self) -> tuple[str, ...]:
        """Hub repositories, the current one first."""
        return ((self.hub,) if self.hub else ()) + self.aliases

    @property
    def patterns(self) -> list[str]:
        """What to download: the named files, or with only ``config.json`` named a whole transformers model."""
        if [file.name for file in self.files] == ["config.json"]:
            return ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
        prefix = f"{self.subfolder}/" if self.subfolder else ""
        return [prefix + file.name for file in self.files]


def language_model(
    hub: str,
    key: str = "",
    licence: str = "see its page",
    commercial: Commercial = "unstated",
    *,
    choice: bool = True,
) -> Weights:
    """The entry of a vision-language model in transformers' layout; any repository of the hub can be one."""
    purpose = "annotate: the language model of the chain"
    files = (File("config.json"),)
    return Weights(key or hub, purpose, files, licence, commercial, hub, without=WITHOUT_MODEL, choice=choice)
