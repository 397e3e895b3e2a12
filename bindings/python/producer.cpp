// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "errors.hpp"
#include "handle.hpp"
#include "handles.hpp"
#include "watcher.hpp"

namespace ipc0cp::python {
namespace {

class ProducerHandle : public WritingHandle<SharedRingBufferProducer> {
 public:
  ProducerHandle(std::string name, std::size_t total_data_bytes, ProducerOptions options) {
    without_gil([&] {
      core_ = std::make_unique<SharedRingBufferProducer>(std::move(name), total_data_bytes,
                                                         std::move(options));
    });
  }

  /// Pushes what `objects` yields, in groups.
  std::size_t push_many(nb::handle objects, nb::handle seconds, nb::handle encode) {
    const TimeLeft time(timeout_from(seconds));
    std::size_t pushed = 0;
    try {
      const nb::object iterator = nb::steal(PyObject_GetIter(objects.ptr()));
      if (!iterator.is_valid()) nb::raise_python_error();
      OutgoingBatch batch;
      bool more = true;
      while (more) {
        std::exception_ptr error;
        try {
          more = batch.fill(iterator, cache_, encode);
        } catch (...) {
          error = std::current_exception();  // After those before it have been queued.
        }
        const std::span messages = batch.messages();
        const std::size_t queued =
            without_gil([&] { return core_->push_many_raw(messages, time.left()); });
        pushed += queued;
        if (queued < messages.size()) break;
        if (error != nullptr) std::rethrow_exception(error);
        batch.clear();
      }
    } catch (Error& error) {
      error.add_pushed(pushed);
      throw;
    } catch (nb::python_error& error) {
      note_pushed(error.value(), pushed);
      throw;
    }
    return pushed;
  }

  std::size_t push_rows(nb::bytes metadata, nb::handle rows, std::size_t count,
                        nb::handle seconds) {
    const BufferArgument buffer(rows);
    const std::string_view text = text_of(metadata);
    const Timeout timeout = timeout_from(seconds);
    return without_gil([&] { return core_->push_rows(text, buffer.bytes(), count, timeout); });
  }

  nb::object loan(std::size_t payload_bytes, std::size_t metadata_capacity, nb::handle seconds) {
    const Timeout timeout = timeout_from(seconds);
    Loan loan = without_gil([&] { return core_->loan(payload_bytes, timeout, metadata_capacity); });
    return nb::cast(LoanBlock(std::move(loan)));
  }

  /// @throws Error (system_error) if there is no descriptor to be had.
  [[nodiscard]] std::unique_ptr<PythonWatcher> watcher() const {
    return std::make_unique<PythonWatcher>(std::in_place, core_->channel(), Watcher::For::room);
  }
  [[nodiscard]] bool retired() const { return core_->channel().ring().retired(); }
  int fileno() { return readiness_.fd(*core_); }
  bool ready() { return readiness_.ready(*core_); }
  void outlive_exit_hook() const { core_->channel().outlive_exit_hook(); }
  std::size_t trim() {
    return without_gil([&] { return core_->trim(); });
  }
  [[nodiscard]] nb::dict stats() const {
    return stats_to_dict(without_gil([&] { return core_->stats(); }));
  }

 private:
  HandleReadiness readiness_;
};

void construct(ProducerHandle* self, std::string name, std::size_t total_data_bytes, bool blocking,
               nb::handle consumer_wait_timeout, bool redeliver, std::uint32_t max_messages,
               bool reserve, unsigned mode, const std::string& stale, nb::handle trusted_owners,
               nb::handle open_timeout, bool keep, const std::string& overflow, std::uint32_t depth,
               bool broadcast, std::uint32_t expected_consumers) {
  ProducerOptions options;
  options.open_timeout = timeout_from(open_timeout, "open_timeout");
  options.keep = keep;
  options.overflow = overflow_from(overflow);
  options.depth = depth;
  options.broadcast = broadcast;
  options.expected_consumers = expected_consumers;
  options.blocking = blocking;
  options.consumer_wait_timeout = timeout_from(consumer_wait_timeout, "consumer_wait_timeout");
  options.redeliver = redeliver;
  options.max_messages = max_messages;
  options.reserve = reserve;
  options.mode = mode;
  options.stale = stale_from(stale);
  options.trusted_owners = owners_from(trusted_owners);
  options.interrupt_check = interrupt_check;
  new (self) ProducerHandle(std::move(name), total_data_bytes, std::move(options));
}

}  // namespace

void bind_producer(nb::module_& module) {
  nb::class_<ProducerHandle> producer(module, "ProducerHandle",
                                      "The core of SharedRingBufferProducer.");
  bind_writing(producer);
  bind_readiness(producer);
  producer
      .def("__init__", &construct, nb::arg("name"), nb::arg("total_data_bytes"), nb::kw_only(),
           nb::arg("blocking"), nb::arg("consumer_wait_timeout").none(), nb::arg("redeliver"),
           nb::arg("max_messages"), nb::arg("reserve"), nb::arg("mode"), nb::arg("stale"),
           nb::arg("trusted_owners"), nb::arg("open_timeout").none(), nb::arg("keep"),
           nb::arg("overflow"), nb::arg("depth"), nb::arg("broadcast"),
           nb::arg("expected_consumers"),
           nb::sig("def __init__(self, name: str, total_data_bytes: int, *, blocking: bool,"
                   " consumer_wait_timeout: float | None, redeliver: bool, max_messages: int,"
                   " reserve: bool, mode: int, stale: str,"
                   " trusted_owners: collections.abc.Sequence[int], open_timeout: float | None,"
                   " keep: bool, overflow: str, depth: int, broadcast: bool,"
                   " expected_consumers: int) -> None"))
      .def("push_many", &ProducerHandle::push_many, nb::arg("objects"), nb::arg("timeout").none(),
           nb::arg("encode"),
           nb::sig("def push_many(self, objects: collections.abc.Iterable[object],"
                   " timeout: float | None, encode: collections.abc.Callable[[typing.Any],"
                   " tuple[bytes, typing.Any]]) -> int"),
           "Push objects in groups; `encode` makes metadata and a buffer of what is not hot.")
      .def("push_rows", &ProducerHandle::push_rows, nb::arg("metadata"), nb::arg("rows"),
           nb::arg("count"), nb::arg("timeout").none(),
           nb::sig("def push_rows(self, metadata: bytes, rows: object, count: int,"
                   " timeout: float | None) -> int"),
           "Push messages of equal metadata and size that lie side by side in a buffer.")
      .def("loan", &ProducerHandle::loan, nb::arg("payload_bytes"), nb::arg("metadata_capacity"),
           nb::arg("timeout").none(),
           nb::sig("def loan(self, payload_bytes: int, metadata_capacity: int,"
                   " timeout: float | None) -> LoanBlock"),
           "A block to be written in place.")
      .def("watcher", &ProducerHandle::watcher, nb::keep_alive<0, 1>(),
           "Waits until another attempt to push is worth while.")
      .def_prop_ro("retired", &ProducerHandle::retired, "Whether the last consumer has closed.")
      .def("outlive_exit_hook", &ProducerHandle::outlive_exit_hook,
           "Stay open in close_handles and shut_down; who asks for this closes it later.")
      .def("trim", &ProducerHandle::trim, "Give back memory that is not in use; how many bytes.")
      .def("stats", &ProducerHandle::stats, nb::sig("def stats(self) -> dict[str, int]"));
}

}  // namespace ipc0cp::python
