# SPDX-License-Identifier: Apache-2.0
"""Messages that break a rule."""

_ARRAY = '{"type":"ndarray","version":"1.0",%s}'
_JSON = '{"type":"json","version":"1.0"}'
_TEXT = '{"type":"text","version":"1.0"}'
_ITEM = '{"metadata":{"type":"bytes","version":"1.0"},%s}'
_RUN = '{"metadata":{"type":"json","version":"1.0"},%s}'


def _array(name, members, payload_bytes=0):
    return _vector(name, _ARRAY % members, "00" * payload_bytes)


def _dtype(name, dtype, item_bytes=0):
    return _array(name, f'"dtype":{dtype},"shape":[1]', item_bytes)


def _fields(name, fields, itemsize=8):
    return _dtype(name, f'{{"fields":[{fields}],"itemsize":{itemsize}}}', itemsize)


def _json(name, payload):
    data = payload if isinstance(payload, bytes) else payload.encode()
    return _vector(name, _JSON, data.hex())


def _container(tag, name, count, records, payload=b""):
    metadata = '{"type":"%s","version":"1.0","count":%s,"items":[%s]}'
    return _vector(name, metadata % (tag, count, ",".join(records)), payload.hex())


def _list(name, count, records, payload=b""):
    return _container("list", name, count, records, payload)


def _map(name, count, records, payload=b""):
    return _container("map", name, count, records, payload)


def _nested_lists(levels):
    """Metadata of an empty list inside lists, `levels` in all; it has no payload."""
    metadata = '{"type":"list","version":"1.0","count":0,"items":[]}'
    for _ in range(levels - 1):
        record = '{"metadata":' + metadata + ',"offset":0,"payload_size":0}'
        metadata = '{"type":"list","version":"1.0","count":1,"items":[' + record + "]}"
    return metadata


def _vector(name, metadata, payload_hex=""):
    vector = {"name": name}
    if isinstance(metadata, bytes):
        vector["metadata_hex"] = metadata.hex()
    else:
        vector["metadata"] = metadata
    return vector | {"payload_hex": payload_hex, "error": "corrupt_payload"}


_METADATA = [
    _vector("metadata_not_json", "{"),
    _vector("metadata_array", "[]"),
    _vector("metadata_number", "1"),
    _vector("metadata_no_object_key", "{}"),
    _vector("metadata_two_values", '{"type":"bytes"}{}'),
    _vector("metadata_zero_byte", b'{"type":"bytes"}\x00'),
    _vector("metadata_byte_order_mark", b'\xef\xbb\xbf{"type":"bytes"}'),
    _vector("metadata_not_utf8", b'{"type":"\xff"}'),
    _vector("metadata_key_twice", '{"type":"bytes","type":"text"}'),
    _vector("metadata_key_twice_deep", '{"type":"bytes","x":[{"a":1,"\\u0061":2}]}'),
    _vector("metadata_nan", '{"type":"bytes","x":NaN}'),
    _vector("metadata_comment", '{"type":"bytes"/**/}'),
    _vector("metadata_trailing_comma", '{"type":"bytes",}'),
    _vector("metadata_levels", '{"type":"bytes","x":' + "[" * 512 + "]" * 512 + "}"),
    _vector("metadata_keys", "{" + ",".join(f'"{n}":0' for n in range(1024)) + ',"type":"x"}'),
    _vector("type_missing", '{"version":"1.0"}'),
    _vector("type_number", '{"type":1}'),
    _vector("type_empty", '{"type":""}'),
    _vector("version_number", '{"type":"bytes","version":1.0}'),
    _vector("text_not_utf8", _TEXT, "ff"),
    _vector("text_cut_off", _TEXT, "c3"),
    _vector("text_overlong", _TEXT, "c080"),
    _vector("text_overlong_3", _TEXT, "e08080"),
    _vector("text_overlong_4", _TEXT, "f0808080"),
    _vector("text_surrogate", _TEXT, "eda080"),
    _vector("text_too_large", _TEXT, "f4908080"),
    _vector("text_wrong_late", _TEXT, "61" * 70 + "ff" + "61" * 70),
]

