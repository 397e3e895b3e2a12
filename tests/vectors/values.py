# SPDX-License-Identifier: Apache-2.0
"""Values of the golden vectors, as Python expressions over np and functools.reduce."""

import image_values
import numpy as np

BYTES = {
    "empty": "b''",
    "one": "b'\\x00'",
    "all_values": "bytes(range(256))",
}

TEXT = {
    "empty": "''",
    "ascii": "'hello'",
    "longer_than_a_block": "'0123456789abcdef' * 8",
    "two_bytes": "'\\u00e9\\u00df'",
    "beyond_the_basic_plane": "'\\U0001f600 \\U0010ffff'",
    "zero_and_controls": "'a\\x00b\\x1f\\x7f'",
    "noncharacters": "'\\uffff\\ufdd0'",
}

JSON = {
    "empty_object": "{}",
    "true": "True",
    "false": "False",
    "zero": "0",
    "smallest_integer": "-(2**63)",
    "largest_signed": "2**63 - 1",
    "largest_integer": "2**64 - 1",
    "beyond_double_precision": "2**53 + 1",
    "float_that_is_whole": "1.0",
    "negative_zero": "-0.0",
    "float_smallest": "5e-324",
    "float_largest": "1.7976931348623157e+308",
    "float_tenth": "0.1",
    "float_exponent": "1e+16",
    "nested": "{'b': [1, 2.5, None, {'a': []}], 'a': {'x': {}}}",
    "key_order": "{'z': 1, 'a': 2, 'm': 3}",
    "empty_key": "{'': ''}",
    "escapes": "{'k\\\"\\\\': '\\b\\f\\n\\r\\t\\x00\\x1f/\\x7f'}",
    "beyond_ascii": "{'\\u00e9': '\\U0001f600'}",
    "null_inside": "{'nothing': None}",
    "deep": "reduce(lambda value, _: {'a': value}, range(512), 1)",
    "one_key_with_a_dollar": "{'$float': 'nan'}",
}

MARKS = {
    "nan": "float('nan')",
    "infinity": "float('inf')",
    "minus_infinity": "float('-inf')",
    "past_64_bits": "2**64",
    "below_64_bits": "-(2**63) - 1",
    "far_past_64_bits": "-(10**60)",
    "integer_keys": "{1: 'one', '1': 'text', -2: None, 2**64: 0.5}",
    "keys_at_any_depth": "{'a': [{1: {2: [float('nan')]}}]}",
    "real_objects_of_one_key": "{'$map': [{'$x': float('inf')}], 'b': {'$object': {'$y': 1}}}",
    "one_key_that_reads_like_a_mark": "{'$float': float('nan')}",
}

_SIMPLE = (
    "|b1 |i1 |u1 <i2 >i2 <u2 >u2 <i4 >i4 <u4 >u4 <i8 >i8 <u8 >u8 <f2 >f2 <f4 >f4 <f8 >f8 "
    "<c8 >c8 <c16 >c16"
).split()

NDARRAY = {f"dtype_{d}": f"np.arange(3).astype('{d}')" for d in _SIMPLE} | {
    # From bytes, because NumPy leaves the padding of these as it finds it.
    "dtype_<f16": "np.frombuffer(bytes.fromhex('0000000000000080ff3f000000000000'), '<f16')",
    "dtype_<c32": "np.frombuffer(bytes.fromhex('0000000000000080ff3f000000000000' * 2), '<c32')",
    "frame": "np.arange(24, dtype='u1').reshape(2, 4, 3)",
    "no_dimensions": "np.array(2.5)",
    "empty": "np.zeros((0,), 'f4')",
    "empty_in_the_middle": "np.zeros((3, 0, 2), 'i8')",
    "ones": "np.ones((1, 1, 1), 'f4')",
    "most_dimensions": "np.arange(2, dtype='u1').reshape((1,) * 31 + (2,))",
    "fortran": "np.asfortranarray(np.arange(6, dtype='<i2').reshape(2, 3))",
    "fortran_3": "np.asfortranarray(np.arange(24, dtype='<f4').reshape(2, 3, 4))",
    "fortran_of_one_row": "np.asfortranarray(np.arange(3, dtype='<i2').reshape(1, 3))",
    "fortran_empty": "np.asfortranarray(np.zeros((2, 0, 3), '<i2'))",
    "every_second": "np.arange(10, dtype='<i4')[::2]",
    "backwards": "np.arange(6, dtype='<u2').reshape(2, 3)[::-1, ::-1]",
    "repeated": "np.broadcast_to(np.array([7], '<i2'), (3, 2))",
    "permuted": "np.arange(24, dtype='|u1').reshape(2, 3, 4).transpose(1, 0, 2)",
    "not_a_number": "np.array([np.nan, np.inf, -np.inf, -0.0], '<f8')",
    "strings": "np.array([b'a', b'bcd', b''], '|S3')",
    "unicode": "np.array(['a', '\\u00e9\\U0001f600'], '<U3')",
    "unicode_big": "np.array(['a', '\\u00e9\\U0001f600'], '>U3')",
    "unicode_zero": "np.zeros(2, 'U0')[:0]",
    "raw": "np.array([b'\\x01\\x02\\x03', b'abc'], '|V3')",
    "date_generic": "np.array(['NaT'], '<M8')",
    "date_day": "np.array(['2024-02-29', 'NaT'], '<M8[D]')",
    "date_ns": "np.array(['1969-12-31T23:59:59.999999999'], '<M8[ns]')",
    "date_big": "np.array(['2024-02-29'], '>M8[s]')",
    "date_multiple": "np.array([3, -4], '<M8[25us]')",
    "span_generic": "np.array([5], '<m8')",
    "span_hours": "np.array([5, -6], '<m8[h]')",
    "scalar_float": "np.float32(0.5)",
    "scalar_int_big": "np.array([258], '>i4')[0]",
    "scalar_bool": "np.True_",
    "scalar_text": "np.str_('\\u00e9a')",
    "scalar_bytes": "np.bytes_(b'ab')",
    "scalar_date": "np.datetime64('2024-02-29', 'D')",
    "scalar_structured": "np.array([(1, 2.5)], [('a', '<i4'), ('b', '<f8')])[0]",
}

