"""``tbd doctor``: what this machine has, what it lacks, and what therefore works."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import tbd
from tbd import weights, workspace
from tbd.cli.cost_table import show_costs
from tbd.cli.options import Json
from tbd.console import document, human_bytes, out

TESTED = {
    "torch": "2.15.0",
    "torchvision": "0.29.2",
    "transformers": "5.23.0",
    "diffusers": "0.42.1",
    "accelerate": "1.15.0",
    "datasets": "5.2.0",
    "pyarrow": "26.0.1",
    "av": "18.1.0",
    "facenet-pytorch": "2.5.3",
    "open-clip-torch": "3.3.0",
    "typer": "0.29.2",
}
"""The versions of ``constraints.txt`` that matter most."""

CODECS: tuple[tuple[str, Literal["r", "w"]], ...] = (
    ("h264", "r"),
    ("hevc", "r"),
    ("aac", "r"),
    ("libx264", "w"),
    ("aac", "w"),
)
LANGUAGE_MODELS = ("qwen2-vl-7b", "qwen2-vl-2b", "qwen2.5-vl-7b", "qwen3-vl-8b")
TRAINING = ("sd-1.5", "sd-1.5-text", "sd-vae-ft-mse", "wav2vec2", "animatediff-v2")
"""What the recipe ``paper`` starts from."""
LOW_DISK = 5e9
NODE, PLAN = "One of several machines", "Cost of an annotation"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the report. ``bad`` breaks something that every stage needs; ``note`` does not."""

    name: str
    state: Literal["ok", "note", "bad"]
    words: str


def doctor(
    fast: Annotated[
        bool, typer.Option("--fast", help="Do not look for a GPU (that needs torch, a few seconds).")
    ] = False,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A manifest or dataset that a run reads here.", rich_help_panel=NODE),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What tbd doctor --json said on another node.", rich_help_panel=NODE),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="What annotating takes on 1 to 64 GPUs.", rich_help_panel=PLAN)
    ] = False,
    clips: Annotated[int | None, typer.Option(min=1, help="To annotate.", rich_help_panel=PLAN)] = None,
    chains: Annotated[
        int | None, typer.Option(min=1, help="That they need. Default: one each.", rich_help_panel=PLAN)
    ] = None,
    measured: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A manifest whose run was timed: a pilot.", rich_help_panel=PLAN)
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Chains an hour on one GPU.", rich_help_panel=PLAN)] = None,
    model: Annotated[str | None, typer.Option(metavar="ID", help="Whose rate it is.", rich_help_panel=PLAN)] = None,
    cores: Annotated[
        int | None, typer.Option(min=1, help="CPU cores for each GPU. Default: 8.", rich_help_panel=PLAN)
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="Of a GPU for an hour.", rich_help_panel=PLAN)] = None,
    json: Json = False,
) -> None:
    """Look at this machine and say what works. Exit 1 when something essential is broken.

    Example: tbd doctor --fast

    Example: tbd doctor --plan --clips 281400 --rate 1500 --price 2.5
    """
    if plan:
        show_costs(clips, chains=chains, measured=measured, rate=rate, model=model, cores=cores, price=price, json=json)
        return
    node = _report(data or []) if json or data or like else None
    findings = [
        *_python(),
        *_libraries(),
        *_media(),
        *_faces_and_text(),
        *_place(),
        *_weights(),
        *([] if fast else _gpu()),
        *(_node(node, like) if node and (data or like) else []),
    ]
    works = _works([finding for finding in findings if finding.name != "node"])
    if json:
        document({"findings": [asdict(finding) for finding in findings], "works": works, "node": node})
    else:
        for finding in findings:
            out(f"{finding.state:5} {finding.name:16} {finding.words}")
        out("")
        for command, verdict in works.items():
            out(f"{command}: {verdict}")
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)


def _report(data: list[Path]) -> dict[str, Any]:
    from tbd.cli.node_report import node_report  # brings pyarrow

    return node_report(data)


def _node(node: dict[str, Any], like: Path | None) -> Iterator[Diagnosis]:
    """Whether a run over several machines may use this one."""
    from tbd.cli.node_report import read_report, unfit

    other = read_report(like) if like else None
    reasons = unfit(node, other)
    for reason in reasons:
        yield Diagnosis("node", "bad", reason)
    if not reasons:
        beside = f" beside {other['name']}" if other else ""
        yield Diagnosis("node", "ok", f"{node['name']} can be used{beside}: {len(node['data'])} folders are there")


def _python() -> Iterator[Diagnosis]:
    fine = sys.version_info >= (3, 11)
    yield Diagnosis("python", "ok" if fine else "bad", f"{platform.python_version()} ({sys.executable})")
    yield Diagnosis("tbd", "ok", f"{tbd.__version__} ({Path(tbd.__file__).parent})")


