# SPDX-License-Identifier: Apache-2.0
"""Lists, tuples and maps, see section 6 of docs/object_format.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from ipc0cp import strict_json
from ipc0cp.encoding import Encoded, Metadata, Received
from ipc0cp.errors import CorruptPayload, UnsupportedType

MOST_LEVELS = 64
ALIGNMENT = 64
_JSON_METADATA: Metadata = {"type": "json", "version": "1.0"}

#: Plans or decodes one item; given by the codec, which knows all types.
Encode = Callable[[Any, int], Encoded]
Decode = Callable[[Metadata, Received, int], Any]


def encode_list(value: Any, levels: int, encode: Encode) -> Encoded:
    """Plans a list or tuple; `levels` is how many more levels may nest."""
    _refuse_depth(levels)
    plan = _Plan(levels, encode)
    # Checking the list as a whole is several times faster than item by item.
    if not value or not plan.add_run(list(value)):
        plan.add_all((None, item) for item in value)
    return plan.finish("list", len(value))


def encode_map(value: dict[Any, Any], levels: int, encode: Encode) -> Encoded:
    """Plans a dict with str keys."""
    _refuse_depth(levels)
    for key in value:
        if type(key) is not str:
            raise UnsupportedType(f"a dict needs str keys, {key!r} is {type(key).__name__}")
        if strict_json.has_lone_surrogate(key):
            raise UnsupportedType(f"the key {key!a} holds a lone surrogate")
    plan = _Plan(levels, encode)
    plan.add_all(value.items())
    return plan.finish("map", len(value))


def _refuse_depth(levels: int) -> None:
    if levels <= 0:
        raise UnsupportedType(f"lists and dicts nest more than {MOST_LEVELS} levels")


class _Plan:
    """Collects records: neighbouring JSON values become one run, others one record each."""

    def __init__(self, levels: int, encode: Encode) -> None:
        self._levels = levels
        self._encode = encode
        self._run: list[tuple[str | None, Any]] = []
        self._records: list[Metadata] = []
        self._parts: list[tuple[int, Encoded]] = []
        self._end = 0

    def add_run(self, values: list[Any]) -> bool:
        """Adds all of them as one run; False, and nothing added, if some are not JSON."""
        try:
            self._add_run(strict_json.dumps(values, self._levels), len(values))
        except strict_json.NotJsonError as error:
            if error.is_other_type:
                return False
            raise UnsupportedType(f"a list cannot be encoded: {error}") from None
        return True

    def add_all(self, entries: Iterable[tuple[str | None, Any]]) -> None:
        for key, value in entries:
            if self._is_json(value):
                self._run.append((key, value))
            else:
                self._finish_run()
                encoded = self._encode(value, self._levels - 1)
                record: Metadata = {"metadata": encoded.metadata}
                if key is not None:
                    record["key"] = key
                self._add(record, encoded)
        self._finish_run()

    def finish(self, tag: str, count: int) -> Encoded:
        metadata: Metadata = {"type": tag, "version": "1.0", "count": count}
        metadata["items"] = self._records
        return Encoded(metadata, self._end, write=self._write)

    def _is_json(self, value: Any) -> bool:
        try:
            strict_json.check(value, self._levels - 1)
        except strict_json.NotJsonError as error:
            if error.is_other_type:
                return False
            raise UnsupportedType(f"an item cannot be encoded: {error}") from None
        return True

    def _finish_run(self) -> None:
        run, self._run = self._run, []
        if not run:
            return
        is_map = run[0][0] is not None
        content: Any = dict(run) if is_map else [value for _, value in run]
        self._add_run(strict_json.dumps(content, self._levels), len(run))

    def _add_run(self, payload: bytes, count: int) -> None:
        record: Metadata = {"metadata": _JSON_METADATA, "run": count}
        self._add(record, Encoded(_JSON_METADATA, len(payload), payload=payload))

    def _add(self, record: Metadata, encoded: Encoded) -> None:
        offset = -(-self._end // ALIGNMENT) * ALIGNMENT
        record["offset"] = offset
        record["payload_size"] = encoded.payload_bytes
        self._records.append(record)
        self._parts.append((offset, encoded))
        self._end = offset + encoded.payload_bytes

    def _write(self, target: memoryview) -> None:
        end = 0
        for offset, encoded in self._parts:
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
            result.append(_decode_item(record, part, levels, decode))
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
                raise CorruptPayload(f"an entry of a map needs a key, not {key!r}")
            entries += 1
            result[key] = _decode_item(record, part, levels, decode)
    if len(result) != entries:
        raise CorruptPayload("a key appears twice in one map")
    _check_count(metadata, entries)
    return result


def _integer(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value <= 2**63 - 1:
        raise CorruptPayload(f"{what} must be an integer of 0 or more, not {value!r}")
    return value


def _check_count(metadata: Metadata, found: int) -> None:
    count = _integer(metadata.get("count"), "count")
    if count != found:
        raise CorruptPayload(f"count is {count}, but there are {found} items")


def _records(
    metadata: Metadata, received: Received, levels: int
) -> Iterable[tuple[Metadata, Received]]:
    """Checks the records one by one: aligned, in order, no overlap, nothing left over."""
    if levels <= 0:
        raise CorruptPayload(f"lists and maps nest more than {MOST_LEVELS} levels")
    records = metadata.get("items")
    if type(records) is not list:
        raise CorruptPayload(f"a list or map needs its items, not {records!r}")
    total, end = received.payload.nbytes, 0
    for record in records:
        if type(record) is not dict:
            raise CorruptPayload(f"an item record must be an object, not {record!r}")
        offset = _integer(record.get("offset"), "offset")
        size = _integer(record.get("payload_size"), "payload_size")
        if offset % ALIGNMENT or offset < end or offset + size > total:
            raise CorruptPayload(
                f"an item of {size} bytes at offset {offset} lies badly: the item before ends at"
                f" {end}, the payload at {total}, offsets are multiples of {ALIGNMENT}"
            )
        end = offset + size
        yield record, Received(received.payload[offset:end], received.copy)
    if end != total:
        raise CorruptPayload(f"the last item ends at byte {end} of {total}")


def _metadata_of(record: Metadata) -> Metadata:
    metadata = record.get("metadata")
    if type(metadata) is not dict:
        raise CorruptPayload(f"an item needs its metadata, not {metadata!r}")
    return metadata


def _decode_item(record: Metadata, part: Received, levels: int, decode: Decode) -> Any:
    return decode(_metadata_of(record), part, levels - 1)


def _decode_run(record: Metadata, part: Received, kind: type, levels: int) -> Any:
    count = _integer(record["run"], "run")
    if _metadata_of(record).get("type") != "json" or count == 0:
        raise CorruptPayload("a run holds one or more JSON values")
    try:
        # The brackets of the run itself stand for the list around it.
        values: Any = strict_json.loads(bytes(part.payload), levels)
    except ValueError as error:
        raise CorruptPayload(f"a run is not good JSON: {error}") from None
    if type(values) is not kind or len(cast(Any, values)) != count:
        raise CorruptPayload(f"a run of {count} is not a JSON {kind.__name__} of that length")
    return values
