// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "array_cache.hpp"
#include "block.hpp"
#include "gil.hpp"
#include "handles.hpp"
#include "incoming.hpp"
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
    if (!put_back_.empty()) [[unlikely]]
      return to_object(take_put_back(), cache_, copy).object;
    std::optional<Message> message = take(seconds);
    if (!message) return nb::none();
    return to_object(*message, cache_, copy).object;
  }

  nb::object pop_raw(nb::handle seconds) {
    if (!put_back_.empty()) [[unlikely]]
      return take_put_back();
    std::optional<Message> message = take(seconds);
    if (!message) return nb::none();
    return nb::cast(Block(std::move(*message)));
  }

  /// Waits for one message, then takes what is there, decoded by `decode(block)` where needed. If
  /// one cannot be decoded, it and those behind it are put back: the next pop raises its error.
  nb::list pop_many(std::size_t most, nb::handle seconds, bool copy, nb::handle decode) {
    constexpr std::size_t kGroup = shm::Channel::kMostInOneHold;
    nb::list objects;
    if (!put_back_.empty()) [[unlikely]] {
      std::vector<nb::object> blocks;
      while (blocks.size() < most && !put_back_.empty()) blocks.push_back(take_put_back());
      append_objects(objects, std::span(blocks), copy, decode);
      return objects;
    }
    const Timeout timeout = timeout_from(seconds);
    std::vector<Message> messages =
        without_gil([&] { return consumer_->pop_many_raw(std::min(most, kGroup), timeout); });
    while (append_objects(objects, std::span(messages), copy, decode) &&
           messages.size() == kGroup && nb::len(objects) < most) {
      messages.clear();
      messages.resize(std::min(most - nb::len(objects), kGroup));
      messages.resize(without_gil([&] { return consumer_->channel().take_queued(messages); }));
    }
    return objects;
  }

  /// @return metadata, payload bytes and messages queued, or None at end of stream.
  nb::object peek(nb::handle seconds) {
    const auto describe = [](std::string_view metadata, std::uint64_t bytes, std::uint64_t queued) {
      return nb::make_tuple(nb::bytes(metadata.data(), metadata.size()), bytes, queued);
    };
    if (!put_back_.empty()) [[unlikely]] {
      const Message& first = nb::inst_ptr<Block>(put_back_.front())->message;
      return describe(first.metadata(), first.payload().size(), put_back_.size());
    }
    const Timeout timeout = timeout_from(seconds);
    const std::optional<MessageHead> head = without_gil([&] { return consumer_->peek(timeout); });
    if (!head) return nb::none();
    return describe(head->metadata_json, head->payload_bytes, head->queued);
  }

  std::size_t pop_rows(nb::bytes metadata, nb::handle rows, std::size_t most) {
    const BufferArgument buffer(rows, PyBUF_WRITABLE);
    const std::string_view text = text_of(metadata);
    const std::size_t row_bytes = most > 0 ? buffer.bytes().size() / most : 0;
    std::size_t count = 0;
    for (; count < most && !put_back_.empty(); ++count) {
      const Message& first = nb::inst_ptr<Block>(put_back_.front())->message;
      if (first.metadata() != text || first.payload().size() != row_bytes) return count;
      const nb::object block = take_put_back();
      copy_bytes(buffer.writable().subspan(count * row_bytes).data(), first.payload());
    }
    const std::span rest = buffer.writable().subspan(count * row_bytes);
    return count + without_gil([&] { return consumer_->pop_rows(text, rest, most - count); });
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
  /// @throws Error (system_error) if there is no descriptor to be had.
  [[nodiscard]] std::unique_ptr<Watcher> watcher() const {
    return std::make_unique<Watcher>(consumer_->channel(), Watcher::For::answer);
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

  nb::object take_put_back() {
    nb::object block = std::move(put_back_.front());
    put_back_.pop_front();
    return block;
  }

  static nb::object as_block(Message& message) { return nb::cast(Block(std::move(message))); }
  static nb::object as_block(const nb::object& block) { return block; }

  /// Appends the objects of `items`, which are messages or Blocks. False: one could not be decoded;
  /// it waits for the next pop, with those behind it.
  template <class Item>
  bool append_objects(nb::list& objects, std::span<Item> items, bool copy, nb::handle decode) {
    for (std::size_t index = 0; index < items.size(); ++index) {
      nb::object block;
      try {
        Incoming incoming = to_object(items[index], cache_, copy);
        if (incoming.is_block) {
          block = incoming.object;
          incoming.object = decode(block, copy);
        }
        objects.append(incoming.object);
      } catch (...) {
        const bool at_once = nb::len(objects) == 0 || !can_be_put_off();
        auto place = put_back_.begin();
        const auto put_back = [&](nb::object object) {
          place = std::next(put_back_.insert(place, std::move(object)));
        };
        if (!at_once) put_back(block.is_valid() ? block : as_block(items[index]));
        for (Item& item : items.subspan(index + 1)) put_back(as_block(item));
        if (at_once) throw;
        return false;
      }
    }
    return true;
  }

  std::unique_ptr<SharedRingBufferConsumer> consumer_;
  ArrayCache cache_;
  /// Blocks that a pop_many took and could not use; they come before everything else.
  std::deque<nb::object> put_back_;
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
      .def("remember", &ConsumerHandle::remember, nb::arg("metadata"), nb::arg("dtype"),
           nb::arg("shape"), nb::arg("is_fortran"), nb::arg("payload_bytes"),
           nb::sig("def remember(self, metadata: bytes, dtype: object, shape: tuple[int, ...],"
                   " is_fortran: bool, payload_bytes: int) -> None"),
           "Let `pop` build arrays of exactly this metadata from now on.")
      .def("done", &ConsumerHandle::done, "Redelivery: finish what this thread has popped last.")
      .def("watcher", &ConsumerHandle::watcher, nb::keep_alive<0, 1>(),
           "Waits until a pop has an answer. Only for an attached handle.")
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