_JSON_PAYLOADS = [
    _json("json_empty", ""),
    _json("json_null", "null"),
    _json("json_null_with_spaces", " null\n"),
    _json("json_two_values", "1 2"),
    _json("json_nan", "[NaN]"),
    _json("json_infinity", "Infinity"),
    _json("json_minus_infinity", "[-Infinity]"),
    _json("json_overflow", "1e400"),
    _json("json_integer_too_large", "18446744073709551616"),
    _json("json_integer_too_small", "-9223372036854775809"),
    _json("json_integer_far_too_large", "[" + "9" * 400 + "]"),
    _json("json_key_twice", '{"a":1,"b":{"a":1},"a":2}'),
    _json("json_key_twice_escaped", '{"a":1,"\\u0061":2}'),
    _json("json_lone_surrogate", '"\\ud800"'),
    _json("json_lone_low_surrogate", '"\\udc00"'),
    _json("json_raw_surrogate", b'"\xed\xa0\x80"'),
    _json("json_control_character", b'"\x01"'),
    _json("json_zero_byte_behind", b"1\x00"),
    _json("json_byte_order_mark", b"\xef\xbb\xbf1"),
    _json("json_not_utf8", b'"\xff"'),
    _json("json_levels", "[" * 513 + "]" * 513),
    _json("json_leading_zero", "01"),
    _json("json_plus", "+1"),
    _json("json_single_quotes", "'a'"),
    _json("json_cut_off", '{"a":'),
]