STRUCTURED = {
    "packed": "np.array([(1, 2.5), (3, 4.5)], [('a', '<i4'), ('b', '<f8')])",
    "aligned": "np.zeros(2, np.dtype([('a', '|u1'), ('b', '<f8')], align=True))",
    "padding": "np.zeros(2, {'names': ['a', 'b'], 'formats': ['<i4', '<i2'], "
    "'offsets': [4, 12], 'itemsize': 20})",
    "backwards": "np.zeros(1, {'names': ['a', 'b'], 'formats': ['<i4', '<i2'], "
    "'offsets': [2, 0], 'itemsize': 6})",
    "overlapping": "np.array([(258, 2)], {'names': ['whole', 'low'], "
    "'formats': ['<i4', '|u1'], 'offsets': [0, 0]})",
    "titles": "np.zeros(1, [(('a title', 'a'), '<i4'), (('\\u00e9', 'b'), '|S2')])",
    "subarray": "np.zeros(2, [('m', '<f4', (2, 3)), ('n', '<i2')])",
    "subarray_of_subarray": "np.zeros(1, [('m', (('<f4', (2,)), (3,)))])",
    "subarray_empty": "np.zeros(1, [('m', '<f4', (0,)), ('n', '<i2')])",
    "nested": "np.array([((1, 2), 3)], [('in', [('x', '<i2'), ('y', '>i2')]), ('z', '|i1')])",
    "nested_in_subarray": "np.zeros(2, [('p', [('x', '<f4'), ('y', '<f4')], (2,))])",
    "names": "np.zeros(1, [('\\u00e9\\U0001f600', '|i1'), ('with \"quotes\"\\\\', '|i1')])",
    "no_fields": "np.zeros(3, np.dtype([]))",
    "no_fields_but_bytes": "np.zeros(2, {'names': [], 'formats': [], 'itemsize': 8})",
    "zero_bytes": "np.zeros(2, [('s', '|S0'), ('u', '<U0'), ('v', '|V0'), ('n', '|i1')])",
    "mixed": "np.array([(b'ab', '\\u00e9', '2024-02-29', True)], "
    "[('s', '|S3'), ('u', '<U2'), ('d', '<M8[D]'), ('f', '|b1')])",
    "record": "np.zeros(2, np.dtype((np.record, [('a', '<i4')])))",
    "fortran": "np.asfortranarray(np.array([[(1,), (2,)], [(3,), (4,)]], [('a', '<i2')]))",
}

