# SPDX-License-Identifier: Apache-2.0
"""flatbuffer: a message with a schema, read where it lies; only what is asked for is decoded.

The classes are generated: flatc --python -o generated examples/flatbuffer.fbs, in PYTHONPATH.
"""

import sys

import flatbuffers
from detector import Box, Detection, Frame

from ipc0cp import SharedRingBufferConsumer, SharedRingBufferProducer

RING_BYTES = 1 << 20


def make_detection(builder: flatbuffers.Builder, label: str, score: float) -> int:
    text = builder.CreateString(label)
    Detection.Start(builder)
    Detection.AddLabel(builder, text)
    Detection.AddScore(builder, score)
    Detection.AddBox(builder, Box.CreateBox(builder, 10, 20, 30, 40))
    detection: int = Detection.End(builder)
    return detection


def produce(ring: str) -> None:
    with SharedRingBufferProducer(ring, RING_BYTES) as producer:
        for number in range(3):
            builder = flatbuffers.Builder()
            names = ["cat", "dog"][:number]
            made = [make_detection(builder, name, 0.5 + 0.25 * i) for i, name in enumerate(names)]
            Frame.StartDetectionsVector(builder, number)
            for detection in reversed(made):
                builder.PrependUOffsetTRelative(detection)
            detections = builder.EndVector()
            Frame.Start(builder)
            Frame.AddNumber(builder, number)
            Frame.AddDetections(builder, detections)
            builder.Finish(Frame.End(builder), b"DTCT")
            producer.push(builder)


def consume(ring: str) -> None:
    with SharedRingBufferConsumer(ring, RING_BYTES) as consumer:
        for buffer in consumer:
            # What is returned lies in the ring, and keeps its block.
            frame = buffer.root(Frame.Frame)
            found = [frame.Detections(i) for i in range(frame.DetectionsLength())]
            texts = [f" {each.Label().decode()} {each.Score():g}" for each in found]
            print(f"frame {frame.Number()}:{''.join(texts)}")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](sys.argv[2])
