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

/// A SharedRingBufferConsumer and what it remembers. Thread-safe: the core is, the rest is
/// guarded by the GIL.
class ConsumerHandle {
 public:
  ConsumerHandle(std::string name, std::size_t total_data_bytes, ConsumerOptions options) {
    without_gil([&] {
      consumer_ = std::make_unique<SharedRingBufferConsumer>(std::move(name), total_data_bytes,
                                                             std::move(options));
    });
  }

  /// Closing may wait for the ring's lock, up to 1 s.
  ~ConsumerHandle() {
    if (consumer_ != nullptr && !is_shut_down()) {
      const WithoutGil region;
      consumer_.reset();
    }
  }

  void attach(nb::handle seconds) {
    const Timeout timeout = timeout_from(seconds);
    without_gil([&] { consumer_->attach(timeout); });
  }

  /// @return the object of a hot type, a Block to be decoded, None at end of stream.
  nb::object pop(nb::handle seconds, nb::handle copy_flag) {
    const bool copy = flag_from(copy_flag, "copy");
    std::optional<Message> message = take(seconds);
    if (!message) return nb::none();
    return decode_hot(std::move(*message), cache_, copy);
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

  void done() {
    without_gil([&] { consumer_->done(); });
  }
  void close() {
    without_gil([&] { consumer_->close(); });
  }
  [[nodiscard]] bool closed() const { return consumer_->closed(); }
  [[nodiscard]] const std::string& name() const { return consumer_->name(); }
  [[nodiscard]] nb::dict stats() const {
    return stats_to_dict(without_gil([&] { return consumer_->stats(); }));
  }

 private:
  std::optional<Message> take(nb::handle seconds) {
    const Timeout timeout = timeout_from(seconds);
    return without_gil([&] { return consumer_->pop_raw(timeout); });
  }

  std::unique_ptr<SharedRingBufferConsumer> consumer_;
  ArrayCache cache_;
};

void construct(ConsumerHandle* self, std::string name, std::size_t total_data_bytes, bool blocking,
               bool auto_attach, bool auto_unlink, std::uint32_t expected_producers,
               const std::string& stale, nb::handle trusted_owners) {
  ConsumerOptions options;
  options.blocking = blocking;
  options.auto_attach = auto_attach;
  options.auto_unlink = auto_unlink;
  options.expected_producers = expected_producers;
  options.stale = stale_from(stale);
  options.trusted_owners = owners_from(trusted_owners);
  options.interrupt_check = interrupt_check;
  new (self) ConsumerHandle(std::move(name), total_data_bytes, std::move(options));
}

}  // namespace

void bind_consumer(nb::module_& module) {
  nb::class_<ConsumerHandle>(module, "ConsumerHandle", "The core of SharedRingBufferConsumer.")
      .def("__init__", &construct, nb::arg("name"), nb::arg("total_data_bytes"), nb::kw_only(),
           nb::arg("blocking"), nb::arg("auto_attach"), nb::arg("auto_unlink"),
           nb::arg("expected_producers"), nb::arg("stale"), nb::arg("trusted_owners"),
           nb::sig("def __init__(self, name: str, total_data_bytes: int, *, blocking: bool,"
                   " auto_attach: bool, auto_unlink: bool, expected_producers: int, stale: str,"
                   " trusted_owners: collections.abc.Sequence[int]) -> None"))
      .def("attach", &ConsumerHandle::attach, nb::arg("timeout").none(),
           nb::sig("def attach(self, timeout: float | None) -> None"))
      .def("pop", &ConsumerHandle::pop, nb::arg("timeout").none() = nb::none(),
           nb::arg("copy") = nb::bool_(false),
           nb::sig("def pop(self, timeout: float | None = None, copy: bool = False)"
                   " -> typing.Any"),
           "The object of a hot type, a Block to be decoded, or None at end of stream.")
      .def("pop_raw", &ConsumerHandle::pop_raw, nb::arg("timeout").none(),
           nb::sig("def pop_raw(self, timeout: float | None) -> Block | None"),
           "The message as it is, or None at end of stream.")
      .def("remember", &ConsumerHandle::remember, nb::arg("metadata"), nb::arg("dtype"),
           nb::arg("shape"), nb::arg("is_fortran"), nb::arg("payload_bytes"),
           nb::sig("def remember(self, metadata: bytes, dtype: object, shape: tuple[int, ...],"
                   " is_fortran: bool, payload_bytes: int) -> None"),
           "Let `pop` build arrays of exactly this metadata from now on.")
      .def("done", &ConsumerHandle::done, "Redelivery: finish what this thread has popped last.")
      .def("close", &ConsumerHandle::close)
      .def_prop_ro("closed", &ConsumerHandle::closed)
      .def_prop_ro("name", &ConsumerHandle::name)
      .def("stats", &ConsumerHandle::stats, nb::sig("def stats(self) -> dict[str, int]"));
  module.def(
      "set_builtins_replaced", [](bool replaced) { g_builtins_replaced = replaced; },
      nb::arg("replaced"),
      "Switch the fast paths of push and pop off, because users have registered such a type.");
}

}  // namespace ipc0cp::python
