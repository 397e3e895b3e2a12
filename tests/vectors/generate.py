# SPDX-License-Identifier: Apache-2.0
"""Writes the golden vectors of docs/object_format.md: python generate.py [--check].

Independent of the ipc0cp package on purpose: it encodes with NumPy and the json module only, so
that a mistake in an implementation cannot hide here. README.md says what the files contain.
"""

import argparse
import functools
import json
import math
import sys
from pathlib import Path

import accepted
import flatbuffer_messages
import malformed
import malformed_second
import numpy as np
import values

# Values nest 512 levels deep, and each takes a few calls.
sys.setrecursionlimit(10_000)

HERE = Path(__file__).resolve().parent
ALIGNMENT = 64


def canonical(value):
    """Canonical JSON text of section 2."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def describe_dtype(dtype):
    """The dtype as section 5 writes it."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": describe_dtype(base), "shape": list(shape)}
    if dtype.names is None:
        return dtype.str
    fields = []
    for name in dtype.names:
        field_dtype, offset, *title = dtype.fields[name]
        field = {"name": name, "dtype": describe_dtype(field_dtype), "offset": offset}
        if title:
            field["title"] = title[0]
        fields.append(field)
    description = {"fields": fields, "itemsize": dtype.itemsize}
    if dtype.isalignedstruct:
        description["aligned"] = True
    if dtype.type is np.record:
        description["record"] = True
    return description


def encode_array(value):
    scalar = isinstance(value, np.generic)
    array = np.asarray(value)
    metadata = {"type": "ndarray", "version": "1.0", "dtype": describe_dtype(array.dtype)}
    metadata["shape"] = list(array.shape)
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    if fortran:
        metadata["order"] = "F"
    if scalar:
        metadata["scalar"] = True
    return metadata, array.tobytes(order="F" if fortran else "C")


def is_json(value):
    """Whether a value is JSON, or has marks of section 2.1."""
    if isinstance(value, dict):
        return all(type(key) in (int, str) for key in value) and all(map(is_json, value.values()))
    if isinstance(value, list):
        return all(map(is_json, value))
    return value is None or type(value) in (bool, int, float, str)


def marked(value):
    """`value` with the marks of section 2.1."""
    if type(value) is float and not math.isfinite(value):
        return {"$float": repr(value)}
    if type(value) is int and not -(2**63) <= value < 2**64:
        return {"$int": hex(value)}
    if isinstance(value, list):
        return list(map(marked, value))
    if not isinstance(value, dict):
        return value
    if any(type(key) is int for key in value):
        return {"$map": [[marked(key), marked(item)] for key, item in value.items()]}
    members = {key: marked(item) for key, item in value.items()}
    is_like_a_mark = len(members) == 1 and next(iter(members)).startswith("$")
    return {"$object": members} if is_like_a_mark else members


def needs_marks(value):
    """Whether there is something in `value` that JSON does not have."""
    if isinstance(value, dict):
        return any(type(key) is int for key in value) or any(map(needs_marks, value.values()))
    if isinstance(value, list):
        return any(map(needs_marks, value))
    return type(value) in (int, float) and marked(value) is not value


def encode_json(value):
    has_marks = needs_marks(value)
    metadata = {"type": "json", "version": "2.0" if has_marks else "1.0"}
    return metadata, canonical(marked(value) if has_marks else value).encode()


def in_one_run(left, right):
    """Whether neighbours share a record."""
    if is_json(left) or is_json(right):
        return is_json(left) and is_json(right)
    arrays = type(left) is np.ndarray and type(right) is np.ndarray
    return (
        arrays
        and left.dtype.names is None
        and (left.dtype, left.ndim) == (right.dtype, right.ndim)
        and all(one.nbytes <= 4096 and one.flags.c_contiguous for one in (left, right))
    )


def runs_of(entries):
    """Groups (key, value) pairs: those that share a record together, others alone."""
    groups = []
    for key, value in entries:
        if groups and in_one_run(groups[-1][-1][1], value):
            groups[-1].append((key, value))
        else:
            groups.append([(key, value)])
    return groups


