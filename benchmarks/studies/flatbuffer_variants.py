# SPDX-License-Identifier: Apache-2.0
"""The messages of python_flatbuffers.py, each as a FlatBuffer and as what one would send otherwise.

flatbuffer_variants.hpp makes and reads the same; sums have to agree. Needs the
generated classes in PYTHONPATH.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from bench_schema import Box, Command, Detection, Detections, Tensor

import ipc0cp

DETECTIONS = 200
LABELS = ("person", "car", "traffic light", "dog")
TENSOR = (np.arange(3 * 480 * 640) % 251).astype(np.float32).reshape(3, 480, 640)


class Variant(NamedTuple):
    """One way to send one shape of message. Numbers are such that sums of them are exact."""

    encode: Callable[[int], Any]
    read_all: Callable[[Any], float]
    read_one: Callable[[Any], float]


def offsets(builder: Any, start: Callable[[Any, int], Any], items: list[int]) -> Any:
    start(builder, len(items))
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return builder.EndVector()


def root_of(popped: Any, kind: Any) -> Any:
    """What the sender holds is a builder, what the receiver gets is a FlatBuffer."""
    buffer = popped if isinstance(popped, ipc0cp.FlatBuffer) else ipc0cp.FlatBuffer(popped)
    return buffer.root(kind)


def sequence_of(kind: Any) -> Callable[[Any], float]:
    return lambda popped: root_of(popped, kind).Sequence()


# A small record.


def encode_command(sequence: int) -> Any:
    builder = flatbuffers.Builder(256)
    target = builder.CreateString("gripper")
    action = builder.CreateString("move")
    Command.Start(builder)
    Command.AddSequence(builder, sequence)
    Command.AddTarget(builder, target)
    Command.AddAction(builder, action)
    Command.AddX(builder, 1.0)
    Command.AddY(builder, 2.0)
    Command.AddZ(builder, 3.0)
    Command.AddSpeed(builder, 0.5)
    Command.AddUrgent(builder, sequence % 2 == 1)
    builder.Finish(Command.End(builder))
    return builder


def read_command(popped: Any) -> Any:
    command = root_of(popped, Command.Command)
    texts = len(command.Target().decode()) + len(command.Action().decode())
    numbers = command.X() + command.Y() + command.Z() + command.Speed()
    return command.Sequence() + texts + numbers + command.Urgent()


def encode_command_json(sequence: int) -> Any:
    return {
        "sequence": sequence,
        "target": "gripper",
        "action": "move",
        "x": 1.0,
        "y": 2.0,
        "z": 3.0,
        "speed": 0.5,
        "urgent": sequence % 2 == 1,
    }


def read_command_json(popped: Any) -> Any:
    texts = len(popped["target"]) + len(popped["action"])
    numbers = popped["x"] + popped["y"] + popped["z"] + popped["speed"]
    return popped["sequence"] + texts + numbers + popped["urgent"]


# A list of small records: rows of JSON, or one array per column.


def encode_detection(builder: Any, track: int, i: int) -> Any:
    label = builder.CreateString(LABELS[i % len(LABELS)])
    Detection.Start(builder)
    Detection.AddTrack(builder, track)
    Detection.AddLabel(builder, label)
    Detection.AddScore(builder, i / 256)
    Detection.AddBox(builder, Box.CreateBox(builder, i, 2 * i, 10, 20))
    return Detection.End(builder)


def encode_detections(sequence: int) -> Any:
    builder = flatbuffers.Builder(1 << 14)
    made = [encode_detection(builder, sequence + i, i) for i in range(DETECTIONS)]
    vector = offsets(builder, Detections.StartDetectionsVector, made)
    Detections.Start(builder)
    Detections.AddSequence(builder, sequence)
    Detections.AddDetections(builder, vector)
    builder.Finish(Detections.End(builder))
    return builder


def read_detections(popped: Any) -> Any:
    message = root_of(popped, Detections.Detections)
    total = message.Sequence()
    for i in range(message.DetectionsLength()):
        each = message.Detections(i)
        box = each.Box()
        total += each.Track() + len(each.Label().decode()) + each.Score()
        total += box.X() + box.Y() + box.Width() + box.Height()
    return total


def encode_detections_json(sequence: int) -> Any:
    rows = [
        {
            "track": sequence + i,
            "label": LABELS[i % len(LABELS)],
            "score": i / 256,
            "box": [float(i), 2.0 * i, 10.0, 20.0],
        }
        for i in range(DETECTIONS)
    ]
    return {"sequence": sequence, "detections": rows}


def read_detections_json(popped: Any) -> Any:
    total = popped["sequence"]
    for each in popped["detections"]:
        total += each["track"] + len(each["label"]) + each["score"] + sum(each["box"])
    return total


def encode_columns(sequence: int) -> Any:
    numbers = range(DETECTIONS)
    return {
        "sequence": sequence,
        "labels": [LABELS[i % len(LABELS)] for i in numbers],
        "tracks": np.array([sequence + i for i in numbers], np.uint64),
        "scores": np.array([i / 256 for i in numbers], np.float32),
        "boxes": np.array([(i, 2 * i, 10, 20) for i in numbers], np.float32),
    }


def read_columns(popped: Any) -> Any:
    labels = sum(len(label) for label in popped["labels"])
    numbers = float(popped["tracks"].sum() + popped["scores"].sum() + popped["boxes"].sum())
    return popped["sequence"] + labels + numbers


# A large array with a header: all in the FlatBuffer, only the header, or neither.


def encode_tensor(sequence: int, values: Any = TENSOR) -> Any:
    builder = flatbuffers.Builder(256)
    vector = builder.CreateNumpyVector(values.reshape(-1)) if values is not None else 0
    name = builder.CreateString("camera")
    shape = builder.CreateNumpyVector(np.array(TENSOR.shape, np.uint32))
    Tensor.Start(builder)
    Tensor.AddSequence(builder, sequence)
    Tensor.AddName(builder, name)
    Tensor.AddShape(builder, shape)
    Tensor.AddValues(builder, vector)
    builder.Finish(Tensor.End(builder))
    return builder


def read_header(tensor: Any) -> Any:
    return tensor.Sequence() + len(tensor.Name().decode()) + int(tensor.ShapeAsNumpy().sum())


def sum_of(values: Any) -> Any:
    return float(values.sum(dtype=np.float64))


def read_tensor(popped: Any) -> Any:
    tensor = root_of(popped, Tensor.Tensor)
    return read_header(tensor) + sum_of(tensor.ValuesAsNumpy())


def encode_header_and_array(sequence: int) -> Any:
    return {"header": encode_tensor(sequence, None), "values": TENSOR}


def read_header_and_array(popped: Any) -> Any:
    return read_header(root_of(popped["header"], Tensor.Tensor)) + sum_of(popped["values"])


def encode_tensor_map(sequence: int) -> Any:
    return {"sequence": sequence, "name": "camera", "values": TENSOR}


def read_tensor_map(popped: Any) -> Any:
    values = popped["values"]
    return popped["sequence"] + len(popped["name"]) + sum(values.shape) + sum_of(values)


def read_sequence(popped: Any) -> Any:
    return popped["sequence"]


VARIANTS = {
    "command.flatbuffer": Variant(encode_command, read_command, sequence_of(Command.Command)),
    "command.json": Variant(encode_command_json, read_command_json, read_sequence),
    "detections.flatbuffer": Variant(
        encode_detections, read_detections, sequence_of(Detections.Detections)
    ),
    "detections.json": Variant(encode_detections_json, read_detections_json, read_sequence),
    "detections.columns": Variant(encode_columns, read_columns, read_sequence),
    "tensor.flatbuffer": Variant(encode_tensor, read_tensor, sequence_of(Tensor.Tensor)),
    "tensor.header": Variant(
        encode_header_and_array,
        read_header_and_array,
        lambda popped: root_of(popped["header"], Tensor.Tensor).Sequence(),
    ),
    "tensor.map": Variant(encode_tensor_map, read_tensor_map, read_sequence),
}
