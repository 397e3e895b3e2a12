// SPDX-License-Identifier: Apache-2.0
#include "outgoing.hpp"

#include <utility>

#include "handles.hpp"
#include "numpy_abi.hpp"

namespace ipc0cp::python {
namespace {

/// A group is queued when it has so many messages or bytes: enough to hide what a group costs,
/// little enough that what an iterator yields is not held back for long.
constexpr std::size_t kMostMessages = 256;
constexpr std::size_t kMostBytes = 1 << 20;

std::span<const std::byte> bytes_of(nb::handle bytes) {
  return std::as_bytes(std::span(text_of(bytes)));
}

nb::object encoded_text(nb::handle text) {
  // Not PyUnicode_AsUTF8: that keeps the encoding in the str for the rest of its life.
  nb::object encoded = nb::steal(PyUnicode_AsUTF8String(text.ptr()));
  if (encoded.is_valid()) return encoded;
  PyErr_Clear();
  throw Error(ErrorCode::unsupported_type,
              "this str holds a lone surrogate, which UTF-8 cannot carry; push"
              " x.encode('utf-8', 'surrogatepass'), and decode it the same way");
}

}  // namespace

Outgoing find_message(nb::handle object, ArrayCache& cache) {
  if (g_builtins_replaced) return {};
  PyTypeObject* const type = Py_TYPE(object.ptr());
  if (type == &PyBytes_Type) {
    return {{kBytesMetadata, bytes_of(object)}, nb::borrow(object), nullptr};
  }
  if (type == &PyUnicode_Type) {
    nb::object encoded = encoded_text(object);
    const std::span<const std::byte> payload = bytes_of(encoded);
    return {{kTextMetadata, payload}, std::move(encoded), nullptr};
  }
  if (is_array(object)) {
    ArrayBytes found = cache.find_array(object);
    if (found.layout != nullptr) {
      const std::string_view metadata = found.layout->metadata;
      return {{metadata, found.bytes}, nb::borrow(object), std::move(found.layout)};
    }
  }
  return {};
}

bool OutgoingBatch::fill(nb::handle iterator, ArrayCache& cache, nb::handle encode) {
  while (messages_.size() < kMostMessages && bytes_ < kMostBytes) {
    nb::object object = nb::steal(PyIter_Next(iterator.ptr()));
    if (!object.is_valid()) {
      if (PyErr_Occurred() != nullptr) nb::raise_python_error();
      return false;
    }
    add(std::move(object), cache, encode);
  }
  return true;
}

void OutgoingBatch::add(nb::object object, ArrayCache& cache, nb::handle encode) {
  Outgoing outgoing = find_message(object, cache);
  if (outgoing.message.metadata_json.empty()) {
    nb::object encoded = encode(object);
    const nb::handle metadata = PyTuple_GetItem(encoded.ptr(), 0);
    const nb::handle payload = PyTuple_GetItem(encoded.ptr(), 1);
    if (!metadata.is_valid() || !payload.is_valid()) nb::raise_python_error();
    outgoing.message = {text_of(metadata), buffers_.emplace_back(payload).bytes()};
    outgoing.keeper = std::move(encoded);
  }
  messages_.push_back(outgoing.message);
  bytes_ += outgoing.message.payload.size();
  keepers_.push_back(std::move(outgoing));
}

void OutgoingBatch::clear() noexcept {
  messages_.clear();
  buffers_.clear();
  keepers_.clear();
  bytes_ = 0;
}

}  // namespace ipc0cp::python
