// SPDX-License-Identifier: Apache-2.0
#include "python_file.hpp"

#include <cstring>
#include <string>
#include <utility>

#include "gil.hpp"
#include "ipc0cp/error.hpp"

namespace ipc0cp::python {
namespace {

/// Memory of ours as a memoryview that ends with this object.
class LentMemory {
 public:
  LentMemory(const std::byte* data, std::size_t bytes, int access)
      : view_(
            nb::steal(PyMemoryView_FromMemory(reinterpret_cast<char*>(const_cast<std::byte*>(data)),
                                              static_cast<Py_ssize_t>(bytes), access))) {
    if (!view_.is_valid()) nb::raise_python_error();
  }
  explicit LentMemory(std::span<std::byte> target)
      : LentMemory(target.data(), target.size(), PyBUF_WRITE) {}
  explicit LentMemory(std::span<const std::byte> source)
      : LentMemory(source.data(), source.size(), PyBUF_READ) {}

  [[nodiscard]] const nb::object& view() const noexcept { return view_; }
  /// @throws BufferError if the file object has kept a part of it, which it must not use any more.
  void take_back() const { view_.attr("release")(); }

 private:
  nb::object view_;
};

class PythonFile final : public ByteStream {
 public:
  explicit PythonFile(nb::handle file)
      : name_("a " + nb::cast<std::string>(file.type().attr("__qualname__")) + " object") {}

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
    return translating([&]() -> std::optional<std::size_t> {
      if (readinto_.is_valid()) {
        const LentMemory memory(target);
        const nb::object count = readinto_(memory.view());
        memory.take_back();
        return checked(count, target.size());
      }
      const nb::object piece = read_(target.size());
      if (piece.is_none()) return std::nullopt;
      char* data = nullptr;
      Py_ssize_t length = 0;
      if (PyBytes_AsStringAndSize(piece.ptr(), &data, &length) != 0) nb::raise_python_error();
      const auto count = static_cast<std::size_t>(length);
      if (count > target.size()) fail(count, target.size());
      std::memcpy(target.data(), data, count);
      return count;
    });
  }

  std::optional<std::size_t> write_some(std::span<const std::byte> source) override {
    return translating([&]() -> std::optional<std::size_t> {
      const LentMemory memory(source);
      const nb::object count = write_(memory.view());
      memory.take_back();
      // A file object of the user's may say nothing, and a raw one says None for "not now".
      if (count.is_none() && !is_raw_) return source.size();
      return checked(count, source.size());
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
  [[noreturn]] void fail(std::size_t count, std::size_t most) const {
    throw nb::value_error(
        (name_ + " has moved " + std::to_string(count) + " bytes of " + std::to_string(most))
            .c_str());
  }

  [[nodiscard]] std::optional<std::size_t> checked(const nb::object& count,
                                                   std::size_t most) const {
    if (count.is_none()) return std::nullopt;
    const auto moved = nb::cast<std::size_t>(count);
    if (moved > most) fail(moved, most);
    return moved;
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
