#!/usr/bin/env python3
"""Reference numbers for the vision chain, computed without OpenCV.

doorward finds, aligns and embeds faces with OpenCV's DNN module. A test that
compared OpenCV with itself would pass on a shared mistake: swapped colour
channels, a half-pixel shift, a mirrored alignment. This script is the second
opinion. It runs the same five networks with onnxruntime and does everything
around them (sampling, suppression, alignment, warping) in plain numpy. Its
output, tests/data/vision_reference.json, is stored in the repository; the Rust
tests compare every stage with it and allow for small differences in JPEG
decoding and rounding.

Run it again only when a model or a rule of the chain changes:

    python3 -m venv oracle
    oracle/bin/pip install numpy==2.4.6 onnxruntime==1.32.0 pillow==13.0.0
    oracle/bin/python tests/oracle/vision_reference.py \\
        --models DIR --sheet FILE --out tests/data/vision_reference.json

DIR holds the ONNX files of the default model pack. FILE is assets/screenshot-facematch.jpg of the npm package
@vladmandic/human 3.3.6, a sheet of 6 rows of 18 face crops.

The chain, and the conventions that the Rust side has to share:

detect     whole image stretched to 320x240, RGB, (x - 127) / 128;
           score > 0.7, then greedy suppression of IoU > 0.4; boxes are
           fractions of the image, here multiplied up to pixels
landmarks  box widened to whole pixels (floor, floor, ceil, ceil) and clipped;
           luma round(0.299 R + 0.587 G + 0.114 B), stretched to 64x64,
           x / 256; 68 points, scaled back with that whole-pixel box
align      eye centres, nose tip and mouth corners onto the template with a
           least-squares similarity that may not mirror, warped to 112x112
embed      BGR, (x - 127) / 128, 512 numbers, scaled to length 1
liveness   box scaled x2.7 about its centre, less where the frame is too small,
           shifted into the frame, corner and side cut to whole pixels; BGR,
           raw levels, stretched to 128x128; softmax, [0] = live
eyes       square of 1.6 eye widths about the mean of the four lid points, cut
           to whole pixels; luma, stretched to 24x24, x / 255; softmax, [1] = open

Stretching: bilinear, half-pixel centres, edges repeated, no antialiasing.
Warping: bilinear, whole coordinates are pixel centres, black outside.
Both give 8-bit images, rounded to the nearest level.
"""

import argparse
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

SCORE_THRESHOLD = 0.7
IOU_THRESHOLD = 0.4
DETECTOR_SIZE = (320, 240)
LANDMARK_SIZE = (64, 64)
ALIGNED_SIZE = (112, 112)
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
LIVENESS_SIZE = (128, 128)
LIVENESS_SCALE = 2.7
EYE_SIZE = (24, 24)
EYE_SCALE = 1.6
EYES = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47))
MODEL_FILES = (
    "fr_detect.onnx",
    "fr_landmark.onnx",
    "fr_feature.onnx",
    "fr_liveness.onnx",
    "fr_eye.onnx",
)

GREY = 127
CELL_SIZE = (105, 106)
# name, sheet row, sheet column, canvas width and height, top left of the crop.
# The last one is not 4:3, so that the detector sees a stretched image.
FACES = (
    ("enrolled_0", 0, 0, (320, 240), (107, 66)),
    ("enrolled_1", 0, 1, (320, 240), (107, 66)),
    ("enrolled_5", 0, 5, (320, 240), (107, 66)),
    ("enrolled_18", 1, 0, (320, 240), (107, 66)),
    ("stranger_23", 1, 5, (320, 240), (107, 66)),
    ("stranger_41", 2, 5, (320, 240), (107, 66)),
    ("enrolled_0_stretched", 0, 0, (400, 250), (201, 83)),
)


# --- sampling ---------------------------------------------------------------


def to_levels(values):
    """Rounds to 8-bit levels, halves upwards."""
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


