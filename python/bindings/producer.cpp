// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "array_cache.hpp"
#include "block.hpp"
#include "errors.hpp"
#include "gil.hpp"
#include "handles.hpp"
#include "outgoing.hpp"
#include "watcher.hpp"

namespace ipc0cp::python {
namespace {

/// A SharedRingBufferProducer and what it remembers. Thread-safe: the core is, the rest is
/// guarded by the GIL.
class ProducerHandle {
 public:
  ProducerHandle(std::string name, std::size_t total_data_bytes, ProducerOptions options) {
    without_gil([&] {
      producer_ = std::make_unique<SharedRingBufferProducer>(std::move(name), total_data_bytes,
                                                             std::move(options));
    });
  }

  /// Closing may wait for the ring's lock, up to 1 s.
  ~ProducerHandle() {
    if (producer_ != nullptr && !is_shut_down()) {
      const WithoutGil region;
      producer_.reset();
    }
  }

  /// @return None: not a type this fast path knows, nothing was done.
  nb::object push(nb::handle object, nb::handle seconds) {
    const Outgoing outgoing = find_message(object, cache_);
    const RawMessage& message = outgoing.message;
    if (message.metadata_json.empty()) return nb::none();
    const Timeout timeout = timeout_from(seconds);
    return nb::bool_(without_gil(
        [&] { return producer_->push_raw(message.metadata_json, message.payload, timeout); }));
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
            without_gil([&] { return producer_->push_many_raw(messages, time.left()); });
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
    return without_gil([&] { return producer_->push_rows(text, buffer.bytes(), count, timeout); });
  }

  bool push_raw(nb::bytes metadata, nb::handle payload, nb::handle seconds) {
    const BufferArgument buffer(payload);
    const std::string_view text = text_of(metadata);
    const Timeout timeout = timeout_from(seconds);
    return without_gil([&] { return producer_->push_raw(text, buffer.bytes(), timeout); });
  }

  nb::object loan(std::size_t payload_bytes, std::size_t metadata_capacity, nb::handle seconds) {
    const Timeout timeout = timeout_from(seconds);
    Loan loan =
        without_gil([&] { return producer_->loan(payload_bytes, timeout, metadata_capacity); });
    return nb::cast(LoanBlock(std::move(loan)));
  }

  void remember(nb::bytes metadata, nb::object dtype, nb::tuple shape, bool is_fortran,
                std::size_t payload_bytes) {
    cache_.remember(std::move(metadata), std::move(dtype), std::move(shape), is_fortran,
                    payload_bytes);
  }

  void close() {
    without_gil([&] { producer_->close(); });
  }
  /// @throws Error (system_error) if there is no descriptor to be had.
  [[nodiscard]] std::unique_ptr<Watcher> watcher() const {
    return std::make_unique<Watcher>(producer_->channel(), Watcher::For::room);
  }
  [[nodiscard]] std::uint32_t blocks_freed() const { return producer_->channel().blocks_freed(); }
  [[nodiscard]] bool retired() const { return producer_->channel().retired(); }
  [[nodiscard]] bool closed() const { return producer_->closed(); }
  [[nodiscard]] const std::string& name() const { return producer_->name(); }
  [[nodiscard]] nb::dict stats() const {
    return stats_to_dict(without_gil([&] { return producer_->stats(); }));
  }

 private:
  std::unique_ptr<SharedRingBufferProducer> producer_;
  ArrayCache cache_;
};

void construct(ProducerHandle* self, std::string name, std::size_t total_data_bytes, bool blocking,
               nb::handle consumer_wait_timeout, bool redeliver, std::uint32_t max_messages,
               bool reserve, unsigned mode, const std::string& stale, nb::handle trusted_owners) {
  ProducerOptions options;
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

nb::dict stats_to_dict(const RingStats& stats) {
  nb::dict result;
  result["active_producers"] = stats.active_producers;
  result["active_consumers"] = stats.active_consumers;
  result["messages"] = stats.messages;
  result["used_bytes"] = stats.used_bytes;
  result["total_data_bytes"] = stats.total_data_bytes;
  result["max_messages"] = stats.max_messages;
  result["pushed"] = stats.pushed;
  result["popped"] = stats.popped;
  result["dropped"] = stats.dropped;
  result["lost"] = stats.lost;
  result["repaired_deaths"] = stats.repaired_deaths;
  result["most_messages"] = stats.most_messages;
  result["most_used_bytes"] = stats.most_used_bytes;
  result["producer_waits"] = stats.producer_waits;
  result["consumer_waits"] = stats.consumer_waits;
  result["reserved_bytes"] = stats.reserved_bytes;
  return result;
}

void bind_producer(nb::module_& module) {
  nb::class_<ProducerHandle>(module, "ProducerHandle", "The core of SharedRingBufferProducer.")
      .def("__init__", &construct, nb::arg("name"), nb::arg("total_data_bytes"), nb::kw_only(),
           nb::arg("blocking"), nb::arg("consumer_wait_timeout").none(), nb::arg("redeliver"),
           nb::arg("max_messages"), nb::arg("reserve"), nb::arg("mode"), nb::arg("stale"),
           nb::arg("trusted_owners"),
           nb::sig("def __init__(self, name: str, total_data_bytes: int, *, blocking: bool,"
                   " consumer_wait_timeout: float | None, redeliver: bool, max_messages: int,"
                   " reserve: bool, mode: int, stale: str,"
                   " trusted_owners: collections.abc.Sequence[int]) -> None"))
      .def("push", &ProducerHandle::push, nb::arg("obj").none(),
           nb::arg("timeout").none() = nb::none(),
           nb::sig("def push(self, obj: object, timeout: float | None = None) -> bool | None"),
           "Push a hot type; None: not one of them, nothing was done.")
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
      .def("push_raw", &ProducerHandle::push_raw, nb::arg("metadata"), nb::arg("payload").none(),
           nb::arg("timeout").none(),
           nb::sig("def push_raw(self, metadata: bytes, payload: object,"
                   " timeout: float | None) -> bool"),
           "Push metadata and a C-contiguous buffer as they are.")
      .def("loan", &ProducerHandle::loan, nb::arg("payload_bytes"), nb::arg("metadata_capacity"),
           nb::arg("timeout").none(),
           nb::sig("def loan(self, payload_bytes: int, metadata_capacity: int,"
                   " timeout: float | None) -> LoanBlock"),
           "A block to be written in place.")
      .def("remember", &ProducerHandle::remember, nb::arg("metadata"), nb::arg("dtype"),
           nb::arg("shape"), nb::arg("is_fortran"), nb::arg("payload_bytes"),
           nb::sig("def remember(self, metadata: bytes, dtype: object, shape: tuple[int, ...],"
                   " is_fortran: bool, payload_bytes: int) -> None"),
           "Let `push` handle contiguous arrays of this dtype and shape from now on.")
      .def("watcher", &ProducerHandle::watcher, nb::keep_alive<0, 1>(),
           "Waits until another attempt to push is worth while.")
      .def_prop_ro("blocks_freed", &ProducerHandle::blocks_freed,
                   "A number that changes when room comes; for Watcher.arm.")
      .def_prop_ro("retired", &ProducerHandle::retired, "Whether the last consumer has closed.")
      .def("close", &ProducerHandle::close)
      .def_prop_ro("closed", &ProducerHandle::closed)
      .def_prop_ro("name", &ProducerHandle::name)
      .def("stats", &ProducerHandle::stats, nb::sig("def stats(self) -> dict[str, int]"));
}

}  // namespace ipc0cp::python
