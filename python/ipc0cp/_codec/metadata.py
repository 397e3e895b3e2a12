# SPDX-License-Identifier: Apache-2.0
"""The metadata of a message: one JSON object that says what the payload is."""

from __future__ import annotations

import functools

from ipc0cp import _core
from ipc0cp._codec import strict_json
from ipc0cp._codec.encoding import Metadata, shorten, type_name
from ipc0cp.errors import CorruptPayload, UnsupportedType

BYTES_METADATA = _core.BYTES_METADATA
TEXT_METADATA = _core.TEXT_METADATA
JSON_METADATA = b'{"type":"json","version":"1.0"}'
MARKED_JSON_METADATA = b'{"type":"json","version":"2.0"}'

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


def check_metadata(text: bytes) -> int:
    """The levels of arrays and objects of `text`.

    Raises:
        InvalidArgument: unless it is metadata a reader accepts.
    """
    return _core.check_metadata(text)


def parse_metadata(text: bytes) -> Metadata:
    """Metadata from JSON; the result is shared and must not be changed.

    Raises:
        CorruptPayload: if it is not a JSON object.
    """
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED_BYTES else parse_anew(text)


def parse_anew(text: bytes) -> Metadata:
    """The same, but a value of its own."""
    metadata = strict_json.loads(text or BYTES_METADATA, what="metadata", is_metadata=True)
    if type(metadata) is not dict:
        raise CorruptPayload(f"the metadata is {type_name(metadata)}, not an object")
    return metadata


_remembered = functools.lru_cache(maxsize=256)(parse_anew)


def tag_and_version(metadata: Metadata) -> tuple[str, str]:
    """The type and version of a message. Raises CorruptPayload if they are not strings."""
    tag, version = metadata.get("type"), metadata.get("version", "1.0")
    if type(tag) is not str or not tag or type(version) is not str:
        raise CorruptPayload(
            f"metadata needs a type and a version, not {shorten(tag)} and {shorten(version)}"
        )
    return tag, version
