#!/usr/bin/env python3
"""Reference numbers for reading YuNet's raw output, computed with numpy alone.

The OpenCV Zoo's detector YuNet 2023mar delivers cells, not boxes. doorward reads
them in src/vision/yunet.rs; this script is the second opinion, written from the
format and not from that code: whole tensors at once, where the other goes cell by
cell. Its input is random numbers with a fixed seed, so that every branch is met:
confidences below 0 and above 1, scores on both sides of the threshold, boxes
beyond the edges, and pairs that overlap.

It also writes a stand-in for the network itself, which no package registry has:
an ONNX file of the same shape (one input of any size, twelve outputs by the same
names) with answers that can be foretold. In a cell of 32 pixels, `cls` is the
mean of the first channel / 255, `obj` that of the second; the box is centred in
the cell, e^(mean of the third / 255) times as wide as it and as high; the five
points are at (0.1, 0.2), (0.3, 0.4), ... (0.9, 1.0) of the cell. The smaller
cells never see a face. It knows nothing of faces: it proves sizes, padding,
channel order, names and the way back to the frame, and nothing else.

Run it again only when the format changes:

    python3 -m venv oracle
    oracle/bin/pip install numpy==2.4.6 onnx==1.23.2
    oracle/bin/python tests/oracle/yunet_reference.py --out tests/data

The format: stride s, cell in column c and row r, in pixels of the input

score      sqrt(clip(cls) * clip(obj)), clipped to 0..1; a face from 0.9 on
centre     ((c + bbox[0]) * s, (r + bbox[1]) * s)
size       (exp(bbox[2]) * s, exp(bbox[3]) * s)
points     ((c + kps[2n]) * s, (r + kps[2n + 1]) * s) for n = 0..4
then       greedy suppression of IoU > 0.3
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT = 96, 64
STRIDES = (8, 16, 32)
SCORE_THRESHOLD = 0.9
IOU_THRESHOLD = 0.3
SEED = 20230301


def tensors(generator, stride):
    """What the network could say about all cells of one size."""
    cells = (WIDTH // stride) * (HEIGHT // stride)
    cls = generator.uniform(0.6, 1.1, cells)
    obj = generator.uniform(0.6, 1.1, cells)
    cls[0] = obj[0] = -0.5
    bbox = generator.uniform(-0.8, 0.8, (cells, 4))
    bbox[:, 2:] += np.log(24 / stride)
    kps = generator.uniform(-1.0, 1.0, (cells, 10))
    return [np.round(t, 4) for t in (cls, obj, bbox, kps)]


def decode(stride, cls, obj, bbox, kps):
    """Boxes (corners), scores and points of every sure cell, row by row."""
    rows, columns = np.mgrid[0 : HEIGHT // stride, 0 : WIDTH // stride]
    cell = np.stack([columns.ravel(), rows.ravel()], axis=1)
    score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
    centre = (cell + bbox[:, :2]) * stride
    half = np.exp(bbox[:, 2:]) * stride / 2
    points = (kps.reshape(-1, 5, 2) + cell[:, None]) * stride
    boxes = np.hstack([centre - half, centre + half])
    sure = score >= SCORE_THRESHOLD
    return boxes[sure], score[sure], points[sure]


def overlaps(box, others):
    """IoU of one box with many."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    area = (box[2:] - box[:2]).prod()
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return shared / (area + areas - shared)


def suppress(boxes, scores):
    """Indices of the faces, best first."""
    order = list(np.argsort(-scores, kind="stable"))
    kept = []
    while order:
        best = order.pop(0)
        kept.append(int(best))
        order = [i for i in order if overlaps(boxes[best], boxes[[i]])[0] <= IOU_THRESHOLD]
    return kept


def reference():
    generator = np.random.default_rng(SEED)
    levels, found = [], []
    for stride in STRIDES:
        said = tensors(generator, stride)
        found.append(decode(stride, *said))
        names = ("cls", "obj", "bbox", "kps")
        level = {name: t.ravel().tolist() for name, t in zip(names, said)}
        levels.append({"stride": stride, **level})
    boxes, scores, points = (np.concatenate(parts) for parts in zip(*found))
    margin = min(
        np.abs(np.sqrt(np.clip(l["cls"], 0, 1) * np.clip(l["obj"], 0, 1)) - 0.9).min()
        for l in levels
    )
    assert margin > 1e-5, "a score too near the threshold: take another seed"
    faces = [
        {
            "score": round(float(score), 6),
            "box": np.round(box, 4).tolist(),
            "points": np.round(five, 4).tolist(),
        }
        for box, score, five in zip(boxes, scores, points)
    ]
    return {
        "made_by": "tests/oracle/yunet_reference.py",
        "input": [WIDTH, HEIGHT],
        "score_threshold": SCORE_THRESHOLD,
        "iou_threshold": IOU_THRESHOLD,
        "levels": levels,
        "faces": faces,
        "kept": suppress(boxes, scores),
    }


def stand_in():
    """An ONNX network of YuNet's shape, declared for 64 x 64 pixels as YuNet is for its own."""
    nodes, outputs, constants = [], [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def head(kind, stride, weights, bias):
        """A 1x1 convolution of the cells' means, one row a cell."""
        name, channels = f"{kind}_{stride}", len(bias)
        w = constant(f"w_{name}", np.reshape(np.float32(weights), (channels, 3, 1, 1)))
        b = constant(f"b_{name}", np.float32(bias))
        shape = constant(f"shape_{name}", np.int64([1, -1, channels]))
        nodes.extend(
            [
                helper.make_node(
                    "Conv", [f"mean_{stride}", w, b], [f"c_{name}"], kernel_shape=[1, 1]
                ),
                helper.make_node(
                    "Transpose", [f"c_{name}"], [f"t_{name}"], perm=[0, 2, 3, 1]
                ),
                helper.make_node("Reshape", [f"t_{name}", shape], [name]),
            ]
        )
        cells = (64 // stride) ** 2
        outputs.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, cells, channels])
        )

    level = 1 / 255
    for stride in STRIDES:
        side = [stride, stride]
        nodes.append(
            helper.make_node(
                "AveragePool",
                ["input"],
                [f"mean_{stride}"],
                kernel_shape=side,
                strides=side,
            )
        )
        seen = level if stride == 32 else 0
        head("cls", stride, [seen, 0, 0], [0])
        head("obj", stride, [0, seen, 0], [0])
        size = [0, 0, level]
        head("bbox", stride, [[0] * 3, [0] * 3, size, size], [0.5, 0.5, 0, 0])
        head("kps", stride, np.zeros((10, 3)), np.arange(1, 11) / 10)
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 64, 64])
    graph = helper.make_graph(nodes, "stand-in for YuNet", [image], outputs, constants)
    opset = helper.make_opsetid("", 11)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=6)
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(description="Write YuNet's reference numbers.")
    parser.add_argument("--out", required=True, type=Path, help="folder to write to")
    folder = parser.parse_args().out
    numbers = json.dumps(reference(), indent=None, separators=(", ", ": "))
    (folder / "yunet_reference.json").write_text(numbers + "\n", encoding="utf-8")
    (folder / "yunet_stand_in.onnx").write_bytes(stand_in().SerializeToString())


if __name__ == "__main__":
    main()
