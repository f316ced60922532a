"""68 landmarks of a face, from MediaPipe's Face Landmarker (the extra ``landmarks``).

MediaPipe gives 478 points of a mesh; 68 of them stand for dlib's. They are no dlib detections: the jaw
follows the mesh's rim. Distances between two videos measured by the same points can be compared.
"""

from __future__ import annotations

import functools
import importlib.util
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tbd.errors import InputError

Pixels = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

MESH = np.array(
    [
        *(127, 234, 93, 132, 58, 172, 136, 150, 176, 148, 152, 377, 400, 379, 365, 397, 356),  # jaw
        *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
        *(168, 6, 195, 4, 240, 75, 1, 305, 460),  # nose
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
        *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
    ]
)
"""Point of the mesh for each of dlib's 68, from the right side of the face (left in the picture) on."""

MOST_FACES = 3


def lacks_mediapipe() -> str:
    """What to install where MediaPipe, an extra of this package, is missing; empty where it is there."""
    if importlib.util.find_spec("mediapipe"):
        return ""
    return "the package mediapipe is missing; pip install 'think-before-draw[landmarks]'"


class FaceMesh:
    """The detector.

    Args:
        path: ``face_landmarker.task``.
        blendshapes: also tell these.
    """

    def __init__(self, path: Path, blendshapes: bool = False) -> None:
        from mediapipe.tasks.python import BaseOptions, vision

        base = BaseOptions(model_asset_path=str(path))
        try:
            self._net = vision.FaceLandmarker.create_from_options(
                vision.FaceLandmarkerOptions(
                    base_options=base, num_faces=MOST_FACES, output_face_blendshapes=blendshapes
                )
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise InputError(f"{path}: not a face landmarker ({error})", next="tbd weights verify") from error
        self._one_at_a_time = threading.Lock()

    def find(self, frames: Pixels) -> list[Points | None]:
        """``(68, 2)`` points of the largest face of each ``(T, H, W, 3)`` uint8 RGB frame, in pixels; None without."""
        import mediapipe

        found: list[Points | None] = []
        for frame in frames:
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
            with self._one_at_a_time:
                meshes = self._net.detect(picture).face_landmarks
            size = (frame.shape[1], frame.shape[0])
            faces = [np.array([(point.x, point.y) for point in mesh])[MESH] * size for mesh in meshes]
            found.append(max(faces, key=lambda face: float(np.ptp(face, axis=0).prod()), default=None))
        return found

    def blendshapes(self, frames: Pixels) -> list[Points | None]:
        """``(52,)`` blendshapes, 0 to 1, of the surest face of each ``(T, H, W, 3)`` uint8 RGB frame; None without."""
        import mediapipe

        found: list[Points | None] = []
        for frame in frames:
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
            with self._one_at_a_time:
                faces = self._net.detect(picture).face_blendshapes
            found.append(np.array([shape.score for shape in faces[0]], np.float64) if faces else None)
        return found


@functools.cache
def facemesh(path: Path, blendshapes: bool = False) -> FaceMesh:
    """This process's detector."""
    return FaceMesh(path, blendshapes)
