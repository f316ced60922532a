"""``tbd manifest export --inputs``: portrait, sound, emotion code and list, as other programs expect them.

Tables 1 and 3 and Fig. 7 of the paper compare with nine systems. Each has a folder layout of its own; here each is one
entry of ``BASELINES``. The outputs come back as one more run: ``tbd eval FOLDER --manifest M --align face``.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbd import workspace
from tbd.errors import InputError, UsageError
from tbd.manifest.licences import licence_notice
from tbd.manifest.reader import locate_manifest, read_manifest
from tbd.manifest.rows import as_rows
from tbd.manifest.run import clip_rule, dataset_roots
from tbd.schema import ManifestRow

COLUMNS = (
    "clip_id dataset subject emotion level file_name audio_file_name start end crop_box reference_frame has_audio status"
).split()
MEAD = {
    "anger": "angry", "contempt": "contempt", "disgust": "disgusted", "fear": "fear", "happiness": "happy",
    "neutral": "neutral", "sadness": "sad", "surprise": "surprised",
}  # fmt: skip
"""MEAD's words, which EAMM and EDTalk take."""
SHORT = {name: word[:3] for name, word in MEAD.items()}
"""EAT's codes: ang con dis fea hap neu sad sur."""


@dataclass(frozen=True)
class BaselineLayout:
    """What a program takes and gives; ``{clip}``, ``{code}`` and ``{level}`` stand for the clip's own.

    Attributes:
        portrait, sound: where its inputs lie below its repository.
        side: of the portrait in pixels.
        codes: emotion -> its word for it; empty: it knows no emotions.
        command: that makes one clip, in its repository.
        output: what it then has written.
        note: what a person must know.
        source: the program that was read, as ``owner/name`` on GitHub.
    """

    portrait: str
    sound: str
    command: str
    output: str
    side: int = 512
    codes: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    source: str = ""


