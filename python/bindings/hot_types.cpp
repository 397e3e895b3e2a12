// SPDX-License-Identifier: Apache-2.0
#include "hot_types.hpp"

#include <string>
#include <utility>

#include "arguments.hpp"
#include "block.hpp"
#include "ipc0cp/error.hpp"

namespace ipc0cp::python {
namespace {

/// As every writer of this project spells it.
constexpr std::string_view kBytesMetadata = R"({"type":"bytes","version":"1.0"})";
constexpr std::string_view kTextMetadata = R"({"type":"text","version":"1.0"})";

std::span<const std::byte> bytes_of(nb::handle bytes) {
  const std::string_view data = text_of(bytes);
  return std::as_bytes(std::span(data));
}

nb::object utf8_of(nb::handle text) {
  // Not PyUnicode_AsUTF8: that keeps the encoding in the str for the rest of its life.
  nb::object encoded = nb::steal(PyUnicode_AsUTF8String(text.ptr()));
  if (encoded.is_valid()) return encoded;
  PyErr_Clear();
  throw Error(ErrorCode::unsupported_type,
              "this str holds a lone surrogate, which UTF-8 cannot carry");
}

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

}  // namespace

std::optional<HotMessage> encode_hot(nb::handle object, const ArrayCache& cache) {
  if (g_builtins_replaced) return std::nullopt;
  PyTypeObject* const type = Py_TYPE(object.ptr());
  if (type == &PyBytes_Type) return HotMessage{kBytesMetadata, bytes_of(object), {}, nullptr};
  if (type == &PyUnicode_Type) {
    nb::object encoded = utf8_of(object);
    return HotMessage{kTextMetadata, bytes_of(encoded), std::move(encoded), nullptr};
  }
  if (reinterpret_cast<PyObject*>(type) != numpy().array_type) return std::nullopt;
  ArrayBytes found = cache.find_array(object);
  if (found.layout == nullptr) return std::nullopt;
  const std::string_view metadata = found.layout->metadata;
  return HotMessage{metadata, found.bytes, std::move(found.keeper), std::move(found.layout)};
}

nb::object decode_hot(Message&& message, const ArrayCache& cache, bool copy) {
  const std::string_view metadata = message.metadata();
  const std::span payload = message.payload();
  if (!g_builtins_replaced) {
    if (metadata.empty() || metadata == kBytesMetadata) return make_bytes(payload);
    if (metadata == kTextMetadata) return make_text(payload);
    if (const auto layout = cache.find_metadata(metadata, payload.size())) {
      if (copy) return make_copy(*layout, payload);
      return make_view(*layout, nb::cast(Block(std::move(message))));
    }
  }
  return nb::cast(Block(std::move(message)));
}

}  // namespace ipc0cp::python
