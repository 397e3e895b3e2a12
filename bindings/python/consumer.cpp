// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "handle.hpp"
#include "handles.hpp"
#include "shm/channel.hpp"
#include "watcher.hpp"

namespace ipc0cp::python {
namespace {

/// Inside a catch block: whether what was thrown may come out of the next pop instead. What ends a
/// program (Ctrl-C) may not.
bool can_be_put_off() {
  try {
    throw;
  } catch (const nb::python_error& error) {
    return error.matches(PyExc_Exception);
  } catch (...) {
    return true;
  }
}

class ConsumerHandle : public ReadingHandle<SharedRingBufferConsumer> {
 public:
  ConsumerHandle(std::string name, std::size_t total_data_bytes, ConsumerOptions options) {
    without_gil([&] {
      core_ = std::make_unique<SharedRingBufferConsumer>(std::move(name), total_data_bytes,
                                                         std::move(options));
    });
  }

  void attach(nb::handle seconds) {
    const Timeout timeout = timeout_from(seconds);
    without_gil([&] { core_->attach(timeout); });
  }

  /// Waits for one message, then takes what is there, decoded by `decode(block)` where needed. If
  /// one cannot be decoded, its error comes out of the next pop, and those behind it follow.
  nb::list pop_many(std::size_t most, nb::handle seconds, bool copy, nb::handle decode) {
    constexpr std::size_t kGroup = shm::Channel::kMaxInOneHold;
    nb::list objects;
    const Timeout timeout = timeout_from(seconds);
    std::vector<Message> messages =
        without_gil([&] { return core_->pop_many_raw(std::min(most, kGroup), timeout); });
    while (append_objects(objects, messages, copy, decode) && messages.size() == kGroup &&
           nb::len(objects) < most && !core_->has_put_back()) {
      messages.clear();
      messages.resize(std::min(most - nb::len(objects), kGroup));
      messages.resize(without_gil([&] { return core_->channel().take_queued(messages); }));
    }
    return objects;
  }

  /// @return metadata, payload bytes and messages queued, or None at end of stream.
  nb::object peek(nb::handle seconds) {
    const Timeout timeout = timeout_from(seconds);
    const std::optional<MessageHead> head = without_gil([&] { return core_->peek(timeout); });
    if (!head) return nb::none();
    const std::string& metadata = head->metadata_json;
    return nb::make_tuple(nb::bytes(metadata.data(), metadata.size()), head->payload_bytes,
                          head->queued);
  }

  std::size_t pop_rows(nb::bytes metadata, nb::handle rows, std::size_t most) {
    const BufferArgument buffer(rows, PyBUF_WRITABLE);
    const std::string_view text = text_of(metadata);
    return without_gil([&] { return core_->pop_rows(text, buffer.writable(), most); });
  }

  void done() {
    without_gil([&] { core_->done(); });
  }
  void count_damaged(std::uint64_t id) {
    without_gil([&] { core_->count_damaged(id); });
  }
  /// @throws Error (system_error) if there is no descriptor to be had.
  [[nodiscard]] std::unique_ptr<PythonWatcher> watcher() const {
    return std::make_unique<PythonWatcher>(std::in_place, core_->channel(), Watcher::For::answer);
  }
  int fileno() { return readiness_.fd(*core_); }
  bool ready() { return readiness_.ready(*core_); }
  void outlive_exit_hook() const { core_->channel().outlive_exit_hook(); }
  [[nodiscard]] std::uint64_t missed() const { return core_->missed(); }
  [[nodiscard]] nb::object killed_producers() const {
    const std::optional<StreamEnd> end = core_->end();
    return end ? nb::object(nb::int_(end->killed_producers)) : nb::none();
  }
  std::size_t trim() {
    return without_gil([&] { return core_->trim(); });
  }
  [[nodiscard]] nb::dict stats() const {
    return stats_to_dict(without_gil([&] { return core_->stats(); }));
  }

 private:
  /// Appends the objects of `messages`. False: one could not be decoded; its error waits for the
  /// next pop, with those behind it.
  bool append_objects(nb::list& objects, std::span<Message> messages, bool copy,
                      nb::handle decode) {
    for (std::size_t index = 0; index < messages.size(); ++index) {
      try {
        Incoming incoming = convert(messages[index], copy);
        if (incoming.is_block) incoming.object = decode(incoming.object, copy);
        objects.append(incoming.object);
      } catch (...) {
        const bool at_once = nb::len(objects) == 0 || !can_be_put_off();
        std::exception_ptr error = at_once ? nullptr : std::current_exception();
        const std::span rest = messages.subspan(index + 1);
        without_gil([&] { core_->put_back(std::move(error), rest); });
        if (at_once) throw;
        return false;
      }
    }
    return true;
  }

