# SPDX-License-Identifier: Apache-2.0
"""Messages of version 2.0 that break a rule: marks, runs of arrays, keys, info of images."""

_MARKED = '{"type":"json","version":"2.0"}'
_JSON_RUN = '{"metadata":{"type":"json","version":"%s"},"run":%d,"offset":0,"payload_size":%d}'
_ARRAY_RUN = (
    '{"metadata":{"type":"ndarray","version":"%s","dtype":"%s"},"run":%s,%s,'
    '"offset":0,"payload_size":%d}'
)


def _vector(name, metadata, payload):
    message = {"metadata": metadata, "payload_hex": payload.hex()}
    return {"name": name, **message, "error": "corrupt_payload"}


def _marks(name, text):
    return _vector(name, _MARKED, text.encode())


def _container(tag, name, count, record, payload, version="2.0"):
    metadata = f'{{"type":"{tag}","version":"{version}","count":{count},"items":[{record}]}}'
    return _vector(name, metadata, payload)


def _json_run(name, tag, count, text, run_version="2.0", version="2.0"):
    record = _JSON_RUN % (run_version, count, len(text))
    return _container(tag, name, count, record, text.encode(), version)


def _arrays(name, run, members, payload, version="1.0", dtype="|u1", tag="list"):
    record = _ARRAY_RUN % (version, dtype, run, members, len(payload))
    return _container(tag, name, run, record, payload)


def _structured(name, members, payload):
    dtype = '{"fields":[{"name":"a","dtype":"|u1","offset":0}],"itemsize":1}'
    record = (_ARRAY_RUN % ("1.0", "", 2, members, len(payload))).replace('""', dtype)
    return _container("list", name, 2, record, payload)


def _lengths(*lengths, elements=0):
    table = b"".join(length.to_bytes(8, "little") for length in lengths)
    return table + bytes(-len(table) % 64) + bytes(elements)


def _info(name, info, payload=b"\x00", members='"encoding":"raw","mode":"L","size":[1,1]'):
    metadata = f'{{"type":"image","version":"2.0",{members},"info":{info}}}'
    return _vector(name, metadata, payload)


def _big_keys(first, count):
    return ",".join(f'[{{"$int":"{hex(2**64 + n)}"}},1]' for n in range(first, first + count))