LIST = {
    "empty": "[]",
    "one_run": "[1, 'two', None, 2.5, True, {'a': [1]}, []]",
    "array_and_run": "[np.array([1, 2], '<u2'), 7, '\\u00e9']",
    "arrays": "[np.arange(17, dtype='<f4'), np.arange(3, dtype='|u1')]",
    "run_array_run": "[1, 2, np.array([3], '<i4'), 4]",
    "nested": "[[np.array([1], '|i1'), 5], [[b'xyz']], []]",
    "payloads_of_no_bytes": "[b'', np.zeros(0, '<f4'), b'a', b'', 1]",
    "map_inside": "[{'frame': np.arange(4, dtype='|u1'), 'label': 3}]",
    "deepest": "reduce(lambda value, _: [value], range(64), b'x')",
    "deepest_in_json": "reduce(lambda value, _: [value], range(64), 1)",
    "marks": "[1, float('nan'), 'x', 2**70, {3: [4]}, None]",
    "deepest_in_marks": "reduce(lambda value, _: [value], range(63), {1: 2})",
    "ragged": "[np.arange(n, dtype='<i2') for n in (3, 0, 5, 1)]",
    "of_one_shape": "[np.full((2, 3), n, '<f4') for n in range(4)]",
    "ragged_planes": "[np.ones((n, 2), '>u2') for n in range(3)]",
    "without_dimensions": "[np.array(n, '<f8') for n in range(3)]",
    "empty_arrays": "[np.zeros((0, 4), '|u1')] * 3",
    "structured_arrays": "list(np.array([[(1, 2)], [(3, 4)]], [('a', '<i4'), ('b', '|u1')]))",
    "largest_in_a_run": "[np.arange(4096, dtype='|u1')] * 2 + [np.arange(4097, dtype='|u1')]",
    "two_kinds_of_runs": "[np.arange(2, dtype='<i4')] * 2 + [1, 'x'] + [np.ones(1, '<f4')] * 2",
    "fortran_between": "[np.ones((2, 2), '<f4'), np.asfortranarray(np.ones((2, 2), '<f4'))]",
}

MAP = {
    "array_and_label": "{'frame': np.arange(6, dtype='<f4').reshape(2, 3), 'label': 3}",
    "order_of_keys": "{'z': 1, 'm': b'raw', 'a': 'text', 'b': None}",
    "keys": "{'': b'1', '\\U0001f600\"\\\\': b'2'}",
    "nested": "{'a': {'b': [np.array([1], '<i2'), 2]}, 'c': {'d': 1}}",
    "arrays": "{'a': np.arange(2, dtype='<i4'), 'b': np.arange(3, dtype='<i4'), 'c': 1}",
    "integer_keys": "{1: np.arange(3, dtype='|u1'), '1': b'x', 2**65: b'y'}",
    "arrays_by_number": "{n: np.full(2, n, '<i8') for n in range(3)}",
    "numbers_by_number": "{'frame': b'x', 1: 'one', 2: float('nan')}",
    "marks": "{'frame': b'x', 'loss': float('nan'), 'steps': 2**64}",
    "one_entry_like_a_mark": "{'frame': b'x', '$loss': float('nan')}",
}

GROUPS = {
    "bytes": BYTES,
    "text": TEXT,
    "json": JSON,
    "marks": MARKS,
    "ndarray": NDARRAY,
    "structured": STRUCTURED,
    "list": LIST,
    "map": MAP,
}


def _named_type(name, item_bytes, python=None):
    """A vector of an ml_dtypes type, which NumPy alone cannot make."""
    payload = bytes(range(3 * item_bytes))
    metadata = f'{{"type":"ndarray","version":"1.0","dtype":"{name}","shape":[3]}}'
    made = f"np.frombuffer(bytes(range({3 * item_bytes})), ml_dtypes.{name})"
    return {
        "name": name,
        "python": python or made,
        "needs": "ml_dtypes",
        "metadata": metadata,
        "payload_hex": payload.hex(),
        "dtype": name,
        "item_bytes": item_bytes,
        "strides": [item_bytes],
    }


_ONE_BYTE = (
    "float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn float8_e4m3fnuz float8_e5m2 "
    "float8_e5m2fnuz float8_e8m0fnu float6_e2m3fn float6_e3m2fn float4_e2m1fn int4 uint4 int2 "
    "uint2 int1 uint1"
).split()


BY_HAND = {
    "image": image_values.IMAGES,
    "named_types": [
        _named_type("bfloat16", 2),
        _named_type("complex32", 4),
        _named_type("bcomplex32", 4),
        *(_named_type(name, 1) for name in _ONE_BYTE),
        {
            "name": "in_a_field",
            "python": "np.zeros(1, [('h', ml_dtypes.bfloat16), ('n', '|i1')])",
            "needs": "ml_dtypes",
            "metadata": '{"type":"ndarray","version":"1.0","dtype":{"fields":['
            '{"name":"h","dtype":"bfloat16","offset":0},{"name":"n","dtype":"|i1","offset":2}],'
            '"itemsize":3},"shape":[1]}',
            "payload_hex": "000000",
            "dtype": '{"fields":[{"name":"h","dtype":"bfloat16","offset":0},'
            '{"name":"n","dtype":"|i1","offset":2}],"itemsize":3}',
            "item_bytes": 3,
            "strides": [3],
        },
    ],
}

assert np.little_endian, "the format is little-endian, and so must be the machine that writes it"