_ARRAYS = [
    _array("array_no_dtype", '"shape":[1]', 1),
    _array("array_no_shape", '"dtype":"|u1"', 1),
    _array("array_shape_number", '"dtype":"|u1","shape":1', 1),
    _array("array_shape_negative", '"dtype":"|u1","shape":[-1]', 1),
    _array("array_shape_float", '"dtype":"|u1","shape":[1.0]', 1),
    _array("array_shape_true", '"dtype":"|u1","shape":[true]', 1),
    _array("array_shape_text", '"dtype":"|u1","shape":["1"]', 1),
    _array("array_shape_above_signed", '"dtype":"|u1","shape":[9223372036854775808]'),
    _array("array_65_dimensions", '"dtype":"|u1","shape":[1' + ",1" * 64 + "]", 1),
    _array("array_overflow", '"dtype":"<f8","shape":[4294967296,4294967296,4294967296]'),
    _array("array_overflow_to_0", '"dtype":"|u1","shape":[4294967296,4294967296]'),
    _array("array_overflow_beside_0", '"dtype":"<f8","shape":[0,4294967296,4294967296]'),
    _array("array_payload_short", '"dtype":"<f4","shape":[2]', 7),
    _array("array_payload_long", '"dtype":"<f4","shape":[2]', 9),
    _array("array_payload_lies", '"dtype":"<f4","shape":[1099511627776]', 4),
    _array("array_order_unknown", '"dtype":"|u1","shape":[1],"order":"A"', 1),
    _array("array_order_number", '"dtype":"|u1","shape":[1],"order":1', 1),
    _array("scalar_with_shape", '"dtype":"|u1","shape":[1],"scalar":true', 1),
    _array("scalar_with_order", '"dtype":"|u1","shape":[],"order":"F","scalar":true', 1),
    _array("scalar_not_bool", '"dtype":"|u1","shape":[],"scalar":1', 1),
    _dtype("dtype_empty", '""'),
    _dtype("dtype_word", '"float32"', 4),
    _dtype("dtype_no_order", '"f4"', 4),
    _dtype("dtype_native_order", '"=f4"', 4),
    _dtype("dtype_bar_but_wide", '"|f4"', 4),
    _dtype("dtype_order_but_byte", '"<u1"', 1),
    _dtype("dtype_size_3", '"<i3"', 3),
    _dtype("dtype_size_0", '"<f0"'),
    _dtype("dtype_leading_zero", '"<f04"', 4),
    _dtype("dtype_object", '"|O"', 8),
    _dtype("dtype_string_too_large", '"|S2147483648"'),
    _dtype("dtype_unicode_too_large", '"<U536870912"'),
    _dtype("dtype_size_overflow", '"|S99999999999999999999"'),
    _dtype("dtype_unit_unknown", '"<M8[x]"', 8),
    _dtype("dtype_unit_empty", '"<M8[]"', 8),
    _dtype("dtype_unit_open", '"<M8[s"', 8),
    _dtype("dtype_unit_zeros", '"<M8[007s]"', 8),
    _dtype("dtype_unit_too_many", '"<M8[2147483648s]"', 8),
    _dtype("dtype_date_size", '"<M4[s]"', 4),
    _dtype("dtype_two", '"<f4,<i4"', 8),
    _dtype("dtype_number", "4", 4),
    _dtype("dtype_list", '[["a","<f4"]]', 4),
    _dtype("dtype_subarray_outside", '{"base":"<f4","shape":[2]}', 8),
    _dtype("fields_not_a_list", '{"fields":{},"itemsize":4}', 4),
    _dtype("fields_no_itemsize", '{"fields":[]}'),
    _dtype("fields_itemsize_too_large", '{"fields":[],"itemsize":2147483648}'),
    _dtype("fields_aligned_not_bool", '{"fields":[],"itemsize":1,"aligned":1}', 1),
    _dtype("dtype_of_fields_and_base", '{"fields":[],"itemsize":1,"base":"|u1","shape":[1]}', 1),
    _fields("field_not_an_object", '"a"'),
    _fields("field_no_name", '{"dtype":"<f4","offset":0}'),
    _fields("field_no_offset", '{"name":"a","dtype":"<f4"}'),
    _fields("field_name_number", '{"name":1,"dtype":"<f4","offset":0}'),
    _fields("field_beyond", '{"name":"a","dtype":"<f4","offset":5}'),
    _fields("field_offset_huge", '{"name":"a","dtype":"<f4","offset":9223372036854775807}'),
    _fields(
        "field_name_twice",
        '{"name":"a","dtype":"|u1","offset":0},{"name":"a","dtype":"|u1","offset":1}',
    ),
    _fields("field_title_as_name", '{"name":"a","dtype":"|u1","offset":0,"title":"a"}'),
    _fields("field_title_null", '{"name":"a","dtype":"|u1","offset":0,"title":null}'),
    _fields(
        "field_of_fields_and_base",
        '{"name":"a","dtype":{"fields":[{"name":"b","dtype":"|u1","offset":0}],"itemsize":1,'
        '"base":"|u1","shape":[1]},"offset":0}',
    ),
    _fields("field_title_number", '{"name":"a","dtype":"|u1","offset":0,"title":1}'),
    _fields("subarray_no_shape", '{"name":"a","dtype":{"base":"|u1","shape":[]},"offset":0}'),
    _fields(
        "subarray_overflow",
        '{"name":"a","dtype":{"base":"<f8","shape":[4294967296,4294967296]},"offset":0}',
    ),
    _dtype(
        "dtype_levels",
        '{"fields":[{"name":"a","offset":0,"dtype":' * 33 + '"|u1"' + '}],"itemsize":1}' * 33,
        1,
    ),
]