def resize_exact(image, width, height):
    """Bilinear stretch as real numbers: half-pixel centres, repeated edges."""
    source = image.astype(np.float64)

    def taps(old, new):
        centre = (np.arange(new) + 0.5) * (old / new) - 0.5
        low = np.floor(centre).astype(int)
        share = centre - low
        return np.clip(low, 0, old - 1), np.clip(low + 1, 0, old - 1), share

    left, right, across = taps(source.shape[1], width)
    above, below, down = taps(source.shape[0], height)
    across = across.reshape((1, -1) + (1,) * (source.ndim - 2))
    down = down.reshape((-1, 1) + (1,) * (source.ndim - 2))
    rows = source[:, left] * (1 - across) + source[:, right] * across
    return rows[above] * (1 - down) + rows[below] * down


def resize(image, width, height):
    return to_levels(resize_exact(image, width, height))


def warp_exact(image, matrix, width, height):
    """Affine warp as real numbers; `matrix` maps source points to the result."""
    source = image.astype(np.float64)
    inverse = np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))
    grid_x, grid_y = np.meshgrid(np.arange(width), np.arange(height))
    x = inverse[0, 0] * grid_x + inverse[0, 1] * grid_y + inverse[0, 2]
    y = inverse[1, 0] * grid_x + inverse[1, 1] * grid_y + inverse[1, 2]
    left, above = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = x - left, y - above

    def pixel(column, row):
        inside = (column >= 0) & (column < source.shape[1])
        inside &= (row >= 0) & (row < source.shape[0])
        values = source[
            np.clip(row, 0, source.shape[0] - 1),
            np.clip(column, 0, source.shape[1] - 1),
        ]
        return values * (inside if source.ndim == 2 else inside[..., None])

    if source.ndim == 3:
        across, down = across[..., None], down[..., None]
    top = pixel(left, above) * (1 - across) + pixel(left + 1, above) * across
    bottom = pixel(left, above + 1) * (1 - across)
    bottom = bottom + pixel(left + 1, above + 1) * across
    return top * (1 - down) + bottom * down


def warp(image, matrix, width, height):
    return to_levels(warp_exact(image, matrix, width, height))


def luma(rgb):
    return to_levels(rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))


# --- geometry ---------------------------------------------------------------


def iou(a, b):
    """Intersection over union of two corner-form boxes; 0 for empty boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    area_a = max(0.0, a[2] - a[0]) * max(0.0, a[3] - a[1])
    area_b = max(0.0, b[2] - b[0]) * max(0.0, b[3] - b[1])
    union = area_a + area_b - shared
    return shared / union if union > 0 else 0.0


def nms(boxes, scores, threshold):
    """Indices to keep, best score first; equal scores keep their order."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    kept = []
    for i in order:
        if all(iou(boxes[i], boxes[k]) <= threshold for k in kept):
            kept.append(i)
    return kept


def umeyama(source, target):
    """Least-squares similarity (2x3) from `source` to `target`, never mirrored.

    S. Umeyama, "Least-squares estimation of transformation parameters between
    two point patterns", IEEE PAMI 13(4), 1991, equations 34 to 43.
    """
    source, target = np.asarray(source, float), np.asarray(target, float)
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(b.T @ a / len(source))
    signs = np.ones(2)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        signs[-1] = -1
    rotation = u @ np.diag(signs) @ vt
    scale = (singular * signs).sum() / (a**2).sum(1).mean()
    linear = scale * rotation
    return np.column_stack([linear, target_mean - linear @ source_mean])


def alignment_points(landmarks):
    """Left and right eye centre, nose tip, left and right mouth corner."""
    return np.array(
        [
            landmarks[36:42].mean(0),
            landmarks[42:48].mean(0),
            landmarks[30],
            landmarks[48],
            landmarks[54],
        ]
    )


def softmax(logits):
    shares = np.exp(logits.astype(np.float64) - logits.max())
    return shares / shares.sum()


# --- the networks -----------------------------------------------------------