def encode_array_run(arrays):
    record = {"metadata": {"type": "ndarray", "version": "1.0"}, "run": len(arrays)}
    record["metadata"]["dtype"] = describe_dtype(arrays[0].dtype)
    payload = b""
    if len({one.shape for one in arrays}) == 1 and arrays[0].nbytes > 0:
        record["shape"] = list(arrays[0].shape)
    else:
        record["dimensions"] = arrays[0].ndim
        lengths = [length for one in arrays for length in one.shape]
        payload = b"".join(length.to_bytes(8, "little") for length in lengths)
        payload += bytes(-len(payload) % ALIGNMENT)
    return record, payload + b"".join(one.tobytes() for one in arrays)


def encode_record(group, is_map):
    """A record without its place, and its payload."""
    keys = [marked(key) for key, _ in group]
    values = [value for _, value in group]
    if is_json(values[0]):
        metadata, payload = encode_json(dict(group) if is_map else values)
        return {"metadata": metadata, "run": len(group)}, payload
    if len(group) > 1:
        record, payload = encode_array_run(values)
        return record | ({"keys": keys} if is_map else {}), payload
    metadata, payload = encode(values[0])
    return {"metadata": metadata} | ({"key": keys[0]} if is_map else {}), payload


def is_new(record):
    """Whether version 1.0 has no such record."""
    of_json = record["metadata"] == {"type": "json", "version": "1.0"}
    return ("run" in record and not of_json) or not isinstance(record.get("key", ""), str)


def encode_container(value):
    is_map = isinstance(value, dict)
    entries = list(value.items()) if is_map else [(None, item) for item in value]
    records, payload = [], b""
    for group in runs_of(entries):
        payload += bytes(-len(payload) % ALIGNMENT)
        record, record_payload = encode_record(group, is_map)
        record |= {"offset": len(payload), "payload_size": len(record_payload)}
        records.append(record)
        payload += record_payload
    version = "2.0" if any(map(is_new, records)) else "1.0"
    tag = "map" if is_map else "list"
    metadata = {"type": tag, "version": version, "count": len(entries), "items": records}
    return metadata, payload


def encode(value):
    # First, because some NumPy scalars are bytes, str or float, too.
    if isinstance(value, (np.ndarray, np.generic)):
        return encode_array(value)
    if isinstance(value, bytes):
        return {"type": "bytes", "version": "1.0"}, value
    if isinstance(value, str):
        return {"type": "text", "version": "1.0"}, value.encode()
    if isinstance(value, list) or (isinstance(value, dict) and not is_json(value)):
        return encode_container(value)
    return encode_json(value)


def expectations(value, metadata):
    """What a reader in any language can check besides the bytes."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return {}
    array = np.asarray(value)
    dtype = metadata["dtype"]
    expected = {"dtype": dtype if isinstance(dtype, str) else canonical(dtype)}
    expected["item_bytes"] = array.dtype.itemsize
    if array.size > 0:
        kept = np.asarray(array, order=metadata.get("order", "C"))
        expected["strides"] = list(kept.strides) if array.ndim > 0 else []
    return expected


def good_vector(name, expression):
    value = eval(expression, {"np": np, "reduce": functools.reduce})  # noqa: S307
    metadata, payload = encode(value)
    vector = {"name": name, "python": expression, "metadata": canonical(metadata)}
    vector["payload_hex"] = payload.hex()
    return vector | expectations(value, metadata)


def all_files():
    """File name -> list of vectors."""
    files = {}
    for group, expressions in values.GROUPS.items():
        files[group] = [good_vector(name, text) for name, text in expressions.items()]
    for group, vectors in values.BY_HAND.items():
        files.setdefault(group, []).extend(vectors)
    files["flatbuffer"] = flatbuffer_messages.GOOD
    files["accepted"] = accepted.ACCEPTED + flatbuffer_messages.ACCEPTED
    files["malformed"] = malformed.MALFORMED
    files["malformed_containers"] = malformed.CONTAINERS
    files["malformed_images"] = malformed.IMAGES
    files["malformed_second"] = malformed_second.SECOND
    files["malformed_flatbuffers"] = flatbuffer_messages.MALFORMED
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    different = []
    for group, vectors in all_files().items():
        names = [vector["name"] for vector in vectors]
        assert len(names) == len(set(names)), f"{group}: a name appears twice"
        text = json.dumps(vectors, ensure_ascii=True, indent=1) + "\n"
        path = HERE / f"{group}.json"
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            different.append(path.name)
    if different:
        sys.exit(f"not what generate.py writes: {', '.join(different)}")


if __name__ == "__main__":
    main()
