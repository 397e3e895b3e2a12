# SPDX-License-Identifier: Apache-2.0
"""Messages of tests/flatbuffers/messages.fbs: made with the generated classes, and read to the end.

Imported by the fixture `messages`, which generates the classes first.
"""

from __future__ import annotations

import flatbuffers
from ipc0cp_schema import Box, Content, Detection, Message, Tensor

IDENTIFIER = b"MESG"


def vector(builder, start, items):
    """A vector of offsets; `start` is the generated function that begins it."""
    start(builder, len(items))
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return builder.EndVector()


def make_detection(builder, label, score):
    text = builder.CreateString(label)
    Detection.Start(builder)
    Detection.AddLabel(builder, text)
    Detection.AddScore(builder, score)
    Detection.AddBox(builder, Box.CreateBox(builder, 1.0, 2.0, 3.0, 4.0))
    return Detection.End(builder)


def make_builder(number=7, labels=("cat", "dog"), tags=("one", "two"), values=None):
    """A builder with everything in it but Finish."""
    builder = flatbuffers.Builder()
    detections = [make_detection(builder, label, 0.5) for label in labels]
    texts = [builder.CreateString(tag) for tag in tags]
    detections = vector(builder, Message.StartDetectionsVector, detections)
    texts = vector(builder, Message.StartTagsVector, texts)
    tensor = None
    if values is not None:
        numbers = builder.CreateNumpyVector(values)
        Tensor.Start(builder)
        Tensor.AddValues(builder, numbers)
        tensor = Tensor.End(builder)
    Message.Start(builder)
    Message.AddNumber(builder, number)
    Message.AddDetections(builder, detections)
    Message.AddTags(builder, texts)
    if tensor is not None:
        Message.AddContentType(builder, Content.Content.Tensor)
        Message.AddContent(builder, tensor)
    return builder, Message.End(builder)


def finished(*, identifier=IDENTIFIER, size_prefixed=False, **content):
    """A finished builder."""
    builder, root = make_builder(**content)
    finish = builder.FinishSizePrefixed if size_prefixed else builder.Finish
    finish(root, identifier)
    return builder


def labels_of(message):
    return [message.Detections(i).Label().decode() for i in range(message.DetectionsLength())]


def tags_of(message):
    return [message.Tags(i).decode() for i in range(message.TagsLength())]


def tensor_of(message):
    tensor = Tensor.Tensor()
    content = message.Content()
    tensor.Init(content.Bytes, content.Pos)
    return tensor


def depth_of(tree, most=100):
    depth = 0
    while tree is not None and depth < most:
        depth += 1
        tree = tree.Children(0) if tree.ChildrenLength() else None
    return depth


def read_all(message, most=1000):
    """Touches what a careless reader would; lengths that lie are followed `most` items far."""
    message.Number()
    message.Name()
    for i in range(min(message.TagsLength(), most)):
        message.Tags(i)
    for i in range(min(message.BoxesLength(), most)):
        message.Boxes(i).X()
    for i in range(min(message.DetectionsLength(), most)):
        detection = message.Detections(i)
        detection.Label()
        detection.Score()
        if (box := detection.Box()) is not None:
            box.Height()
    if message.ContentType() == Content.Content.Tensor and message.Content() is not None:
        tensor_of(message).ValuesAsNumpy()
    depth_of(message.Tree())
    message.NestedAsNumpy()

