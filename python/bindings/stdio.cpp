// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "array_cache.hpp"
#include "block.hpp"
#include "gil.hpp"
#include "handles.hpp"
#include "incoming.hpp"
#include "ipc0cp/stdio.hpp"
#include "outgoing.hpp"
#include "python_file.hpp"

namespace ipc0cp::python {
namespace {

/// Lines that Python keeps back belong to where standard output goes when they are printed, and
/// while that is standard error, people want to see them at once.
void standard_output_hook(bool taken) {
  static bool was_line_buffered = false;  // Guarded by the GIL.
  try {
    const WithGil gil;
    try {
      const nb::object stream = nb::module_::import_("sys").attr("stdout");
      if (stream.is_none()) return;
      stream.attr("flush")();
      if (!nb::hasattr(stream, "reconfigure")) return;
      const bool before = nb::cast<bool>(stream.attr("line_buffering"));
      stream.attr("reconfigure")(nb::arg("line_buffering") = taken || was_line_buffered);
      was_line_buffered = taken && before;
    } catch (nb::python_error& error) {
      error.discard_as_unraisable("flushing sys.stdout");
    }
  } catch (const Error&) {
    // Python is going away, and sys.stdout with it.
  }
}

/// An exception cannot leave a destructor: Ctrl-C comes once more, anything else is reported.
void settle_pending_error() {
  if (PyErr_Occurred() == nullptr) return;
  if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) != 0) {
    PyErr_Clear();
    PyErr_SetInterrupt();
  } else {
    PyErr_WriteUnraisable(nullptr);
  }
}

/// Closing may wait for a reader, so it is done without the GIL. Once Python has shut everything
/// down there is nothing left to be closed.
template <class Handle>
void let_go(std::unique_ptr<Handle>& handle) {
  if (handle == nullptr || is_shut_down()) {
    static_cast<void>(handle.release());
    return;
  }
  const nb::error_scope keep_pending_error;
  {
    const WithoutGil region;
    handle.reset();
  }
  settle_pending_error();
}

/// Makes a handle over standard output or input (None), a descriptor (int) or a file object.
template <class Handle, class Options, class MakeFile>
std::unique_ptr<Handle> open_stream(nb::handle end, const Options& options, MakeFile make_file) {
  if (end.is_none()) return without_gil([&] { return std::make_unique<Handle>(options); });
  if (nb::isinstance<nb::int_>(end)) {
    const int descriptor = nb::cast<int>(end);
    return without_gil(
        [&] { return std::make_unique<Handle>(descriptor, Ownership::borrowed, options); });
  }
  std::unique_ptr<ByteStream> file = make_file(end);
  return without_gil([&] { return std::make_unique<Handle>(std::move(file), options); });
}

/// A StdioProducer and what it remembers. Thread-safe: the core is, the rest is guarded by the GIL.
class StdioProducerHandle {
 public:
  explicit StdioProducerHandle(nb::handle output) {
    const StdioProducerOptions options{interrupt_check, standard_output_hook};
    producer_ = open_stream<StdioProducer>(output, options, make_writable_file);
  }
  ~StdioProducerHandle() { let_go(producer_); }
  StdioProducerHandle(const StdioProducerHandle&) = delete;
  StdioProducerHandle& operator=(const StdioProducerHandle&) = delete;

  /// @return None: not a type the hot path knows, nothing was done.
  nb::object push(nb::handle object, nb::handle seconds) {
    const Outgoing outgoing = find_message(object, cache_);
    const RawMessage& message = outgoing.message;
    if (message.metadata_json.empty()) return nb::none();
    const Timeout timeout = timeout_from(seconds);
    return nb::bool_(without_gil(
        [&] { return producer_->push_raw(message.metadata_json, message.payload, timeout); }));
  }

  bool push_raw(nb::bytes metadata, nb::handle payload, nb::handle seconds) {
    const BufferArgument buffer(payload);
    const std::string_view text = text_of(metadata);
    const Timeout timeout = timeout_from(seconds);
    return without_gil([&] { return producer_->push_raw(text, buffer.bytes(), timeout); });
  }

  void remember(nb::bytes metadata, nb::object dtype, nb::tuple shape, bool is_fortran,
                std::size_t payload_bytes) {
    cache_.remember(std::move(metadata), std::move(dtype), std::move(shape), is_fortran,
                    payload_bytes);
  }

  void close() {
    without_gil([&] { producer_->close(); });
  }
  void abandon() {
    without_gil([&] { producer_->abandon(); });
    raise_pending_error();
  }
  [[nodiscard]] const StdioProducer& stream() const noexcept { return *producer_; }

 private:
  std::unique_ptr<StdioProducer> producer_;
  ArrayCache cache_;
};

