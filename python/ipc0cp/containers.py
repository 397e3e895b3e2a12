# SPDX-License-Identifier: Apache-2.0
"""Lists, tuples and maps, see section 6 of docs/object_format.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from ipc0cp import strict_json
from ipc0cp.encoding import Encoded, Metadata, Received, integer, shorten
from ipc0cp.errors import CorruptPayload, UnsupportedType
from ipc0cp.metadata import JSON_METADATA

MOST_LEVELS = strict_json.MOST_CONTAINER_LEVELS
ALIGNMENT = 64

#: Plans or decodes one item; given by the codec, which knows all types.
Encode = Callable[[Any, int], Encoded]
Decode = Callable[[Metadata, Received, int], Any]


def encode_list(value: Sequence[Any], levels: int, encode: Encode) -> Encoded:
    """Plans a list or tuple; `levels` is how many more levels may nest."""
    _refuse_depth(levels)
    plan = _Plan(levels, encode)
    items = value if type(value) is list else list(value)
    # Checking the list as a whole is several times faster than item by item.
    if items and plan.is_json(items, levels):
        plan.add_run(items)
    else:
        plan.add_all((None, item) for item in items)
    return plan.finish(b"list", len(items))


def encode_map(value: dict[Any, Any], levels: int, encode: Encode) -> Encoded:
    """Plans a dict with str keys."""
    _refuse_depth(levels)
    for key in value:
        if type(key) is not str:
            raise UnsupportedType(
                f"a dict needs str keys, {shorten(key)} is {type(key).__name__};"
                " push a list of pairs instead"
            )
        if strict_json.has_lone_surrogate(key):
            raise UnsupportedType(f"the key {ascii(key)[:40]} holds a lone surrogate")
    plan = _Plan(levels, encode)
    plan.add_all(value.items())
    return plan.finish(b"map", len(value))


def _refuse_depth(levels: int) -> None:
    if levels <= 0:
        raise UnsupportedType(f"more than {MOST_LEVELS} levels of lists and dicts, or a cycle")


class _Plan:
    """Collects records: neighbouring JSON values become one run, others one record each."""

    def __init__(self, levels: int, encode: Encode) -> None:
        self._levels = levels
        self._encode = encode
        self._records: list[bytes] = []
        self._parts: list[tuple[int, Encoded]] = []
        self._end = 0

    def add_run(self, values: list[Any] | dict[str, Any]) -> None:
        """Adds one record for values that are all JSON."""
        try:
            payload = strict_json.write(values, self._levels)
        except strict_json.NotJsonError as error:
            raise UnsupportedType(f"an item cannot be encoded: {error}") from None
        run = Encoded(JSON_METADATA, len(payload), payload=payload)
        self._add(b'{"metadata":%b,"run":%d' % (JSON_METADATA, len(values)), run)

    def add_all(self, entries: Iterable[tuple[str | None, Any]]) -> None:
        run: list[tuple[str | None, Any]] = []
        for key, value in entries:
            if type(value) in strict_json.TYPES and self.is_json(value, self._levels - 1):
                run.append((key, value))
                continue
            if run:
                self._add_run_of(run)
                run = []
            item = self._encode(value, self._levels - 1)
            if key is None:
                self._add(b'{"metadata":%b' % item.metadata, item)
            else:
                self._add(
                    b'{"metadata":%b,"key":%b' % (item.metadata, strict_json.write(key)), item
                )
        if run:
            self._add_run_of(run)

    def is_json(self, value: Any, levels: int) -> bool:
        try:
            return strict_json.is_json(value, levels)
        except strict_json.NotJsonError as error:
            raise UnsupportedType(f"an item cannot be encoded: {error}") from None

    def finish(self, tag: bytes, count: int) -> Encoded:
        metadata = b'{"type":"%b","version":"1.0","count":%d,"items":[%b]}' % (
            tag,
            count,
            b",".join(self._records),
        )
        if len(self._parts) == 1 and self._parts[0][1].write is None:
            return Encoded(metadata, self._end, payload=self._parts[0][1].payload)
        return Encoded(metadata, self._end, write=self._write)

    def _add_run_of(self, run: list[tuple[str | None, Any]]) -> None:
        is_map = run[0][0] is not None
        content: Any = dict(run) if is_map else [value for _, value in run]
        self.add_run(content)

    def _add(self, head: bytes, encoded: Encoded) -> None:
        offset = -(-self._end // ALIGNMENT) * ALIGNMENT
        size = encoded.payload_bytes
        self._records.append(b'%b,"offset":%d,"payload_size":%d}' % (head, offset, size))
        self._parts.append((offset, encoded))
        self._end = offset + size

    def _write(self, target: memoryview) -> None:
        end = 0
        for offset, encoded in self._parts:
            if offset > end:
                target[end:offset] = bytes(offset - end)
            end = offset + encoded.payload_bytes
            encoded.write_to(target[offset:end])


def decode_list(metadata: Metadata, received: Received, levels: int, decode: Decode) -> list[Any]:
    """The list of a message of type list. Raises CorruptPayload."""
    result: list[Any] = []
    for record, part in _records(metadata, received, levels):
        if "run" in record:
            result.extend(_decode_run(record, part, list, levels))
        else:
            result.append(decode(_metadata_of(record), part, levels - 1))
    _check_count(metadata, len(result))
    return result


def decode_map(
    metadata: Metadata, received: Received, levels: int, decode: Decode
) -> dict[str, Any]:
    """The dict of a message of type map. Raises CorruptPayload."""
    result: dict[str, Any] = {}
    entries = 0
    for record, part in _records(metadata, received, levels):
        if "run" in record:
            run = _decode_run(record, part, dict, levels)
            if "key" in record:
                raise CorruptPayload("a run in a map has no key of its own")
            entries += len(run)
            result.update(run)
        else:
            key = record.get("key")
            if type(key) is not str:
                raise CorruptPayload(f"an entry of a map needs a key, not {shorten(key)}")
            entries += 1
            result[key] = decode(_metadata_of(record), part, levels - 1)
    if len(result) != entries:
        raise CorruptPayload("a key appears twice in one map")
    _check_count(metadata, entries)
    return result


def _check_count(metadata: Metadata, found: int) -> None:
    count = integer(metadata.get("count"), "count")
    if count != found:
        raise CorruptPayload(f"count is {count}, but there are {found} items")


def _records(
    metadata: Metadata, received: Received, levels: int
) -> Iterator[tuple[Metadata, Received]]:
    """Checks the records one by one: aligned, in order, no overlap, nothing left over."""
    if levels <= 0:
        raise CorruptPayload(f"lists and maps nest more than {MOST_LEVELS} levels")
    records = metadata.get("items")
    if type(records) is not list:
        raise CorruptPayload(f"a list or map needs its items, not {shorten(records)}")
    payload, copy = received.payload, received.copy
    total, end = payload.nbytes, 0
    for record in records:
        if type(record) is not dict:
            raise CorruptPayload(f"an item record must be an object, not {shorten(record)}")
        offset = integer(record.get("offset"), "offset")
        size = integer(record.get("payload_size"), "payload_size")
        if offset % ALIGNMENT or offset < end or offset + size > total:
            raise CorruptPayload(
                f"an item of {size} bytes at offset {offset} lies badly: the item before ends at"
                f" {end}, the payload at {total}, offsets are multiples of {ALIGNMENT}"
            )
        end = offset + size
        yield record, Received(payload[offset:end], copy)
    if end != total:
        raise CorruptPayload(f"the last item ends at byte {end} of {total}")


def _metadata_of(record: Metadata) -> Metadata:
    metadata = record.get("metadata")
    if type(metadata) is not dict:
        raise CorruptPayload(f"an item needs its metadata, not {shorten(metadata)}")
    return metadata


def _decode_run(record: Metadata, part: Received, kind: type, levels: int) -> Any:
    count = integer(record["run"], "run")
    if _metadata_of(record).get("type") != "json" or count == 0:
        raise CorruptPayload("a run holds one or more JSON values")
    try:
        # The brackets of the run itself stand for the list around it.
        values: Any = strict_json.loads(part.payload, levels)
    except ValueError as error:
        raise CorruptPayload(f"a run is not good JSON: {error}") from None
    if type(values) is not kind or len(cast(Any, values)) != count:
        raise CorruptPayload(f"a run of {count} is not a JSON {kind.__name__} of that length")
    return values
