# SPDX-License-Identifier: Apache-2.0
"""Lists, tuples and maps, see section 6 of docs/object_format.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from ipc0cp._codec import codec, strict_json, typed_json
from ipc0cp._codec.encoding import (
    Encoded,
    Metadata,
    Received,
    integer,
    is_numpy_array,
    shorten,
)
from ipc0cp._codec.metadata import JSON_METADATA, MARKED_JSON_METADATA, tag_and_version
from ipc0cp._codec.refusals import refuse
from ipc0cp.errors import CorruptPayload, UnsupportedType
from ipc0cp.type_registry import TypeRegistry

MOST_LEVELS = codec.MOST_LEVELS
ALIGNMENT = 64

#: Plans or decodes one item: what the codec does, or a queue that carries more.
Encode = Callable[[Any, int], Encoded]
Decode = Callable[[Metadata, Received, int], Any]


def encode_list(value: Sequence[Any], levels: int, encode: Encode) -> Encoded:
    """Plans a list or tuple; `levels` is how many more levels may nest."""
    _refuse_depth(levels)
    plan = _Plan(levels, encode)
    items = list(value)  # Of one moment: serializers and other threads may change it meanwhile.
    # Checking the list as a whole is several times faster than item by item.
    if items and type(items[0]) in strict_json.TYPES and plan.fits_run(items, levels):
        plan.add_run(items)
    else:
        plan.add_all(None, items)
    return plan.finish(b"list", len(items))


def encode_map(value: dict[Any, Any], levels: int, encode: Encode) -> Encoded:
    """Plans a dict with keys that are str or int."""
    _refuse_depth(levels)
    entries = typed_json.snapshot_of(value)
    keys = list(entries)
    for key in keys:
        if type(key) is not str and type(key) is not int:
            raise UnsupportedType(
                f"a dict needs keys that are str or int, {shorten(key)} is {type(key).__name__};"
                " push a list of pairs instead"
            )
        if type(key) is str and strict_json.has_lone_surrogate(key):
            raise UnsupportedType(f"the key {ascii(key)[:40]} holds a lone surrogate")
    try:
        typed_json.refuse_big_keys(keys)
    except strict_json.NotJsonError as error:
        raise UnsupportedType(str(error)) from None
    plan = _Plan(levels, encode)
    plan.add_all(keys, list(entries.values()))
    return plan.finish(b"map", len(entries))


def _refuse_depth(levels: int) -> None:
    if levels <= 0:
        raise UnsupportedType(f"more than {MOST_LEVELS} levels of lists and dicts, or a cycle")


class _Plan:
    """Collects records: neighbouring JSON values become one run, small arrays of a kind another."""

    def __init__(self, levels: int, encode: Encode) -> None:
        self._levels = levels
        self._encode = encode
        self._records: list[bytes] = []
        self._parts: list[tuple[int, Encoded]] = []
        self._end = 0
        self._run_needs_marks = False
        self._version = b"1.0"

    def fits_run(self, value: Any, levels: int) -> bool:
        """Whether a value is JSON, or can be written with marks."""
        try:
            if strict_json.is_json(value, levels):
                return True
        except strict_json.NotJsonError:
            pass  # Whether marks can say it is told below.
        try:
            typed_json.check(value, levels)
        except typed_json.OtherTypeError:
            return False
        except strict_json.NotJsonError as error:
            raise UnsupportedType(f"an item cannot be encoded: {error}") from None
        self._run_needs_marks = True
        return True

    def add_run(self, values: list[Any] | dict[Any, Any]) -> None:
        """Adds one record for values that all fit a run."""
        metadata = JSON_METADATA
        try:
            if self._run_needs_marks:
                metadata, self._version = MARKED_JSON_METADATA, b"2.0"
                payload = typed_json.dumps(values, self._levels)
            else:
                payload = strict_json.dumps(values, self._levels)
        except (strict_json.NotJsonError, typed_json.OtherTypeError) as error:  # It has changed.
            raise UnsupportedType(f"an item cannot be encoded: {error}") from None
        self._run_needs_marks = False
        run = Encoded(metadata, len(payload), payload=payload)
        self._add(b'{"metadata":%b,"run":%d' % (metadata, len(values)), run)

    def add_all(self, keys: list[Any] | None, values: list[Any]) -> None:
        """Adds a list, or a map of these keys."""
        run_start = index = 0
        while index < len(values):
            value = values[index]
            if type(value) in strict_json.TYPES and self.fits_run(value, self._levels - 1):
                index += 1
                continue
            self._add_run_of(keys, values, run_start, index)
            arrays = _length_of_array_run(values, index) if is_numpy_array(value) else 0
            if arrays > 1:
                self._add_arrays(keys, values, index, index + arrays)
                index += arrays
            else:
                self._add_item(None if keys is None else keys[index], value)
                index += 1
            run_start = index
        self._add_run_of(keys, values, run_start, index)

    def finish(self, tag: bytes, count: int) -> Encoded:
        """The plan of the whole."""
        metadata = b'{"type":"%b","version":"%b","count":%d,"items":[%b]}' % (
            tag,
            self._version,
            count,
            b",".join(self._records),
        )
        if len(self._parts) == 1 and self._parts[0][1].write is None:
            return Encoded(metadata, self._end, payload=self._parts[0][1].payload)
        return Encoded(metadata, self._end, write=self._write)

    def _add_run_of(
        self, keys: list[Any] | None, values: list[Any], start: int, end: int
    ) -> None:
        if start == end:
            return
        if keys is None:
            self.add_run(values[start:end])
            return
        run = dict(zip(keys[start:end], values[start:end], strict=True))
        self._run_needs_marks |= any(type(key) is int for key in run)
        self.add_run(run)

    def _add_item(self, key: Any, value: Any) -> None:
        item = self._encode(value, self._levels - 1)
        head = b'{"metadata":%b' % item.metadata
        if key is not None:
            head += b',"key":%b' % self._key_text(key)
        self._add(head, item)

    def _add_arrays(
        self, keys: list[Any] | None, values: list[Any], start: int, end: int
    ) -> None:
        from ipc0cp._codec import array_runs

        try:
            text, run = array_runs.encode(values[start:end])
        except Exception as error:  # Of a dtype, whose author may raise anything.
            refuse(values[start], error)
        head = b'{"metadata":%b,"run":%d%b' % (run.metadata, end - start, text)
        if keys is not None:
            head += b',"keys":[%b]' % b",".join(map(self._key_text, keys[start:end]))
        self._version = b"2.0"
        self._add(head, run)

    def _key_text(self, key: Any) -> bytes:
        if type(key) is str:
            return strict_json.dumps(key)
        self._version = b"2.0"
        return strict_json.dumps(typed_json.number(key))  # An int, as encode_map has seen.

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


def _length_of_array_run(values: list[Any], start: int) -> int:
    from ipc0cp._codec import array_runs

    # Arrays for which users have registered an encoding of their own are items like any other.
    if TypeRegistry.instance().serializer_for(type(values[start])) is not None:
        return 0
    try:
        return array_runs.length(values, start)
    except Exception as error:  # As above.
        refuse(values[start], error)


def decode_list(metadata: Metadata, received: Received, levels: int, decode: Decode) -> list[Any]:
    """The list of a message of type list. Raises CorruptPayload."""
    result: list[Any] = []
    is_first_version = _is_first_version(metadata)
    for record, part in _records(metadata, received, levels):
        if "run" not in record:
            result.append(decode(_metadata_of(record), part, levels - 1))
        elif not is_first_version and _metadata_of(record).get("type") == "ndarray":
            result.extend(_decode_arrays(record, part))
        else:
            result.extend(_decode_run(record, part, list, levels, is_first_version))
    _check_count(metadata, len(result))
    return result


def decode_map(
    metadata: Metadata, received: Received, levels: int, decode: Decode
) -> dict[Any, Any]:
    """The dict of a message of type map. Raises CorruptPayload."""
    result: dict[Any, Any] = {}
    is_first_version = _is_first_version(metadata)
    entries = big_keys = 0
    for record, part in _records(metadata, received, levels):
        run: dict[Any, Any] | zip[tuple[Any, Any]]
        if "run" not in record:
            keys = [_parse_key(record.get("key"), is_first_version)]
            run = zip(keys, [decode(_metadata_of(record), part, levels - 1)], strict=True)
        elif not is_first_version and _metadata_of(record).get("type") == "ndarray":
            arrays = _decode_arrays(record, part)
            keys = _parse_keys(record, len(arrays))
            run = zip(keys, arrays, strict=True)
        else:
            run = keys = _decode_run(record, part, dict, levels, is_first_version)
            if "key" in record:
                raise CorruptPayload("a run in a map has no key of its own")
        entries += len(keys)
        big_keys += 0 if is_first_version else typed_json.count_big_keys(keys)
        if big_keys > typed_json.MOST_BIG_KEYS:
            raise CorruptPayload(
                f"a map has more than {typed_json.MOST_BIG_KEYS} keys beyond 64 bits"
            )
        result.update(run)
    if len(result) != entries:
        raise CorruptPayload("a key appears twice in one map")
    _check_count(metadata, entries)
    return result


def _is_first_version(metadata: Metadata) -> bool:
    version: str = metadata.get("version", "1.0")
    return version.partition(".")[0] == "1"


def _parse_key(key: Any, only_text: bool) -> Any:
    if type(key) is str:
        return key
    if only_text:
        raise CorruptPayload(f"an entry of a map needs a key, not {shorten(key)}")
    return typed_json.parse_key(key)


def _parse_keys(record: Metadata, count: int) -> list[Any]:
    keys = record.get("keys")
    if type(keys) is not list or len(keys) != count:
        raise CorruptPayload(f"a run of {count} arrays has the keys {shorten(keys)}")
    return [_parse_key(key, False) for key in keys]


def _decode_arrays(record: Metadata, part: Received) -> list[Any]:
    from ipc0cp._codec import array_runs

    return array_runs.decode(record, _metadata_of(record), part)


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


def _decode_run(
    record: Metadata, part: Received, kind: type, levels: int, is_first_version: bool
) -> Any:
    count = integer(record["run"], "run")
    metadata = _metadata_of(record)
    if metadata.get("type") != "json" or count == 0:
        raise CorruptPayload("a run holds one or more JSON values, or arrays")
    tag, version = tag_and_version(metadata)
    major = version.partition(".")[0]
    if major != "1" and (major != "2" or is_first_version):
        raise CorruptPayload(f"a run of {tag} of version {shorten(version)} cannot be here")
    loads = strict_json.loads if major == "1" else typed_json.loads
    # The brackets of the run itself stand for the list around it.
    values: Any = loads(part.payload, levels, what="run of JSON values")
    if type(values) is not kind or len(cast(Any, values)) != count:
        raise CorruptPayload(f"a run of {count} is not a JSON {kind.__name__} of that length")
    return values


def _encode_any_list(value: Sequence[Any], levels: int) -> Encoded:
    return encode_list(value, levels, codec.encode)


def _decode_any_list(metadata: Metadata, received: Received, levels: int) -> list[Any]:
    return decode_list(metadata, received, levels, codec.decode)


def _decode_any_map(metadata: Metadata, received: Received, levels: int) -> dict[Any, Any]:
    return decode_map(metadata, received, levels, codec.decode)


codec.add_encoder(list, _encode_any_list)
codec.add_encoder(tuple, _encode_any_list)
codec.add_decoder("list", _decode_any_list)
codec.add_decoder("map", _decode_any_map)
