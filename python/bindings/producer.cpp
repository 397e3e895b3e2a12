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
#include "hot_types.hpp"

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
    const std::optional<HotMessage> message = encode_hot(object, cache_);
    if (!message) return nb::none();
    const Timeout timeout = timeout_from(seconds);
    const bool pushed = without_gil(
        [&] { return producer_->push_raw(message->metadata, message->payload, timeout); });
    return nb::bool_(pushed);
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
      .def("close", &ProducerHandle::close)
      .def_prop_ro("closed", &ProducerHandle::closed)
      .def_prop_ro("name", &ProducerHandle::name)
      .def("stats", &ProducerHandle::stats, nb::sig("def stats(self) -> dict[str, int]"));
}

}  // namespace ipc0cp::python