_CONTAINERS = [
    _list("list_no_items", 0, [], b"x"),
    _list("list_count_high", 2, [_ITEM % '"offset":0,"payload_size":1'], b"x"),
    _list("list_count_low", 0, [_ITEM % '"offset":0,"payload_size":1'], b"x"),
    _list("list_count_negative", -1, []),
    _list("list_record_number", 1, ["1"]),
    _list("list_no_metadata", 1, ['{"offset":0,"payload_size":1}'], b"x"),
    _list("list_no_offset", 1, [_ITEM % '"payload_size":1'], b"x"),
    _list("list_no_size", 1, [_ITEM % '"offset":0'], b"x"),
    _list("list_beyond", 1, [_ITEM % '"offset":0,"payload_size":2'], b"x"),
    _list("list_offset_beyond", 1, [_ITEM % '"offset":64,"payload_size":0'], b"x"),
    _list("list_overflow", 1, [_ITEM % '"offset":64,"payload_size":9223372036854775807'], b"x"),
    _list("list_left_over", 1, [_ITEM % '"offset":0,"payload_size":1'], b"xy"),
    _list("list_not_aligned", 1, [_ITEM % '"offset":1,"payload_size":1'], b"xy"),
    _list(
        "list_overlap",
        2,
        [_ITEM % '"offset":0,"payload_size":65', _ITEM % '"offset":64,"payload_size":1'],
        b"x" * 65,
    ),
    _list(
        "list_backwards",
        2,
        [_ITEM % '"offset":64,"payload_size":1', _ITEM % '"offset":0,"payload_size":1'],
        b"x" * 65,
    ),
    _list("list_item_null", 1, [_RUN % '"offset":0,"payload_size":1'], b"x"),
    _list("run_count_high", 3, [_RUN % '"run":3,"offset":0,"payload_size":5'], b"[1,2]"),
    _list("run_count_low", 1, [_RUN % '"run":1,"offset":0,"payload_size":5'], b"[1,2]"),
    _list("run_of_0", 0, [_RUN % '"run":0,"offset":0,"payload_size":2'], b"[]"),
    _list(
        "run_huge", 1 << 62, [_RUN % '"run":4611686018427387904,"offset":0,"payload_size":1'], b"1"
    ),
    _list("run_object_in_list", 1, [_RUN % '"run":1,"offset":0,"payload_size":7'], b'{"a":1}'),
    _list("run_of_bytes", 1, [_ITEM % '"run":1,"offset":0,"payload_size":3'], b"[1]"),
    _list("run_nan", 1, [_RUN % '"run":1,"offset":0,"payload_size":5'], b"[NaN]"),
    _list("run_levels", 1, [_RUN % '"run":1,"offset":0,"payload_size":130'], b"[" * 65 + b"]" * 65),
    _vector("list_levels", _nested_lists(65)),
    _map("map_no_key", 1, [_ITEM % '"offset":0,"payload_size":1'], b"x"),
    _map("map_key_number", 1, [_ITEM % '"key":1,"offset":0,"payload_size":1'], b"x"),
    _map(
        "map_key_twice",
        2,
        [
            _ITEM % '"key":"a","offset":0,"payload_size":1',
            _ITEM % '"key":"a","offset":64,"payload_size":1',
        ],
        b"x" * 65,
    ),
    _map(
        "map_key_twice_in_run",
        2,
        [
            _ITEM % '"key":"a","offset":0,"payload_size":1',
            _RUN % '"run":1,"offset":64,"payload_size":7',
        ],
        b"x" * 64 + b'{"a":1}',
    ),
    _map(
        "map_run_with_key", 1, [_RUN % '"key":"k","run":1,"offset":0,"payload_size":7'], b'{"a":1}'
    ),
    _map("map_run_array", 1, [_RUN % '"run":1,"offset":0,"payload_size":3'], b"[1]"),
]

_IMAGE = '{"type":"image","version":"1.0",%s}'


def _image(name, members, payload_bytes=0):
    return _vector(name, _IMAGE % members, "00" * payload_bytes)