BASELINES: Mapping[str, BaselineLayout] = {
    "makeittalk": BaselineLayout(
        "examples/{clip}.jpg", "audio/{clip}.wav",
        "mkdir -p kept results; mv -n examples/*.wav kept/ 2>/dev/null; cp audio/{clip}.wav examples/ && "
        "python main_end2end.py --jpg {clip}.jpg; rm -f examples/{clip}.wav; ffmpeg -y -loglevel error "
        "-i examples/{clip}_pred_fls_{clip}_audio_embed.mp4 -vf crop=256:256:256:0 results/{clip}.mp4",
        "results/{clip}.mp4", 256, source="yzhou359/MakeItTalk",
        note="It reads every wav in examples/, so one lies there at a time, and writes portrait, result and landmarks side by side: the middle is cut out.",
    ),
    "sadtalker": BaselineLayout(
        "inputs/{clip}.png", "inputs/{clip}.wav",
        "python inference.py --source_image inputs/{clip}.png --driven_audio inputs/{clip}.wav --result_dir results/{clip}",
        "results/{clip}/TIME.mp4", source="OpenTalker/SadTalker",
        note="With --result_dir of its own a clip keeps its name; TIME alone would lose it.",
    ),
    "pc-avs": BaselineLayout(
        "misc/Input/{clip}/000000.jpg", "misc/Audio_Source/{clip}.wav",
        "grep '^misc/Input/{clip} ' misc/tbd.csv > misc/one.csv && python -u inference.py --name demo --meta_path_vox misc/one.csv "
        "--dataset_mode voxtest --netG modulate --netA resseaudio --netA_sync ressesync --netD multiscale --netV resnext "
        "--netE fan --num_inputs 1 --gpu_ids 0 --clip_len 1 --batchSize 8 --model av --style_dim 2560 --nThreads 4 "
        "--norm_D spectralsyncbatch --input_id_feature --generate_interval 1 --style_feature_loss --use_audio 1 --noise_pose "
        "--driving_pose --gen_video --generate_from_audio_only; mkdir -p videos; ffmpeg -y -loglevel error "
        "-i results/id_{clip}_pose_{clip}_audio_{clip}/G_Pose_Driven_.mp4 -i misc/Audio_Source/{clip}.wav "
        "-vf tpad=start=2:start_mode=clone -map 0:v -map 1:a videos/{clip}.mp4",
        "videos/{clip}.mp4", 224, source="Hangz-nju-cuhk/Talking-Face_PC-AVS",
        note="The portrait is also the pose: the head keeps still. Its video is silent and lacks the first two frames; the last step puts both back.",
    ),
    "eamm": BaselineLayout(
        "test/image/{clip}.jpg", "test/audio/{clip}.wav",
        "mkdir -p result/{clip} && python demo.py --source_image test/image/{clip}.jpg --in_file test/audio/{clip}.wav "
        "--driving_video test/video/{code}.mp4 --emotion {code} --result_path result/{clip}/",
        "result/{clip}/emotion.mov", 256, MEAD, source="jixinya/EAMM",
        note="The head pose is that of test/pose/21.npy unless --pose_file names one made of the portrait; a driving video for each emotion has to be in test/video/.",
    ),
    "styletalk": BaselineLayout(
        "samples/source_video/image/{clip}.png", "samples/source_video/wav/{clip}.wav",
        "mkdir -p results && python inference_for_demo.py --src_img_path samples/source_video/image/{clip}.png "
        "--wav_path samples/source_video/wav/{clip}.wav --audio_path samples/source_video/phoneme/{clip}_seq.json "
        "--style_clip_path samples/style_clips/3DMM/{code}_level{level}.mat --pose_path samples/source_video/3DMM/{clip}.mat "
        "--output_path results/{clip}.mp4",
        "results/{clip}.mp4", 256, MEAD, source="FuxiVirtualHuman/styletalk",
        note="Phonemes and 3DMM files of style and pose are its own to make; it writes 30 frames a second.",
    ),
    "eat": BaselineLayout(
        "portraits/{clip}.jpg", "demo/video_processed/{clip}/{clip}.wav",
        "mkdir -p kept demo/imgs demo/imgs_cropped; mv -n demo/imgs/* demo/imgs_cropped/* kept/ 2>/dev/null; "
        "cp portraits/{clip}.jpg demo/imgs/ && python demo.py --root_wav demo/video_processed/{clip} --emo {code}; "
        "rm -f demo/imgs/{clip}.jpg demo/imgs_cropped/{clip}.jpg",
        "demo/output/deepprompt_eam3d_all_final_313/{clip}_{code}_{clip}.mp4", 256, SHORT, source="yuangan/EAT_code",
        note="Its preprocess/ makes latents, poses and speech features of each clip's video first; it reads every picture in demo/imgs/.",
    ),
    "edtalk": BaselineLayout(
        "inputs/{clip}.jpg", "inputs/{clip}.wav",
        "python demo_EDTalk_A_using_predefined_exp_weights.py --source_path inputs/{clip}.jpg --audio_driving_path inputs/{clip}.wav "
        "--pose_driving_path test_data/pose_source1.mp4 --exp_type {code} --save_path res/{clip}.mp4",
        "res/{clip}.mp4, with --face_sr also res/{clip}_512.mp4", 256, MEAD, source="tanshuai0219/EDTalk",
        note="The head pose, and the frame rate, are those of --pose_driving_path.",
    ),
    "hallo": BaselineLayout(
        "inputs/{clip}.png", "inputs/{clip}.wav",
        "mkdir -p results && python scripts/inference.py --source_image inputs/{clip}.png --driving_audio inputs/{clip}.wav --output results/{clip}.mp4",
        "results/{clip}.mp4", source="fudan-generative-vision/hallo",
    ),
    "sonic": BaselineLayout(
        "inputs/{clip}.png", "inputs/{clip}.wav", "python demo.py inputs/{clip}.png inputs/{clip}.wav results/{clip}.mp4",
        "results/{clip}.mp4", source="jixiaozhong/Sonic",
    ),
    "plain": BaselineLayout("portraits/{clip}.png", "audio/{clip}.wav", "", "{clip}.mp4", codes={name: name for name in MEAD}),
}  # fmt: skip
"""Every program by the name that ``--for`` takes; ``plain`` is for any other."""


@dataclass(frozen=True)
class ExportedInputs:
    """What was written.

    Attributes:
        path: the new folder, to be copied over the program's repository.
        clips: in it.
        left_out: ``clip_id: why`` of those that the program, or this machine, cannot have.
    """

    path: Path
    clips: int
    left_out: tuple[str, ...]