  HandleReadiness readiness_;
};

void construct(ConsumerHandle* self, std::string name, std::size_t total_data_bytes, bool blocking,
               bool auto_attach, bool auto_unlink, std::uint32_t expected_producers,
               const std::string& stale, nb::handle trusted_owners, nb::handle open_timeout,
               bool subscribe, const std::string& overflow) {
  ConsumerOptions options;
  options.open_timeout = timeout_from(open_timeout, "open_timeout");
  options.blocking = blocking;
  options.auto_attach = auto_attach;
  options.auto_unlink = auto_unlink;
  options.expected_producers = expected_producers;
  options.stale = stale_from(stale);
  options.trusted_owners = owners_from(trusted_owners);
  options.subscribe = subscribe;
  options.overflow = overflow_from(overflow);
  options.interrupt_check = interrupt_check;
  new (self) ConsumerHandle(std::move(name), total_data_bytes, std::move(options));
}

}  // namespace

void bind_consumer(nb::module_& module) {
  nb::class_<ConsumerHandle> consumer(module, "ConsumerHandle",
                                      "The core of SharedRingBufferConsumer.");
  bind_reading(consumer);
  bind_readiness(consumer);
  consumer
      .def("__init__", &construct, nb::arg("name"), nb::arg("total_data_bytes"), nb::kw_only(),
           nb::arg("blocking"), nb::arg("auto_attach"), nb::arg("auto_unlink"),
           nb::arg("expected_producers"), nb::arg("stale"), nb::arg("trusted_owners"),
           nb::arg("open_timeout").none(), nb::arg("subscribe"), nb::arg("overflow"),
           nb::sig("def __init__(self, name: str, total_data_bytes: int, *, blocking: bool,"
                   " auto_attach: bool, auto_unlink: bool, expected_producers: int, stale: str,"
                   " trusted_owners: collections.abc.Sequence[int],"
                   " open_timeout: float | None, subscribe: bool, overflow: str) -> None"))
      .def("attach", &ConsumerHandle::attach, nb::arg("timeout").none(),
           nb::sig("def attach(self, timeout: float | None) -> None"))
      .def("pop_latest", &ConsumerHandle::pop_latest, nb::arg("timeout").none(), nb::arg("copy"),
           nb::sig("def pop_latest(self, timeout: float | None, copy: bool) -> typing.Any"),
           "As `pop`, but the newest message; those before it are given up.")
      .def("pop_many", &ConsumerHandle::pop_many, nb::arg("most"), nb::arg("timeout").none(),
           nb::arg("copy"), nb::arg("decode"),
           nb::sig("def pop_many(self, most: int, timeout: float | None, copy: bool,"
                   " decode: collections.abc.Callable[[Block, bool], typing.Any])"
                   " -> list[typing.Any]"),
           "What is queued, at least one object; empty at end of stream.")
      .def("peek", &ConsumerHandle::peek, nb::arg("timeout").none(),
           nb::sig("def peek(self, timeout: float | None) -> tuple[bytes, int, int] | None"),
           "Metadata and payload bytes of the next message, which stays; and how many there are.")
      .def("pop_rows", &ConsumerHandle::pop_rows, nb::arg("metadata"), nb::arg("rows"),
           nb::arg("most"),
           nb::sig("def pop_rows(self, metadata: bytes, rows: object, most: int) -> int"),
           "Take messages of exactly this metadata and size, side by side into a buffer.")
      .def("done", &ConsumerHandle::done, "Redelivery: finish what this thread has popped last.")
      .def("count_damaged", &ConsumerHandle::count_damaged, nb::arg("id"),
           "Count a popped message as dropped: it could not be decoded.")
      .def("watcher", &ConsumerHandle::watcher, nb::keep_alive<0, 1>(),
           "Waits until a pop has an answer. Only for an attached handle.")
      .def("outlive_exit_hook", &ConsumerHandle::outlive_exit_hook,
           "Stay open in close_handles and shut_down; who asks for this closes it later.")
      .def_prop_ro("missed", &ConsumerHandle::missed,
                   "Of a subscriber: messages that it was not given.")
      .def_prop_ro("killed_producers", &ConsumerHandle::killed_producers,
                   nb::sig("def killed_producers(self) -> int | None"),
                   "Producers that were killed, None before a pop has found the end.")
      .def("trim", &ConsumerHandle::trim, "Give back memory that is not in use; how many bytes.")
      .def("stats", &ConsumerHandle::stats, nb::sig("def stats(self) -> dict[str, int]"));
  module.def(
      "set_builtins_replaced", [](bool replaced) { g_builtins_replaced = replaced; },
      nb::arg("replaced"),
      "Switch the fast paths of push and pop off, because users have registered such a type.");
}

}  // namespace ipc0cp::python
