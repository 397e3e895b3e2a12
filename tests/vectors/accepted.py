# SPDX-License-Identifier: Apache-2.0
"""Unusual messages that break no rule."""


def _accepted(name, metadata, canonical, payload_hex, **expected):
    return {
        "name": name,
        "metadata": metadata,
        "canonical": canonical,
        "payload_hex": payload_hex,
    } | expected


_JSON = '{"type":"json","version":"1.0"}'
_IMAGE = '{"type":"image","version":"1.0",%s}'
_U1 = '{"type":"ndarray","version":"1.0","dtype":"|u1","shape":[2]}'

ACCEPTED = [
    _accepted("no_metadata", "", '{"type":"bytes","version":"1.0"}', "01"),
    _accepted(
        "white_space_and_order",
        ' {\t"shape" : [ 2 ] ,\n"dtype":"|u1", "version": "1.0", "type" :"ndarray"}\r\n',
        _U1,
        "0102",
    ),
    _accepted(
        "escapes",
        '{"\\u0074ype":"nd\\u0061rray","version":"1.0","dtype":"|u\\u0031","shape":[2]}',
        _U1,
        "0102",
    ),
    _accepted("no_version", '{"type":"ndarray","dtype":"|u1","shape":[2]}', _U1, "0102"),
    _accepted(
        "later_minor_version",
        '{"type":"ndarray","version":"1.7","dtype":"|u1","shape":[2]}',
        _U1,
        "0102",
    ),
    _accepted(
        "unknown_key",
        '{"type":"ndarray","version":"1.0","dtype":"|u1","shape":[2],"new":{"a":[1e5]}}',
        _U1,
        "0102",
    ),
    _accepted(
        "order_c",
        '{"type":"ndarray","version":"1.0","dtype":"|u1","shape":[2],"order":"C"}',
        _U1,
        "0102",
    ),
    _accepted(
        "order_f_without_meaning",
        '{"type":"ndarray","version":"1.0","dtype":"|u1","shape":[2],"order":"F"}',
        _U1,
        "0102",
    ),
    _accepted(
        "not_a_scalar",
        '{"type":"ndarray","version":"1.0","dtype":"|u1","shape":[2],"scalar":false}',
        _U1,
        "0102",
    ),
    _accepted(
        "dtype_order_of_keys",
        '{"type":"ndarray","version":"1.0","dtype":{"aligned":false,"itemsize":1,"fields":'
        '[{"offset":0,"dtype":"|u1","name":"a"}]},"shape":[2]}',
        '{"type":"ndarray","version":"1.0","dtype":{"fields":[{"name":"a","dtype":"|u1",'
        '"offset":0}],"itemsize":1},"shape":[2]}',
        "0102",
    ),
    _accepted(
        "dtype_unknown_keys",
        '{"type":"ndarray","version":"1.0","dtype":{"fields":[{"name":"a","dtype":{"base":"|u1",'
        '"shape":[1],"why":null},"offset":0,"comment":[1]}],"itemsize":1,"more":{}},"shape":[2]}',
        '{"type":"ndarray","version":"1.0","dtype":{"fields":[{"name":"a","dtype":{"base":"|u1",'
        '"shape":[1]},"offset":0}],"itemsize":1},"shape":[2]}',
        "0102",
    ),
    _accepted(
        "metadata_512_levels",
        '{"type":"ndarray","version":"1.0","dtype":"|u1","shape":[2],"deep":'
        + "[" * 511
        + "]" * 511
        + "}",
        _U1,
        "0102",
    ),
    _accepted("json_white_space", _JSON, _JSON, b' { "a" :\n[ 1 ] } '.hex(), value='{"a":[1]}'),
    _accepted("json_escapes", _JSON, _JSON, b'"\\ud83d\\ude00\\/"'.hex(), value='"\U0001f600/"'),
    _accepted("json_minus_zero", _JSON, _JSON, b"-0".hex(), value="0"),
    _accepted("json_exponent", _JSON, _JSON, b"[1E5,1e+5]".hex(), value="[100000.0,100000.0]"),
    _accepted("json_512_levels", _JSON, _JSON, (b"[" * 512 + b"]" * 512).hex()),
    _accepted(
        "image_palette",
        _IMAGE % '"encoding":"raw","mode":"P","size":[2,1],"palette":{"bytes":6,"mode":"RGB"},'
        '"transparency":1',
        _IMAGE % '"encoding":"raw","mode":"P","size":[2,1],"palette":{"mode":"RGB","bytes":6},'
        '"transparency":1',
        "0001ff000000ff00",
    ),
    _accepted(
        "image_transparency_table",
        _IMAGE % '"encoding":"raw","mode":"P","size":[1,1],"palette":{"mode":"RGBA","bytes":4},'
        '"pixel_bytes":1,"transparency":{"table":"00ff80"}',
        _IMAGE % '"encoding":"raw","mode":"P","size":[1,1],"palette":{"mode":"RGBA","bytes":4},'
        '"transparency":{"table":"00ff80"}',
        "0001020304",
    ),
    _accepted(
        "image_unknown_keys",
        _IMAGE % '"encoding":"raw","mode":"P","size":[1,1],"palette":{"mode":"RGBA","bytes":4,'
        '"of":1},"pixel_bytes":1,"transparency":{"why":null,"table":"00ff80"}',
        _IMAGE % '"encoding":"raw","mode":"P","size":[1,1],"palette":{"mode":"RGBA","bytes":4},'
        '"transparency":{"table":"00ff80"}',
        "0001020304",
    ),
    _accepted(
        "image_transparent_colour",
        _IMAGE % '"encoding":"raw","mode":"RGB","size":[1,1],"transparency":[1,2,3]',
        _IMAGE % '"encoding":"raw","mode":"RGB","size":[1,1],"transparency":[1,2,3]',
        "010203",
    ),
    _accepted(
        "list_json_and_text_items",
        '{"type":"list","version":"1.0","count":3,"items":['
        '{"metadata":{"type":"json","version":"1.0"},"offset":0,"payload_size":4},'
        '{"metadata":{"type":"text","version":"1.0"},"offset":64,"payload_size":1},'
        '{"metadata":{"type":"json","version":"1.0"},"run":1,"offset":128,"payload_size":3}]}',
        '{"type":"list","version":"1.0","count":3,"items":['
        '{"metadata":{"type":"json","version":"1.0"},"run":3,"offset":0,"payload_size":12}]}',
        (b"null" + bytes(60) + b"a" + bytes(63) + b"[1]").hex(),
    ),
    _accepted(
        "list_gaps",
        '{"type":"list","version":"1.0","count":1,"items":['
        '{"metadata":{"type":"bytes","version":"1.0"},"offset":128,"payload_size":1}]}',
        '{"type":"list","version":"1.0","count":1,"items":['
        '{"metadata":{"type":"bytes","version":"1.0"},"offset":0,"payload_size":1}]}',
        (b"\xff" * 129).hex(),
    ),
    _accepted(
        "escaped_mark",
        '{"type":"json","version":"2.0"}',
        '{"type":"json","version":"2.0"}',
        b' { "\\u0024float" : "\\u006ean" } '.hex(),
    ),
    _accepted("unknown_type", '{"type":"later","x":[1]}', '{"type":"later","x":[1]}', "ff"),
    _accepted(
        "later_major_version",
        '{"type":"text","version":"2.0"}',
        '{"type":"text","version":"2.0"}',
        "ff",
    ),
]