def _map_of_big_keys(name):
    """Runs that hold 1,024 keys beyond 64 bits and one more."""
    texts = [f'{{"$map":[{_big_keys(*part)}]}}'.encode() for part in ((0, 1024), (1024, 1))]
    second = -(-len(texts[0]) // 64) * 64
    records = ",".join(
        f'{{"metadata":{_MARKED},"run":{run},"offset":{offset},"payload_size":{len(text)}}}'
        for run, offset, text in ((1024, 0, texts[0]), (1, second, texts[1]))
    )
    return _container("map", name, 1025, records, texts[0].ljust(second, b"\0") + texts[1])


_LARGE_ENTRY = '[{"$int":"0x10000000000000000"},1]'
_DEEP_MARKS = '{"$map":[[1,' * 65 + "0" + "]]}" * 65

_MARKS = [
    _marks("mark_unknown", '{"$date":"2026"}'),
    _marks("mark_empty", '{"$":1}'),
    _marks("float_finite", '{"$float":"1.5"}'),
    _marks("float_capital", '{"$float":"NaN"}'),
    _marks("float_number", '{"$float":1}'),
    _marks("int_small", '{"$int":"0xff"}'),
    _marks("int_just_small", '{"$int":"-0x8000000000000000"}'),
    _marks("int_decimal", '{"$int":"18446744073709551616"}'),
    _marks("int_leading_zero", '{"$int":"0x010000000000000000"}'),
    _marks("int_capital", '{"$int":"0xFFFFFFFFFFFFFFFFFF"}'),
    _marks("int_underscore", '{"$int":"0x1_0000000000000000"}'),
    _marks("int_plus", '{"$int":"+0x10000000000000000"}'),
    _marks("int_nothing", '{"$int":"0x"}'),
    _marks("int_line_end", '{"$int":"0x10000000000000000\n"}'),
    _marks("map_object", '{"$map":{"a":1}}'),
    _marks("map_of_triples", '{"$map":[[1,2,3]]}'),
    _marks("map_of_numbers", '{"$map":[1]}'),
    _marks("map_float_key", '{"$map":[[1.5,2]]}'),
    _marks("map_bool_key", '{"$map":[[true,2]]}'),
    _marks("map_null_key", '{"$map":[[null,2]]}'),
    _marks("map_nan_key", '{"$map":[[{"$float":"nan"},2]]}'),
    _marks("map_key_twice", '{"$map":[[1,2],[1,3]]}'),
    _marks("map_large_key_twice", f'{{"$map":[{_LARGE_ENTRY},{_LARGE_ENTRY}]}}'),
    _marks("map_of_1025_large_keys", f'{{"$map":[{_big_keys(0, 1025)}]}}'),
    _marks("escaped_mark", '{"\\u0024x":1}'),
    _marks("object_ordinary", '{"$object":{"a":1}}'),
    _marks("object_of_two", '{"$object":{"$a":1,"$b":2}}'),
    _marks("object_number", '{"$object":1}'),
    _marks("mark_deep_inside", '[[{"a":{"$x":1}}]]'),
    _marks("null_alone", "null"),
    _marks("text_of_513_levels", "[" * 513 + "]" * 513),
]

_RUNS = [
    _json_run("marks_in_a_first_list", "list", 1, '[{"$float":"nan"}]', version="1.0"),
    _json_run("run_of_version_3", "list", 1, "[1]", run_version="3.0"),
    _json_run("run_with_unknown_mark", "list", 1, '[{"$x":1}]'),
    _json_run("run_of_a_map_in_a_list", "list", 1, '{"$map":[[1,2]]}'),
    _json_run("run_of_a_list_in_a_map", "map", 1, "[1]"),
    _json_run("run_of_a_number_in_a_map", "map", 1, '{"$int":"0x10000000000000000"}'),
    _json_run("run_map_key_twice", "map", 2, '{"$map":[[1,2],[1,3]]}'),
    _json_run("run_map_count", "map", 2, '{"$map":[[1,2]]}'),
    _json_run("run_of_65_levels", "map", 1, _DEEP_MARKS),
    _container(
        "map",
        "integer_key_in_a_first_map",
        1,
        '{"metadata":{"type":"bytes","version":"1.0"},"key":1,"offset":0,"payload_size":0}',
        b"",
        version="1.0",
    ),
    _container(
        "map",
        "float_key",
        1,
        '{"metadata":{"type":"bytes","version":"1.0"},"key":1.5,"offset":0,"payload_size":0}',
        b"",
    ),
    _json_run("run_with_escaped_mark", "list", 1, '[{"\\u0024x":1}]'),
    _map_of_big_keys("runs_of_1025_large_keys"),
    _arrays("arrays_cut_off", 2, '"shape":[3]', bytes(5)),
    _structured("arrays_with_fields", '"shape":[3]', bytes(6)),
    _structured("ragged_arrays_with_fields", '"dimensions":1', _lengths(1, 2, elements=3)),
    _arrays("arrays_left_over", 2, '"shape":[3]', bytes(7)),
    _arrays("arrays_none", 0, '"shape":[3]', b""),
    _arrays("arrays_of_no_bytes", 10**18, '"shape":[0]', b""),
    _arrays("arrays_of_no_item_bytes", 10**18, '"shape":[1]', b"", dtype="|S0"),
    _arrays("arrays_without_shape", 1, '"new":1', bytes(3)),
    _arrays("arrays_with_both", 1, '"shape":[3],"dimensions":1', bytes(3)),
    _arrays("arrays_without_dimensions", 10**18, '"dimensions":0', b""),
    _arrays("arrays_too_many_dimensions", 1, '"dimensions":65', _lengths(*[1] * 65, elements=1)),
    _arrays("arrays_table_cut_off", 3, '"dimensions":1', bytes(16)),
    _arrays("arrays_table_too_large", 2**61, '"dimensions":8', bytes(64)),
    _arrays("ragged_cut_off", 2, '"dimensions":1', _lengths(2, 3, elements=4)),
    _arrays("ragged_left_over", 2, '"dimensions":1', _lengths(2, 3, elements=6)),
    _arrays("ragged_wraps", 2, '"dimensions":1', _lengths(2**64 - 1, 6, elements=5)),
    _arrays("ragged_overflow", 1, '"dimensions":2', _lengths(2**33, 2**33, elements=5)),
    _arrays("ragged_overflow_with_zero", 1, '"dimensions":3', _lengths(2**33, 2**33, 0)),
    _arrays("arrays_of_version_2", 1, '"shape":[1]', bytes(1), version="2.0"),
    _arrays("arrays_of_objects", 1, '"shape":[1]', bytes(8), dtype="|O"),
    _arrays("arrays_without_keys", 1, '"shape":[1]', bytes(1), tag="map"),
    _arrays("arrays_fewer_keys", 2, '"shape":[1],"keys":["a"]', bytes(2), tag="map"),
    _arrays("arrays_key_twice", 2, '"shape":[1],"keys":["a","a"]', bytes(2), tag="map"),
    _arrays("arrays_float_key", 1, '"shape":[1],"keys":[1.0]', bytes(1), tag="map"),
    _container(
        "list",
        "arrays_in_a_first_list",
        1,
        _ARRAY_RUN % ("1.0", "|u1", 1, '"shape":[1]', 1),
        b"\x00",
        version="1.0",
    ),
]

_INFOS = [
    _info("info_array", "[]"),
    _info("info_unknown_mark", '{"a":{"$x":1}}'),
    _info("info_object", '{"a":{"b":1,"c":2}}'),
    _info("info_empty_object", '{"a":{}}'),
    _info("info_bytes_cut_off", '{"a":{"$bytes":3}}', bytes(3)),
    _info("info_bytes_left_over", '{"a":{"$bytes":1}}', bytes(3)),
    _info("info_bytes_negative", '{"a":{"$bytes":-1}}'),
    _info("info_bytes_overflow", '{"a":{"$bytes":9223372036854775807},"b":{"$bytes":2}}'),
    # (2^31-1)^2 pixels of 4 bytes are 2^64 - 2^34 + 4: with 2^34 - 3 more the sum is 1 modulo 2^64.
    _info(
        "info_and_pixels_overflow",
        f'{{"a":{{"$bytes":{2**63 - 1}}}}}',
        bytes(1),
        f'"encoding":"raw","mode":"RGBA","size":[{2**30},{2**31 - 1}]',
    ),
    _info(
        "info_and_pixels_wrap",
        f'{{"a":{{"$bytes":{2**34 - 3}}}}}',
        bytes(1),
        f'"encoding":"raw","mode":"RGBA","size":[{2**31 - 1},{2**31 - 1}]',
    ),
    _info("info_text_no_utf_8", '{"a":{"$text":1}}', b"\x00\xff"),
    _info("info_float", '{"a":{"$float":1}}'),
    _info("info_deep", '{"a":' + "[" * 9 + "]" * 9 + "}"),
    _info(
        "info_larger_than_the_file",
        '{"a":{"$bytes":9}}',
        bytes(8),
        '"encoding":"png","mode":"RGB","size":[1,1]',
    ),
    _vector(
        "info_missing",
        '{"type":"image","version":"2.0","encoding":"raw","mode":"L","size":[1,1]}',
        bytes(1),
    ),
]

SECOND = _MARKS + _RUNS + _INFOS
