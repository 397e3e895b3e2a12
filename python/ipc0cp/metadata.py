# SPDX-License-Identifier: Apache-2.0
"""The metadata of a message: one JSON object that says what the payload is."""

from __future__ import annotations

import functools

from ipc0cp import strict_json
from ipc0cp.encoding import Metadata, shorten, type_name
from ipc0cp.errors import CorruptPayload, InvalidArgument, UnsupportedType

BYTES_METADATA = b'{"type":"bytes","version":"1.0"}'
TEXT_METADATA = b'{"type":"text","version":"1.0"}'
JSON_METADATA = b'{"type":"json","version":"1.0"}'

_LONGEST_REMEMBERED_BYTES = 4096


def metadata_text(metadata: Metadata | str | bytes) -> bytes:
    """Metadata as canonical JSON; text and bytes are taken as they are.

    Raises:
        UnsupportedType: if JSON cannot carry a value of it.
    """
    if isinstance(metadata, bytes):
        return metadata
    try:
        return metadata.encode() if isinstance(metadata, str) else strict_json.dumps(metadata)
    except (strict_json.NotJsonError, UnicodeEncodeError) as error:
        raise UnsupportedType(f"the metadata cannot be encoded: {error}") from None


def check_metadata(text: bytes) -> Metadata:
    """The parsed `text`. Raises InvalidArgument unless it is metadata a reader accepts."""
    try:
        metadata = parse_metadata(text)
        tag_and_version(metadata)
    except CorruptPayload as error:
        raise InvalidArgument(f"metadata must be one JSON object with a type: {error}") from None
    return metadata


def parse_metadata(text: bytes) -> Metadata:
    """Metadata from JSON; the result is shared and must not be changed.

    Raises:
        CorruptPayload: if it is not a JSON object.
    """
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED_BYTES else _parse(text)


def _parse(text: bytes) -> Metadata:
    try:
        metadata = strict_json.loads(text or BYTES_METADATA, is_metadata=True)
    except ValueError as error:
        raise CorruptPayload(f"the metadata is not good JSON: {error}") from None
    if type(metadata) is not dict:
        raise CorruptPayload(f"the metadata is {type_name(metadata)}, not an object")
    return metadata


_remembered = functools.lru_cache(maxsize=256)(_parse)


def tag_and_version(metadata: Metadata) -> tuple[str, str]:
    """The type and version of a message. Raises CorruptPayload if they are not strings."""
    tag, version = metadata.get("type"), metadata.get("version", "1.0")
    if type(tag) is not str or not tag or type(version) is not str:
        raise CorruptPayload(
            f"metadata needs a type and a version, not {shorten(tag)} and {shorten(version)}"
        )
    return tag, version
