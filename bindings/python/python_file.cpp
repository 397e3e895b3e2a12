// SPDX-License-Identifier: Apache-2.0
#include "python_file.hpp"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "gil.hpp"
#include "ipc0cp/error.hpp"

namespace ipc0cp::python {
namespace {

/// Most bytes that are copied for one call.
constexpr std::size_t kMostCopiedBytes = std::size_t{1} << 20;

/// Memory of ours as a memoryview, for the time of one call.
class LentMemory {
 public:
  explicit LentMemory(std::span<std::byte> target) : LentMemory(target, PyBUF_WRITE) {}
  explicit LentMemory(std::span<const std::byte> source) : LentMemory(source, PyBUF_READ) {}
  ~LentMemory() {
    PyObject* nothing = PyObject_CallMethod(view_.ptr(), "release", nullptr);
    if (nothing == nullptr) PyErr_Clear();  // Does not happen to types that keep nothing.
    Py_XDECREF(nothing);
  }
  LentMemory(const LentMemory&) = delete;
  LentMemory& operator=(const LentMemory&) = delete;

  [[nodiscard]] const nb::object& view() const noexcept { return view_; }

 private:
  LentMemory(std::span<const std::byte> bytes, int access)
      : view_(nb::steal(
            PyMemoryView_FromMemory(const_cast<char*>(reinterpret_cast<const char*>(bytes.data())),
                                    static_cast<Py_ssize_t>(bytes.size()), access))) {
    if (!view_.is_valid()) nb::raise_python_error();
  }

  nb::object view_;
};

/// The types of these modules keep nothing of what they are lent. Others get copies: a view of
/// memory that is gone would be the end of the process.
bool may_be_lent_memory(nb::handle file) {
  const std::string module = nb::cast<std::string>(file.type().attr("__module__"));
  return module == "_io" || module == "gzip" || module == "bz2" || module == "lzma";
}

class PythonFile final : public ByteStream {
 public:
  explicit PythonFile(nb::handle file)
      : name_("a file object of type " + nb::cast<std::string>(file.type().attr("__qualname__"))),
        is_lent_memory_(may_be_lent_memory(file)) {}

  ~PythonFile() override {
    try {
      const WithGil gil;
      for (nb::object* method : {&write_, &flush_, &readinto_, &read_}) method->reset();
    } catch (const Error&) {
      // Python is going away, and these with it.
      for (nb::object* method : {&write_, &flush_, &readinto_, &read_}) method->release();
    }
  }
  PythonFile(const PythonFile&) = delete;
  PythonFile& operator=(const PythonFile&) = delete;

  std::optional<std::size_t> read_some(std::span<std::byte> target) override {
    return translating([&] {
      if (!readinto_.is_valid())
        return copy_read(target.first(std::min(target.size(), kMostCopiedBytes)));
      if (is_lent_memory_) return counted(readinto_(LentMemory(target).view()), target.size());
      return copy_readinto(target.first(std::min(target.size(), kMostCopiedBytes)));
    });
  }

  std::optional<std::size_t> write_some(std::span<const std::byte> source) override {
    return translating([&]() -> std::optional<std::size_t> {
      if (!is_lent_memory_) source = source.first(std::min(source.size(), kMostCopiedBytes));
      const nb::object count = is_lent_memory_ ? write_(LentMemory(source).view())
                                               : write_(nb::bytes(source.data(), source.size()));
      // A file object of the user's may say nothing, and a raw one says None for "not now".
      if (count.is_none() && !is_raw_) return source.size();
      return counted(count, source.size());
    });
  }

  void flush() override {
    if (!flush_.is_valid()) return;
    translating([&]() -> std::optional<std::size_t> {
      flush_();
      return std::nullopt;
    });
  }

  [[nodiscard]] std::string name() const override { return name_; }

  void use_for_writing(nb::handle file) {
    write_ = file.attr("write");
    flush_ = nb::getattr(file, "flush", nb::object());
    is_raw_ = nb::isinstance(file, nb::module_::import_("io").attr("RawIOBase"));
  }
  void use_for_reading(nb::handle file) {
    readinto_ = nb::getattr(file, "readinto", nb::object());
    if (!readinto_.is_valid()) read_ = file.attr("read");
  }

 private:
  std::optional<std::size_t> copy_readinto(std::span<std::byte> target) const {
    const auto capacity = static_cast<Py_ssize_t>(target.size());
    const nb::object copy = nb::steal(PyByteArray_FromStringAndSize(nullptr, capacity));
    if (!copy.is_valid()) nb::raise_python_error();
    const std::optional<std::size_t> count = counted(readinto_(copy), target.size());
    if (PyByteArray_Size(copy.ptr()) != capacity) throw nb::buffer_error("resized by readinto()");
    if (count) std::memcpy(target.data(), PyByteArray_AsString(copy.ptr()), *count);
    return count;
  }

  std::optional<std::size_t> copy_read(std::span<std::byte> target) const {
    const nb::object piece = read_(target.size());
    if (piece.is_none()) return std::nullopt;
    const BufferArgument bytes(piece);
    const std::size_t count = checked(bytes.bytes().size(), target.size());
    if (count > 0) std::memcpy(target.data(), bytes.bytes().data(), count);
    return count;
  }

  [[nodiscard]] std::optional<std::size_t> counted(const nb::object& count,
                                                   std::size_t most) const {
    if (count.is_none()) return std::nullopt;
    return checked(nb::cast<std::size_t>(count), most);
  }

  [[nodiscard]] std::size_t checked(std::size_t count, std::size_t most) const {
    if (count <= most) return count;
    const std::string text = name_ + " says it has moved " + std::to_string(count) +
                             " bytes where there are " + std::to_string(most);
    throw nb::value_error(text.c_str());
  }

  /// Runs `function` with the GIL; exceptions that say no more than an errno become our errors.
  template <class Function>
  std::optional<std::size_t> translating(Function function) {
    const WithGil gil;
    try {
      return function();
    } catch (nb::python_error& error) {
      if (error.matches(PyExc_BlockingIOError)) {
        const nb::object count = nb::getattr(error.value(), "characters_written", nb::int_(0));
        const auto written = nb::cast<std::size_t>(count);
        return written > 0 ? std::optional(written) : std::nullopt;
      }
      if (error.matches(PyExc_BrokenPipeError) || error.matches(PyExc_ConnectionResetError)) {
        throw Error(ErrorCode::no_consumers, "the stream to " + name_ + ": the reader has left");
      }
      throw;
    }
  }

  std::string name_;
  nb::object write_;
  nb::object flush_;
  nb::object readinto_;
  nb::object read_;
  bool is_raw_ = false;
  bool is_lent_memory_;
};

}  // namespace

std::unique_ptr<ByteStream> make_writable_file(nb::handle file) {
  auto stream = std::make_unique<PythonFile>(file);
  stream->use_for_writing(file);
  return stream;
}

std::unique_ptr<ByteStream> make_readable_file(nb::handle file) {
  auto stream = std::make_unique<PythonFile>(file);
  stream->use_for_reading(file);
  return stream;
}

}  // namespace ipc0cp::python
