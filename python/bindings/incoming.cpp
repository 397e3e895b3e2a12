// SPDX-License-Identifier: Apache-2.0
#include "incoming.hpp"

#include <string>
#include <utility>

#include "block.hpp"
#include "handles.hpp"

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

/// The object of a hot type, or one that is not valid. `make_block` gives the Block that a view
/// has to keep.
template <class MakeBlock>
nb::object hot_object(const Message& message, ArrayCache& cache, bool copy, MakeBlock make_block) {
  if (g_builtins_replaced) return {};
  const std::string_view metadata = message.metadata();
  const std::span payload = message.payload();
  if (metadata.empty() || metadata == kBytesMetadata) return make_bytes(payload);
  if (metadata == kTextMetadata) return make_text(payload);
  const auto layout = cache.find_metadata(metadata, payload.size());
  if (layout == nullptr) return {};
  return copy ? make_copy(*layout, payload) : make_view(*layout, make_block());
}

}  // namespace

Incoming to_object(Message& message, ArrayCache& cache, bool copy) {
  const auto make_block = [&] { return nb::cast(Block(std::move(message))); };
  nb::object object = hot_object(message, cache, copy, make_block);
  if (object.is_valid()) return {std::move(object), false};
  return {make_block(), true};
}

Incoming to_object(nb::object block, ArrayCache& cache, bool copy) {
  const Message& message = nb::inst_ptr<Block>(block)->message;
  nb::object object = hot_object(message, cache, copy, [&] { return block; });
  if (object.is_valid()) return {std::move(object), false};
  return {std::move(block), true};
}

}  // namespace ipc0cp::python
