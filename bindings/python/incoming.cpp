// SPDX-License-Identifier: Apache-2.0
#include "incoming.hpp"

#include <string>
#include <utility>

#include "block.hpp"
#include "handles.hpp"
#include "json.hpp"

namespace ipc0cp::python {
namespace {

nb::object make_bytes(std::span<const std::byte> payload) {
  nb::object bytes =
      nb::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(payload.size())));
  if (!bytes.is_valid()) nb::raise_python_error();
  copy_bytes(PyBytes_AsString(bytes.ptr()), payload);
  return bytes;
}

nb::object make_text(std::span<const std::byte> payload) {
  nb::object text =
      nb::steal(PyUnicode_DecodeUTF8(reinterpret_cast<const char*>(payload.data()),
                                     static_cast<Py_ssize_t>(payload.size()), "strict"));
  if (text.is_valid()) return text;
  if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError) == 0) nb::raise_python_error();
  PyErr_Clear();
  throw Error(ErrorCode::corrupt_payload,
              "a text message of " + std::to_string(payload.size()) + " bytes is not UTF-8");
}

nb::object make_json(std::span<const std::byte> payload) {
  // Copied: a peer may go on writing to the bytes of a ring.
  const std::string text(reinterpret_cast<const char*>(payload.data()), payload.size());
  codec::JsonRules rules;
  rules.what = "json message";
  nb::object value = read_json(text, rules);
  if (value.is_none()) throw Error(ErrorCode::corrupt_payload, "null alone is not a message");
  return value;
}

nb::object make_block(Message& message) { return nb::cast(Block(std::move(message))); }

/// The object of a hot type, or one that is not valid.
nb::object hot_object(Message& message, ArrayCache& cache, bool copy) {
  if (g_builtins_replaced) return {};
  const std::string_view metadata = message.metadata();
  const std::span payload = message.payload();
  if (metadata.empty() || metadata == kBytesMetadata) return make_bytes(payload);
  if (metadata == kTextMetadata) return make_text(payload);
  if (metadata == kJsonMetadata) return make_json(payload);
  const auto layout = cache.find_metadata(metadata, payload.size());
  if (layout == nullptr) return {};
  return copy ? make_copy(*layout, payload) : make_view(*layout, make_block(message));
}

}  // namespace

Incoming to_object(Message& message, ArrayCache& cache, bool copy) {
  nb::object object = hot_object(message, cache, copy);
  if (object.is_valid()) return {std::move(object), false};
  return {make_block(message), true};
}

}  // namespace ipc0cp::python