class Chain:
    """The networks and the steps between them."""

    def __init__(self, folder):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.detector, self.landmarker, self.embedder, self.liveness, self.eye = (
            onnxruntime.InferenceSession(
                str(Path(folder) / name), options, ["CPUExecutionProvider"]
            )
            for name in MODEL_FILES
        )

    @staticmethod
    def _run(session, blob):
        name = session.get_inputs()[0].name
        return session.run(None, {name: np.ascontiguousarray(blob, np.float32)})

    def detect(self, rgb):
        """All boxes (px) and scores above the threshold, before suppression,
        and the distance of the threshold to the nearest score."""
        height, width = rgb.shape[:2]
        small = resize(rgb, *DETECTOR_SIZE).astype(np.float32)
        blob = ((small - 127) / 128).transpose(2, 0, 1)[None]
        scores, boxes = self._run(self.detector, blob)
        scores = scores[0, :, 1].astype(np.float64)
        boxes = boxes[0].astype(np.float64) * [width, height, width, height]
        margin = np.abs(scores - SCORE_THRESHOLD).min()
        above = scores > SCORE_THRESHOLD
        return boxes[above], scores[above], margin

    def landmarks(self, rgb, box):
        """68 points (px) of the face in `box`, and the whole-pixel box used."""
        height, width = rgb.shape[:2]
        x0, y0 = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
        x1, y1 = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
        grey = resize(luma(rgb[y0:y1, x0:x1]), *LANDMARK_SIZE)
        blob = (grey.astype(np.float32) / 256)[None, None]
        points = self._run(self.landmarker, blob)[0].reshape(68, 2)
        points = points.astype(np.float64)
        return points * [x1 - x0, y1 - y0] + [x0, y0], [x0, y0, x1, y1]

    def embed(self, aligned_bgr):
        blob = (aligned_bgr.astype(np.float32) - 127) / 128
        raw = self._run(self.embedder, blob.transpose(2, 0, 1)[None])[0]
        vector = raw.ravel().astype(np.float64)
        return vector / np.linalg.norm(vector)

    def live(self, rgb, box):
        """Probability that the face in `box` is live."""
        height, width = rgb.shape[:2]
        sides = (box[2] - box[0], box[3] - box[1])
        scale = min(LIVENESS_SCALE, width / sides[0], height / sides[1])

        def place(start, end, limit):
            side = (end - start) * scale
            low = min(max((start + end - side) / 2, 0), max(limit - side, 0))
            return int(low), int(low) + int(side)

        x0, x1 = place(box[0], box[2], width)
        y0, y1 = place(box[1], box[3], height)
        crop = resize(rgb[y0:y1, x0:x1, ::-1], *LIVENESS_SIZE)
        blob = crop.astype(np.float32).transpose(2, 0, 1)[None]
        return softmax(self._run(self.liveness, blob)[0].ravel())[0]

    def eyes_open(self, rgb, landmarks):
        """Probability that an eye is open, for both."""
        found = []
        for eye in EYES:
            points = landmarks[list(eye)]
            centre = points[[1, 2, 4, 5]].mean(0)
            side = math.dist(points[0], points[3]) * EYE_SCALE
            x, y = (int(c - side / 2) for c in centre)
            crop = rgb[y : y + int(side), x : x + int(side)]
            grey = resize(luma(crop), *EYE_SIZE).astype(np.float32) / 255
            found.append(softmax(self._run(self.eye, grey[None, None])[0].ravel())[1])
        return found

    def face(self, rgb):
        """Every stage for the best face of the image; None if there is none."""
        boxes, scores, margin = self.detect(rgb)
        if len(scores) == 0:
            return None
        kept = nms(boxes, scores, IOU_THRESHOLD)
        box = boxes[kept[0]]
        landmarks, landmark_box = self.landmarks(rgb, box)
        points = alignment_points(landmarks)
        matrix = umeyama(points, TEMPLATE)
        aligned = warp(rgb[..., ::-1], matrix, *ALIGNED_SIZE)
        return {
            "candidates": len(scores),
            "threshold_margin": margin,
            "faces": len(kept),
            "score": scores[kept[0]],
            "box": box,
            "landmark_box": landmark_box,
            "landmarks": landmarks,
            "alignment_points": points,
            "matrix": matrix,
            "aligned": aligned,
            "embedding": self.embed(aligned),
            "live": self.live(rgb, box),
            "eyes_open": self.eyes_open(rgb, landmarks),
        }


