// SPDX-License-Identifier: Apache-2.0
#include "buffers.hpp"

#include <nanobind/stl/string.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "array_cache.hpp"

namespace ipc0cp::python {
namespace {

/// The two structs of the Arrow C data interface, a stable ABI
/// (https://arrow.apache.org/docs/format/CDataInterface.html).
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t child_count;
  ArrowSchema** children;
  ArrowSchema* dictionary;
  void (*release)(ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t buffer_count;
  std::int64_t child_count;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

/// What an ArrowArray points to. Apart from it, because whoever gets the struct may move it.
struct ArrayOwner {
  explicit ArrayOwner(nb::handle object) : bytes(object), buffers{nullptr, bytes.bytes().data()} {}

  BufferArgument bytes;
  std::array<const void*, 2> buffers;  ///< No bitmap of nulls, then the values.
};

void release_schema(ArrowSchema* schema) {
  delete static_cast<std::string*>(schema->private_data);
  schema->release = nullptr;
}

void release_array(ArrowArray* array) {
  const nb::gil_scoped_acquire gil;
  delete static_cast<ArrayOwner*>(array->private_data);
  array->release = nullptr;
}

/// A capsule that owns `filled`, as the Arrow PyCapsule interface wants it.
template <class Struct>
nb::object make_capsule(std::unique_ptr<Struct> filled, const char* name) {
  PyObject* capsule = PyCapsule_New(filled.get(), name, [](PyObject* self) {
    const std::unique_ptr<Struct> owned(
        static_cast<Struct*>(PyCapsule_GetPointer(self, PyCapsule_GetName(self))));
    if (owned != nullptr && owned->release != nullptr) owned->release(owned.get());
  });
  if (capsule == nullptr) {
    filled->release(filled.get());
    nb::raise_python_error();
  }
  (void)filled.release();  // The capsule owns it now.
  return nb::steal(capsule);
}

/// A buffer as an Arrow array of one primitive type. Thread safety: guarded by the GIL.
class ArrowBytes {
 public:
  ArrowBytes(nb::object buffer, std::string format, std::size_t item_bytes)
      : buffer_(std::move(buffer)), format_(std::move(format)), item_bytes_(item_bytes) {
    if (item_bytes == 0) throw Error(ErrorCode::invalid_argument, "an Arrow item has no bytes");
  }

  [[nodiscard]] nb::tuple export_array(nb::handle /*requested_schema*/) const {
    auto format = std::make_unique<std::string>(format_);
    auto schema = std::make_unique<ArrowSchema>();
    schema->format = format->c_str();
    schema->name = "";
    schema->release = release_schema;
    schema->private_data = format.release();
    nb::object schema_capsule = make_capsule(std::move(schema), "arrow_schema");

    auto owner = std::make_unique<ArrayOwner>(buffer_);
    auto array = std::make_unique<ArrowArray>();
    array->length = static_cast<std::int64_t>(owner->bytes.bytes().size() / item_bytes_);
    array->buffer_count = static_cast<std::int64_t>(owner->buffers.size());
    array->buffers = owner->buffers.data();
    array->release = release_array;
    array->private_data = owner.release();
    return nb::make_tuple(schema_capsule, make_capsule(std::move(array), "arrow_array"));
  }

 private:
  nb::object buffer_;
  std::string format_;
  std::size_t item_bytes_;
};

/// The writable bytes of a C-contiguous buffer.
class WritableArgument {
 public:
  explicit WritableArgument(nb::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) != 0) {
      nb::raise_python_error();
    }
  }
  ~WritableArgument() { PyBuffer_Release(&view_); }
  WritableArgument(const WritableArgument&) = delete;
  WritableArgument& operator=(const WritableArgument&) = delete;

  [[nodiscard]] void* data() const noexcept { return view_.buf; }
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(view_.len); }

 private:
  Py_buffer view_{};
};

void copy_into(nb::handle target, nb::handle source) {
  const WritableArgument to(target);
  const BufferArgument from(source);
  if (to.size() != from.bytes().size()) {
    throw Error(ErrorCode::invalid_argument, std::to_string(from.bytes().size()) +
                                                 " bytes cannot fill a buffer of " +
                                                 std::to_string(to.size()));
  }
  copy_bytes(to.data(), from.bytes());
}

}  // namespace

void bind_buffers(nb::module_& module) {
  nb::class_<ArrowBytes>(module, "ArrowBytes",
                         "A C-contiguous buffer as an Arrow array, which keeps the buffer.")
      .def(nb::init<nb::object, std::string, std::size_t>(), nb::arg("buffer"), nb::arg("format"),
           nb::arg("item_bytes"))
      .def("__arrow_c_array__", &ArrowBytes::export_array,
           nb::arg("requested_schema").none() = nb::none(),
           nb::sig("def __arrow_c_array__(self, requested_schema: object | None = None)"
                   " -> tuple[object, object]"));
  module.def("copy_into", &copy_into, nb::arg("target"), nb::arg("source"),
             nb::sig("def copy_into(target: object, source: object) -> None"),
             "Copy a C-contiguous buffer into another of the same size, without the GIL if it is"
             " large.");
}

}  // namespace ipc0cp::python
