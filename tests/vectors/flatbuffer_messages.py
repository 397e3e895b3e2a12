# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers, laid out by hand: a root table with one 32-bit field, its vtable in front of it."""

import struct

_FIELD = 0x11223344


def buffer(identifier=b"", prefixed=False, **changes):
    """A buffer as a builder leaves it; `changes` are values that no builder writes."""
    start = 4 if prefixed else 0
    vtable = start + 4 + len(identifier)
    table = vtable + 8  # Six bytes of vtable and two of padding.
    total = table + 8
    values = {
        "prefix": total - 4,
        "root": table - start,
        "vtable_size": 6,
        "table_size": 8,
        "distance": table - vtable,
    }
    values |= changes
    data = struct.pack("<I", values["prefix"]) if prefixed else b""
    data += struct.pack("<I", values["root"]) + identifier
    data += struct.pack("<HHHH", values["vtable_size"], values["table_size"], 4, 0)
    return data + struct.pack("<iI", values["distance"], _FIELD)


def metadata(**keys):
    """Metadata with the given keys as JSON text."""
    members = "".join(f',"{key}":{value}' for key, value in keys.items())
    return '{"type":"flatbuffer","version":"1.0"' + members + "}"


def _good(name, data, **keys):
    return {
        "name": name,
        "python": f"ipc0cp.FlatBuffer(bytes.fromhex('{data.hex()}'))",
        "needs": "ipc0cp",
        "metadata": metadata(**keys),
        "payload_hex": data.hex(),
    }


def _malformed(name, data, **keys):
    vector = {"name": name, "metadata": metadata(**keys), "payload_hex": data.hex()}
    return vector | {"error": "corrupt_payload"}


def _accepted(name, text, data, canonical):
    vector = {"name": name, "metadata": text, "payload_hex": data.hex()}
    return vector | {"canonical": canonical}


_EMPTY_TABLE = struct.pack("<IHHi", 8, 4, 4, 4)
# The vtable is shared with another table and lies behind the root, as deduplication leaves it.
_VTABLE_BEHIND = struct.pack("<IiIHHH", 4, -8, _FIELD, 6, 8, 4)
_IN_A_LIST = {
    "name": "in_a_list",
    "python": f"[ipc0cp.FlatBuffer(bytes.fromhex('{buffer(b'MONS').hex()}')), 7]",
    "needs": "ipc0cp",
    "metadata": '{"type":"list","version":"1.0","count":2,"items":[{"metadata":'
    + metadata(identifier='"MONS"')
    + ',"offset":0,"payload_size":24},{"metadata":{"type":"json","version":"1.0"},"run":1,'
    '"offset":64,"payload_size":3}]}',
    "payload_hex": (buffer(b"MONS") + bytes(40) + b"[7]").hex(),
}

GOOD = [
    _good("plain", buffer()),
    _good("identifier", buffer(b"MONS"), identifier='"MONS"'),
    _good("identifier_with_quote", buffer(b'a"\\ '), identifier='"a\\"\\\\ "'),
    _good("size_prefixed", buffer(prefixed=True), size_prefixed="true"),
    _good(
        "identifier_and_size_prefixed",
        buffer(b"~00 ", prefixed=True),
        identifier='"~00 "',
        size_prefixed="true",
    ),
    _good("empty_table", _EMPTY_TABLE),
    _good("vtable_behind", _VTABLE_BEHIND),
    _good("padding_is_no_identifier", buffer(bytes(4))),
    _good("identifier_of_other_bytes", buffer(b"\xc3\xa9\xc3\xa9")),
    _IN_A_LIST,
]

ACCEPTED = [
    _accepted("flatbuffer_identifier_not_named", metadata(), buffer(b"MONS"), metadata()),
    _accepted(
        "flatbuffer_size_prefixed_false", metadata(size_prefixed="false"), buffer(), metadata()
    ),
    _accepted(
        "flatbuffer_later_version",
        '{"schema":"x.fbs","size_prefixed":true,"type":"flatbuffer","version":"1.9"}',
        buffer(prefixed=True),
        metadata(size_prefixed="true"),
    ),
]

MALFORMED = [
    _malformed("empty", b""),
    _malformed("eleven_bytes", _EMPTY_TABLE[:11]),
    _malformed("cut_off", buffer()[:-1]),
    _malformed("root_0", buffer(root=0)),
    _malformed("root_behind_the_end", buffer(root=20)),
    _malformed("root_far_behind_the_end", buffer(root=0xFFFFFFFC)),
    _malformed("root_at_an_odd_place", buffer(root=11)),
    _malformed("root_at_half_a_place", buffer(root=14)),
    _malformed("vtable_before_the_buffer", buffer(distance=16)),
    _malformed("vtable_on_the_root_offset", buffer(distance=12)),
    _malformed("vtable_behind_the_end", buffer(distance=-8)),
    _malformed("vtable_far_away", buffer(distance=-(2**31))),
    _malformed("vtable_at_an_odd_place", buffer(distance=7)),
    _malformed("vtable_size_0", buffer(vtable_size=0)),
    _malformed("vtable_size_2", buffer(vtable_size=2)),
    _malformed("vtable_size_odd", buffer(vtable_size=7)),
    _malformed("vtable_past_the_end", buffer(vtable_size=18)),
    _malformed("table_size_3", buffer(table_size=3)),
    _malformed("table_past_the_end", buffer(table_size=9)),
    _malformed("identifier_differs", buffer(b"MONS"), identifier='"MONT"'),
    _malformed("identifier_not_there", _EMPTY_TABLE, identifier='"MONS"'),
    _malformed("identifier_short", buffer(b"MON\0"), identifier='"MON"'),
    _malformed("identifier_long", buffer(b"MONS"), identifier='"MONSTER"'),
    _malformed("identifier_empty", buffer(), identifier='""'),
    _malformed("identifier_zeros", buffer(bytes(4)), identifier='"\\u0000\\u0000\\u0000\\u0000"'),
    _malformed("identifier_not_ascii", buffer(b"\xc3\xa9\xc3\xa9"), identifier='"\u00e9\u00e9"'),
    _malformed("identifier_latin_1", buffer(b"MON\xe9"), identifier='"MON\u00e9"'),
    _malformed("identifier_number", buffer(b"1234"), identifier="1234"),
    _malformed("size_prefixed_number", buffer(prefixed=True), size_prefixed="1"),
    _malformed("size_prefix_missing", buffer(), size_prefixed="true"),
    _malformed("size_prefix_not_announced", buffer(prefixed=True)),
    _malformed("size_prefix_lies", buffer(prefixed=True, prefix=16), size_prefixed="true"),
    _malformed("size_prefix_of_all", buffer(prefixed=True, prefix=24), size_prefixed="true"),
    _malformed("size_prefix_alone", struct.pack("<I", 0), size_prefixed="true"),
    _malformed("root_in_the_prefix", buffer(prefixed=True, root=0), size_prefixed="true"),
]