# --- the sample sheet -------------------------------------------------------


def cell_rect(row, column):
    """x, y, width, height of a crop on the sheet, inside its blended edges."""
    x, y = round(3 + 106.34 * column), round(283 + 112.4 * row)
    return (x, y, *CELL_SIZE)


def on_canvas(sheet, rect, size, place):
    """One crop of the sheet, unscaled, on a mid-grey image."""
    x, y, width, height = rect
    canvas = np.full((size[1], size[0], 3), GREY, np.uint8)
    left, top = place
    crop = sheet[y : y + height, x : x + width]
    canvas[top : top + height, left : left + width] = crop
    return canvas


def face_cases(chain, sheet):
    cases, embeddings = [], []
    for name, row, column, size, place in FACES:
        rect = cell_rect(row, column)
        found = chain.face(on_canvas(sheet, rect, size, place))
        if found is None:
            raise SystemExit(f"{name}: no face found; is this the right sheet?")
        aligned = found["aligned"].reshape(-1, 3)
        embeddings.append(found["embedding"])
        cases.append(
            {
                "name": name,
                "cell": [row, column],
                "crop": list(rect),
                "canvas": list(size),
                "place": list(place),
                "candidates": found["candidates"],
                "threshold_margin": rounded(found["threshold_margin"], 4),
                "faces": found["faces"],
                "score": rounded(found["score"], 5),
                "box": rounded(found["box"], 3),
                "landmark_box": found["landmark_box"],
                "landmarks": rounded(found["landmarks"], 3),
                "alignment_points": rounded(found["alignment_points"], 3),
                "matrix": rounded(found["matrix"], 7),
                "aligned_mean_bgr": rounded(aligned.mean(0), 3),
                "aligned_std_bgr": rounded(aligned.std(0), 3),
                "embedding": rounded(found["embedding"], 5),
                "live": rounded(found["live"], 5),
                "eyes_open": rounded(found["eyes_open"], 5),
            }
        )
    vectors = np.array(embeddings)
    return cases, rounded(vectors @ vectors.T, 4)


# --- pure mathematics -------------------------------------------------------


def placed(points, degrees, scale, shift):
    """`points` turned (x towards y), scaled and moved."""
    angle = math.radians(degrees)
    turn = np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    return scale * points @ turn.T + shift


def umeyama_cases():
    noise = np.array(
        [[2.5, -1.25], [-1.75, 3.0], [0.5, 2.25], [-3.0, -0.75], [1.5, -2.0]]
    )
    mirrored = placed(TEMPLATE, 10, 1.5, [20, 30]) * [-1, 1] + [400, 0]
    sources = (
        ("noisy", placed(TEMPLATE, -12, 1.8, [150, 60]) + noise),
        ("rotated_170_degrees", placed(TEMPLATE, 170, 1.3, [300, 280])),
        ("scaled_0.2", placed(TEMPLATE, 5, 0.2, [40, 25])),
        ("mirrored_must_not_be_reflected", mirrored),
    )
    cases = []
    for name, source in sources:
        source = np.round(source, 4)
        matrix = rounded(umeyama(source, TEMPLATE), 8)
        cases.append({"name": name, "source": rounded(source, 4), "matrix": matrix})
    return cases


def nms_case():
    boxes = [
        [10, 10, 60, 60],
        [12, 12, 62, 62],
        [10, 10, 60, 60],
        [40, 40, 90, 90],
        [100, 20, 140, 80],
        [100, 45, 140, 105],
        [100, 50, 140, 110],
        [200, 100, 300, 200],
        [220, 120, 280, 180],
        [205, 105, 295, 195],
        [150, 150, 150, 190],
        [300, 10, 319.5, 40.25],
    ]
    scores = [0.9, 0.95, 0.9, 0.8, 0.85, 0.99, 0.75, 0.88, 0.97, 0.71, 0.72, 0.701]
    return {
        "threshold": IOU_THRESHOLD,
        "boxes": boxes,
        "scores": scores,
        "kept": nms(boxes, scores, IOU_THRESHOLD),
    }