def export_inputs(
    manifest: str | Path,
    out: Path,
    program: str,
    *,
    clips: Iterable[str] | None = None,
    roots: Mapping[str, Path] | None = None,
) -> ExportedInputs:
    """Write the inputs of a program: canonical portraits and sound, ``tbd_list.csv``, ``tbd_run.sh``.

    Args:
        out: a folder that does not exist yet, or is empty.
        program: a key of ``BASELINES``.
        clips: clip_ids to take; None takes every clip of the manifest.
        roots: where each dataset lies; what is not named is taken from ``run.json``.

    Raises:
        UsageError: no such program, or an unknown clip.
        InputError: ``out`` has something in it; no clip is left.
    """
    if program not in BASELINES:
        raise UsageError(f"--for {program}: there are {', '.join(BASELINES)}", next="--for plain")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already and not empty", next="choose another folder with -o DIR")
    source, layout = locate_manifest(manifest).parent, BASELINES[program]
    rows = _rows(as_rows(read_manifest(manifest, COLUMNS)), clips)
    places, building = dataset_roots(source, roots), out.with_name(f".{out.name}.tmp")
    with workspace.writing(out):
        try:
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            written, lost = _written(rows, layout, places, clip_rule(source), building)
            if not written:
                raise InputError(
                    f"no clip could be written: {'; '.join(lost[:3])}", next="--root NAME=PATH, or other --clips"
                )
            _lists(program, layout, written, building)
            workspace.write_text(building / "NOTICE.md", licence_notice(sorted({row["dataset"] for row in written})))
            building.replace(out)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return ExportedInputs(out, len(written), tuple(lost))


def _rows(rows: list[ManifestRow], clips: Iterable[str] | None) -> list[ManifestRow]:
    if clips is None:
        return rows
    wanted = set(clips)
    if unknown := sorted(wanted - {row["clip_id"] for row in rows}):
        raise UsageError(f"--clips: no clip {unknown[0]!r} in the manifest", next="tbd manifest show MANIFEST")
    return [row for row in rows if row["clip_id"] in wanted]


def _written(
    rows: Iterable[ManifestRow], layout: BaselineLayout, places: Mapping[str, Path], rule: Any, building: Path
) -> tuple[list[dict[str, Any]], list[str]]:
    written, lost = [], []
    for row in rows:
        try:
            written.append(_write_clip(row, layout, places, rule, building))
        except InputError as error:
            lost.append(f"{row['clip_id']}: {error.message}")
    return written, lost


def _write_clip(
    row: ManifestRow, layout: BaselineLayout, places: Mapping[str, Path], rule: Any, building: Path
) -> dict[str, Any]:
    from tbd.media.canonical import CanonicalClip

    code = layout.codes.get(row["emotion"] or "", "")
    if layout.codes and not code:
        raise InputError(f"the program has no word for {row['emotion'] or 'no emotion'}")
    if row["dataset"] not in places:
        raise InputError(f"where {row['dataset']} lies is not known here")
    if not row["has_audio"]:
        raise InputError("no sound")
    clip = CanonicalClip.of_row(row, places[row["dataset"]], rule)
    named = {"clip": row["clip_id"], "code": code, "level": row["level"] or 1}
    paths = {"portrait": layout.portrait.format(**named), "sound": layout.sound.format(**named)}
    _write_portrait(clip.picture(row["reference_frame"] or 0), layout.side, building / paths["portrait"])
    _write_wav(clip.audio(), rule.sample_rate, building / paths["sound"])
    return {**row, **named, **paths}


def _write_portrait(picture: npt.NDArray[np.uint8], side: int, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
    image.save(path, quality=95) if path.suffix == ".jpg" else image.save(path)


def _write_wav(samples: npt.NDArray[np.float32], rate: int, path: Path) -> None:
    from tbd.media import audio

    path.parent.mkdir(parents=True, exist_ok=True)
    audio.write_wav(path, samples, rate)


def _lists(program: str, layout: BaselineLayout, rows: list[dict[str, Any]], building: Path) -> None:
    columns = ("clip_id", "portrait", "sound", "emotion", "level", "code")
    with (building / "tbd_list.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    if layout.command:
        lines = [layout.command.format(clip=row["clip"], code=row["code"], level=row["level"]) for row in rows]
        head = f"# In a copy of github.com/{layout.source}: a line a clip. {layout.note}\n# Writes {layout.output}\n"
        (building / "tbd_run.sh").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    if program == "pc-avs":
        folders = [f"misc/Input/{row['clip']} 1 misc/Input/{row['clip']} 1 {row['sound']} None 0 None" for row in rows]
        (building / "misc" / "tbd.csv").write_text("\n".join(folders) + "\n", encoding="utf-8")
