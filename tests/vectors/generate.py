# SPDX-License-Identifier: Apache-2.0
"""Writes the golden vectors of docs/object_format.md: python generate.py [--check].

Independent of the ipc0cp package on purpose: it encodes with NumPy and the json module only, so
that a mistake in an implementation cannot hide here. README.md says what the files contain.
"""

import argparse
import functools
import json
import sys
from pathlib import Path

import accepted
import flatbuffer_messages
import malformed
import numpy as np
import values

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
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, (dict, list)):
            pending.extend(item.values() if isinstance(item, dict) else item)
        elif item is not None and type(item) not in (bool, int, float, str):
            return False
    return True


def runs_of(entries):
    """Groups (key, value) pairs: neighbouring JSON values together, others alone."""
    groups = []
    for key, value in entries:
        if is_json(value) and groups and is_json(groups[-1][-1][1]):
            groups[-1].append((key, value))
        else:
            groups.append([(key, value)])
    return groups


def encode_container(value):
    is_map = isinstance(value, dict)
    entries = list(value.items()) if is_map else [(None, item) for item in value]
    records, payload = [], b""
    for group in runs_of(entries):
        key, first = group[0]
        payload += bytes(-len(payload) % ALIGNMENT)
        if is_json(first):
            content = dict(group) if is_map else [item for _, item in group]
            record = {"metadata": {"type": "json", "version": "1.0"}, "run": len(group)}
            item_payload = canonical(content).encode()
        else:
            item_metadata, item_payload = encode(first)
            record = {"metadata": item_metadata}
            if is_map:
                record["key"] = key
        record |= {"offset": len(payload), "payload_size": len(item_payload)}
        records.append(record)
        payload += item_payload
    tag = "map" if is_map else "list"
    metadata = {"type": tag, "version": "1.0", "count": len(entries), "items": records}
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
    return {"type": "json", "version": "1.0"}, canonical(value).encode()


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
