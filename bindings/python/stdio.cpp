// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>

#include <memory>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "handle.hpp"
#include "handles.hpp"
#include "ipc0cp/stdio.hpp"
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
      // What the stream itself raises has passed through no code of Python's, what a signal handler
      // raises has.
      if (error.traceback().is_valid()) {
        error.restore();
        raise_soon();
      } else {
        error.discard_as_unraisable("flushing sys.stdout");
      }
    }
  } catch (const Error&) {
    // Python is going away, and sys.stdout with it.
  }
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

class StdioProducerHandle : public WritingHandle<StdioProducer> {
 public:
  explicit StdioProducerHandle(nb::handle output) {
    const StdioProducerOptions options{interrupt_check, standard_output_hook};
    core_ = open_stream<StdioProducer>(output, options, make_writable_file);
  }

  void abandon() {
    without_gil([&] { core_->abandon(); });
    raise_pending_error();
  }
};

class StdioConsumerHandle : public ReadingHandle<StdioConsumer> {
 public:
  StdioConsumerHandle(nb::handle input, nb::bytes already_read) {
    const StdioConsumerOptions options{interrupt_check, std::string(text_of(already_read))};
    core_ = open_stream<StdioConsumer>(input, options, make_readable_file);
  }
};

/// Memory for a payload that is put together before it is written; zeros would be written twice.
nb::object uninitialized(std::size_t bytes) {
  PyObject* array = PyByteArray_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(bytes));
  if (array == nullptr) nb::raise_python_error();
  return nb::steal(array);
}

/// What a stream has moved so far.
template <class Type>
void bind_counters(nb::class_<Type>& type) {
  type.def_prop_ro("messages", [](const Type& handle) { return handle.core().messages(); })
      .def_prop_ro("stream_bytes", [](const Type& handle) { return handle.core().stream_bytes(); });
}

}  // namespace

void bind_stdio(nb::module_& module) {
  nb::class_<StdioProducerHandle> producer(module, "StdioProducerHandle",
                                           "The core of StdioProducer.");
  bind_writing(producer);
  bind_counters(producer);
  producer
      .def(nb::init<nb::handle>(), nb::arg("output").none(),
           nb::sig("def __init__(self, output: object) -> None"))
      .def("abandon", &StdioProducerHandle::abandon, "End without the closing frame.");
  nb::class_<StdioConsumerHandle> consumer(module, "StdioConsumerHandle",
                                           "The core of StdioConsumer.");
  bind_reading(consumer);
  bind_counters(consumer);
  consumer.def(nb::init<nb::handle, nb::bytes>(), nb::arg("input").none(), nb::arg("already_read"),
               nb::sig("def __init__(self, input: object, already_read: bytes) -> None"));
  module.def("uninitialized", &uninitialized, nb::arg("bytes"),
             nb::sig("def uninitialized(bytes: int) -> bytearray"),
             "A bytearray whose contents are whatever was there.");
}

}  // namespace ipc0cp::python