/// A StdioConsumer and what it remembers; threads as above.
class StdioConsumerHandle {
 public:
  StdioConsumerHandle(nb::handle input, nb::bytes already_read) {
    const StdioConsumerOptions options{interrupt_check, std::string(text_of(already_read))};
    consumer_ = open_stream<StdioConsumer>(input, options, make_readable_file);
  }
  ~StdioConsumerHandle() { let_go(consumer_); }
  StdioConsumerHandle(const StdioConsumerHandle&) = delete;
  StdioConsumerHandle& operator=(const StdioConsumerHandle&) = delete;

  /// @return the object of a hot type, a Block to be decoded, None at end of stream.
  nb::object pop(nb::handle seconds) {
    std::optional<Message> message = take(seconds);
    if (!message) return nb::none();
    return to_object(*message, cache_, false).object;
  }

  nb::object pop_raw(nb::handle seconds) {
    std::optional<Message> message = take(seconds);
    if (!message) return nb::none();
    return nb::cast(Block(std::move(*message)));
  }

  void remember(nb::bytes metadata, nb::object dtype, nb::tuple shape, bool is_fortran,
                std::size_t payload_bytes) {
    cache_.remember(std::move(metadata), std::move(dtype), std::move(shape), is_fortran,
                    payload_bytes);
  }

  void close() {
    without_gil([&] { consumer_->close(); });
    raise_pending_error();
  }
  [[nodiscard]] const StdioConsumer& stream() const noexcept { return *consumer_; }

 private:
  std::optional<Message> take(nb::handle seconds) {
    const Timeout timeout = timeout_from(seconds);
    return without_gil([&] { return consumer_->pop_raw(timeout); });
  }

  std::unique_ptr<StdioConsumer> consumer_;
  ArrayCache cache_;
};

/// Memory for a payload that is put together before it is written; zeros would be written twice.
nb::object uninitialized(std::size_t bytes) {
  PyObject* array = PyByteArray_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(bytes));
  if (array == nullptr) nb::raise_python_error();
  return nb::steal(array);
}

/// What both handles show of their stream.
template <class Handle>
void bind_state(nb::class_<Handle>& type) {
  type.def("remember", &Handle::remember, nb::arg("metadata"), nb::arg("dtype"), nb::arg("shape"),
           nb::arg("is_fortran"), nb::arg("payload_bytes"),
           nb::sig("def remember(self, metadata: bytes, dtype: object, shape: tuple[int, ...],"
                   " is_fortran: bool, payload_bytes: int) -> None"),
           "Treat arrays of this dtype and shape as a hot type from now on.")
      .def("close", &Handle::close)
      .def_prop_ro("closed", [](const Handle& handle) { return handle.stream().closed(); })
      .def_prop_ro("name", [](const Handle& handle) { return handle.stream().name(); })
      .def_prop_ro("messages", [](const Handle& handle) { return handle.stream().messages(); })
      .def_prop_ro("stream_bytes",
                   [](const Handle& handle) { return handle.stream().stream_bytes(); });
}

}  // namespace

void bind_stdio(nb::module_& module) {
  nb::class_<StdioProducerHandle> producer(module, "StdioProducerHandle",
                                           "The core of StdioProducer.");
  producer
      .def(nb::init<nb::handle>(), nb::arg("output").none(),
           nb::sig("def __init__(self, output: object) -> None"))
      .def("push", &StdioProducerHandle::push, nb::arg("obj").none(), nb::arg("timeout").none(),
           nb::sig("def push(self, obj: object, timeout: float | None) -> bool | None"),
           "Push a hot type; None: not one of them, nothing was done.")
      .def("push_raw", &StdioProducerHandle::push_raw, nb::arg("metadata"),
           nb::arg("payload").none(), nb::arg("timeout").none(),
           nb::sig("def push_raw(self, metadata: bytes, payload: object,"
                   " timeout: float | None) -> bool"),
           "Push metadata and a C-contiguous buffer as they are.")
      .def("abandon", &StdioProducerHandle::abandon, "End without the closing frame.");
  bind_state(producer);
  nb::class_<StdioConsumerHandle> consumer(module, "StdioConsumerHandle",
                                           "The core of StdioConsumer.");
  consumer
      .def(nb::init<nb::handle, nb::bytes>(), nb::arg("input").none(), nb::arg("already_read"),
           nb::sig("def __init__(self, input: object, already_read: bytes) -> None"))
      .def("pop", &StdioConsumerHandle::pop, nb::arg("timeout").none(),
           nb::sig("def pop(self, timeout: float | None) -> typing.Any"),
           "The object of a hot type, a Block to be decoded, or None at end of stream.")
      .def("pop_raw", &StdioConsumerHandle::pop_raw, nb::arg("timeout").none(),
           nb::sig("def pop_raw(self, timeout: float | None) -> Block | None"),
           "The message as it is, or None at end of stream.");
  bind_state(consumer);
  module.def("uninitialized", &uninitialized, nb::arg("bytes"),
             nb::sig("def uninitialized(bytes: int) -> bytearray"),
             "A bytearray whose contents are whatever was there.");
}

}  // namespace ipc0cp::python