_IMAGES = [
    _image("image_no_encoding", '"mode":"L","size":[1,1]', 1),
    _image("image_encoding_unknown", '"encoding":"gif","mode":"L","size":[1,1]', 1),
    _image("image_mode_unknown", '"encoding":"raw","mode":"XYZ","size":[1,1]', 1),
    _image("image_mode_missing", '"encoding":"raw","size":[1,1]', 1),
    _image("image_size_3", '"encoding":"raw","mode":"L","size":[1,1,1]', 1),
    _image("image_size_negative", '"encoding":"raw","mode":"L","size":[-1,1]', 1),
    _image("image_size_too_large", '"encoding":"raw","mode":"L","size":[2147483648,0]'),
    _image("image_payload_short", '"encoding":"raw","mode":"RGB","size":[2,2]', 11),
    _image("image_payload_long", '"encoding":"raw","mode":"RGB","size":[2,2]', 13),
    _image("image_payload_lies", '"encoding":"raw","mode":"I","size":[2147483647,2147483647]', 1),
    _image("image_pixel_bytes", '"encoding":"raw","mode":"L","size":[1,1],"pixel_bytes":4', 4),
    _image("image_pixel_bytes_0", '"encoding":"raw","mode":"L","size":[1,1],"pixel_bytes":0', 1),
    _image(
        "image_palette_on_l",
        '"encoding":"raw","mode":"L","size":[1,1],"palette":{"mode":"RGB","bytes":3}',
        4,
    ),
    _image(
        "image_palette_mode",
        '"encoding":"raw","mode":"P","size":[1,1],"palette":{"mode":"L","bytes":3}',
        4,
    ),
    _image(
        "image_palette_too_long",
        '"encoding":"raw","mode":"P","size":[1,1],"palette":{"mode":"RGB","bytes":1026}',
        1027,
    ),
    _image(
        "image_palette_cut_entry",
        '"encoding":"raw","mode":"P","size":[1,1],"palette":{"mode":"RGB","bytes":4}',
        5,
    ),
    _image(
        "image_pixel_bytes_text", '"encoding":"raw","mode":"L","size":[1,1],"pixel_bytes":"1"', 1
    ),
    _image(
        "image_pixel_bytes_true", '"encoding":"raw","mode":"L","size":[1,1],"pixel_bytes":true', 1
    ),
    _image(
        "image_pixel_bytes_of_i16", '"encoding":"raw","mode":"I;16","size":[1,1],"pixel_bytes":4', 4
    ),
    _image("image_size_missing", '"encoding":"raw","mode":"L"', 1),
    _image("image_size_text", '"encoding":"raw","mode":"L","size":"1x1"', 1),
    _image("image_size_float", '"encoding":"raw","mode":"L","size":[1.0,1]', 1),
    _image(
        "image_palette_cut_off",
        '"encoding":"raw","mode":"P","size":[2,1],"palette":{"mode":"RGB","bytes":6}',
        7,
    ),
    _image(
        "image_palette_no_bytes",
        '"encoding":"raw","mode":"P","size":[1,1],"palette":{"mode":"RGB"}',
        1,
    ),
    _image(
        "image_palette_negative",
        '"encoding":"raw","mode":"P","size":[1,1],"palette":{"mode":"RGB","bytes":-3}',
        1,
    ),
    _image(
        "image_png_pixel_bytes", '"encoding":"png","mode":"RGB","size":[1,1],"pixel_bytes":4', 4
    ),
    _image(
        "image_png_transparency", '"encoding":"png","mode":"RGB","size":[1,1],"transparency":1', 4
    ),
    _image("image_png_mode_unknown", '"encoding":"png","size":[1,1]', 4),
    _image("image_jpeg_size_missing", '"encoding":"jpeg","mode":"L"', 4),
    _image(
        "image_transparency_float", '"encoding":"raw","mode":"L","size":[1,1],"transparency":1.5', 1
    ),
    _image(
        "image_transparency_null", '"encoding":"raw","mode":"L","size":[1,1],"transparency":null', 1
    ),
    _image(
        "image_transparency_list",
        '"encoding":"raw","mode":"L","size":[1,1],"transparency":[1,"a"]',
        1,
    ),
    _image("image_transparency", '"encoding":"raw","mode":"L","size":[1,1],"transparency":"a"', 1),
    _image(
        "image_transparency_table_large",
        '"encoding":"raw","mode":"P","size":[1,1],"transparency":{"table":"FF"}',
        1,
    ),
    _image(
        "image_transparency_table_spaced",
        '"encoding":"raw","mode":"P","size":[1,1],"transparency":{"table":"00 ff"}',
        1,
    ),
    _image(
        "image_transparency_table_odd",
        '"encoding":"raw","mode":"P","size":[1,1],"transparency":{"table":"00f"}',
        1,
    ),
    _image(
        "image_transparency_table",
        '"encoding":"raw","mode":"P","size":[1,1],"transparency":{"table":"0g"}',
        1,
    ),
]

MALFORMED = _METADATA + _JSON_PAYLOADS + _ARRAYS
CONTAINERS = _CONTAINERS
IMAGES = _IMAGES