def iou_cases():
    pairs = [
        ([0, 0, 10, 10], [0, 0, 10, 10]),
        ([0, 0, 10, 10], [5, 0, 15, 10]),
        ([0, 0, 10, 10], [10, 0, 20, 10]),
        ([0, 0, 10, 10], [2, 2, 8, 8]),
        ([-4, -4, 4, 4], [0, 0, 8, 8]),
        ([3, 3, 3, 9], [3, 3, 3, 9]),
        ([0.5, 0.5, 2.75, 3.5], [1.25, 1, 4, 3]),
        ([8, 8, 2, 2], [0, 0, 10, 10]),
    ]
    return [{"a": a, "b": b, "iou": rounded(iou(a, b), 8)} for a, b in pairs]


def synthetic_image(width, height):
    """Smooth enough for tolerances, uneven enough to show shifts and swaps."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return to_levels(110 + 90 * np.sin(x * 0.9 + 0.3) * np.cos(y * 0.6) + 3 * x - 2 * y)


def sampling_cases():
    image = synthetic_image(12, 9)
    sizes = ((12, 9), (17, 20), (7, 5), (4, 3))
    matrix = np.array([[0.8, -0.35, 2.25], [0.35, 0.8, -1.5]])
    shift = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])
    return {
        "image": image.tolist(),
        "resize": [
            {"size": list(size), "result": rounded(resize_exact(image, *size), 3)}
            for size in sizes
        ],
        "warp": [
            {
                "matrix": m.tolist(),
                "size": [10, 8],
                "result": rounded(warp_exact(image, m, 10, 8), 3),
            }
            for m in (matrix, shift)
        ],
    }


# --- output -----------------------------------------------------------------


def rounded(value, digits):
    # Adding zero turns the negative zero into the plain one.
    return (np.round(np.asarray(value, float), digits) + 0.0).tolist()


def compact(value, indent=0):
    """JSON with every array of plain values, or of such arrays, on one line."""

    def has_object(item):
        if isinstance(item, dict):
            return True
        return isinstance(item, list) and any(has_object(part) for part in item)

    inner, outer = " " * (indent + 1), " " * indent
    if isinstance(value, dict):
        parts = [
            f"{inner}{json.dumps(key)}: {compact(item, indent + 1)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(parts) + f"\n{outer}}}"
    if has_object(value):
        parts = [inner + compact(item, indent + 1) for item in value]
        return "[\n" + ",\n".join(parts) + f"\n{outer}]"
    return json.dumps(value, separators=(",", ":"))


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser(
        description="Write the reference numbers for the vision chain's tests."
    )
    parser.add_argument("--models", required=True, help="folder of the ONNX files")
    parser.add_argument("--sheet", required=True, help="the sheet of face crops")
    parser.add_argument("--out", required=True, help="JSON file to write")
    arguments = parser.parse_args()

    sheet = np.asarray(Image.open(arguments.sheet).convert("RGB"))
    cases, cosine = face_cases(Chain(arguments.models), sheet)
    models = Path(arguments.models)
    reference = {
        "made_by": "tests/oracle/vision_reference.py",
        "models": {name: sha256(models / name) for name in MODEL_FILES},
        "sheet": sha256(arguments.sheet),
        "score_threshold": SCORE_THRESHOLD,
        "iou_threshold": IOU_THRESHOLD,
        "template": TEMPLATE.tolist(),
        "background": GREY,
        "faces": cases,
        "cosine": cosine,
        "umeyama": umeyama_cases(),
        "nms": nms_case(),
        "iou": iou_cases(),
        "sampling": sampling_cases(),
    }
    Path(arguments.out).write_text(compact(reference) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