def _libraries() -> Iterator[Diagnosis]:
    for name, tested in TESTED.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Diagnosis(name, "bad", "not installed: pip install think-before-draw")
            continue
        same = version.split("+")[0] == tested
        yield Diagnosis(name, "ok" if same else "note", version if same else f"{version} (tested with {tested})")


def _media() -> Iterator[Diagnosis]:
    try:
        import av
    except ImportError as error:
        yield Diagnosis("ffmpeg", "bad", f"PyAV cannot be imported: {error}")
        return
    missing = []
    for codec, direction in CODECS:
        try:
            av.codec.Codec(codec, direction)
        except ValueError:
            missing.append(f"{codec} ({'decode' if direction == 'r' else 'encode'})")
    version = ".".join(map(str, av.library_versions["libavcodec"]))
    words = f"libavcodec {version} in PyAV" + (f", without {', '.join(missing)}" if missing else ": h264, hevc, aac")
    yield Diagnosis("ffmpeg", "bad" if missing else "ok", words)


def _faces_and_text() -> Iterator[Diagnosis]:
    found = weights.find(weights.lookup("mtcnn"))
    words = (
        str(found) if found else "the weights inside facenet-pytorch are not there: pip install facenet-pytorch==2.5.3"
    )
    yield Diagnosis("face detector", "ok" if found else "bad", words)
    spec = importlib.util.find_spec("open_clip")
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    there = any(next(folder.glob("bpe_simple_vocab*"), None) for folder in folders)
    words = "CLIP's vocabulary is here" if there else "CLIP's vocabulary is missing: pip install open_clip_torch"
    yield Diagnosis("token counts", "ok" if there else "bad", words)


def _place() -> Iterator[Diagnosis]:
    free = shutil.disk_usage(Path.cwd()).free
    words = f"{human_bytes(free)} free in {Path.cwd()}"
    yield Diagnosis("disk", "ok" if free >= LOW_DISK else "note", words)
    own = [name for name in workspace.SHIPPED_FOLDERS if (Path.cwd() / name).is_dir()]
    manifests = [path.name for path in workspace.manifests()]
    words = (
        f"own folders: {', '.join(own) or 'none (tbd init makes them)'}; manifests: {', '.join(manifests) or 'none'}"
    )
    yield Diagnosis("workspace", "ok", f"{words}; shipped: {workspace.shipped()}")


def _weights() -> Iterator[Diagnosis]:
    here = [entry for entry in weights.CATALOGUE if weights.find(entry)]
    yield Diagnosis("weights", "ok", f"here: {', '.join(entry.key for entry in here)}")
    missing = [entry.key for entry in weights.CATALOGUE if entry not in here]
    if missing:
        yield Diagnosis("weights", "note", f"not here: {', '.join(missing)} (tbd weights list tells what each is for)")
    bound = [f"{entry.key} ({entry.licence})" for entry in here if entry.commercial != "yes"]
    if bound:
        yield Diagnosis("licences", "note", f"think before commercial use of {', '.join(bound)}")


def _gpu() -> Iterator[Diagnosis]:
    try:
        import torch
    except Exception as error:  # noqa: BLE001 - a broken CUDA library shows as almost anything
        yield Diagnosis("gpu", "bad", f"torch cannot be imported: {error}")
        return
    names = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    for index, device in enumerate(names):
        yield Diagnosis("gpu", "ok", f"{index}: {device.name}, {human_bytes(device.total_memory)}")
    talk = torch.distributed.is_available() and [
        name for name in ("nccl", "gloo") if torch.distributed.is_backend_available(name)
    ]
    yield Diagnosis(
        "processes", "ok" if talk else "note", f"talk by {' or '.join(talk) if talk else 'nothing: one each'}"
    )
    if not names:
        yield Diagnosis("gpu", "note", "none that torch can use; everything runs on the CPU, slowly")


def _works(findings: list[Diagnosis]) -> dict[str, str]:
    """Command -> ``works``, or what it still needs."""
    broken = [finding.name for finding in findings if finding.state == "bad"]
    if broken:
        return {"tbd": f"needs {', '.join(broken)} first"}
    model = next((key for key in LANGUAGE_MODELS if weights.find(weights.lookup(key))), None)
    return {
        "tbd annotate DATASET --backend facs": "works",
        "tbd annotate DATASET --endpoint URL": "works, given a server that has the model",
        "tbd annotate DATASET": "works"
        if model == "qwen2-vl-7b"
        else f"works with --model {weights.lookup(model).hub}"
        if model
        else "needs the language model: tbd weights pull qwen2-vl-7b",
        "tbd train stage1 MANIFEST -o DIR --recipe tiny": "works",
        "tbd train stage1 MANIFEST -o DIR": _lacking(TRAINING),
        "tbd eval RUN --suite quick": "works",
    }


def _lacking(keys: tuple[str, ...]) -> str:
    """``works``, or the commands that get the weights that are not here."""
    lack = [key for key in keys if weights.find(weights.lookup(key)) is None]
    return "works" if not lack else "needs weights: " + "; ".join(f"tbd weights pull {key}" for key in lack)
