// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the handles of rings and of streams have in common. All of it needs the GIL, which calls of
/// the core give away; the core is thread-safe, the rest is guarded by the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "arguments.hpp"
#include "array_cache.hpp"
#include "block.hpp"
#include "gil.hpp"
#include "incoming.hpp"
#include "outgoing.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// A producer or consumer of the core, and the array layouts it has met.
template <class Core>
class Handle {
 public:
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  /// Closing may wait, for a ring's lock or a reader, so it is done without the GIL. Once Python
  /// has shut everything down there is nothing left to be closed.
  ~Handle() {
    if (core_ == nullptr || is_shut_down()) {
      static_cast<void>(core_.release());
      return;
    }
    const nb::error_scope keep_pending_error;
    {
      const WithoutGil region;
      core_.reset();
    }
    raise_soon();
  }

  void remember(nb::bytes metadata, nb::object dtype, nb::tuple shape, bool is_fortran,
                std::size_t payload_bytes) {
    cache_.remember(std::move(metadata), std::move(dtype), std::move(shape), is_fortran,
                    payload_bytes);
  }
  void close() {
    without_gil([&] { core_->close(); });
    raise_pending_error();
  }
  [[nodiscard]] Core& core() const noexcept { return *core_; }

 protected:
  Handle() = default;

  std::unique_ptr<Core> core_;
  ArrayCache cache_;
};

/// A handle that is written to.
template <class Core>
class WritingHandle : public Handle<Core> {
 public:
  /// @return None: not a type the hot path knows, nothing was done.
  nb::object push(nb::handle object, nb::handle seconds) {
    const Outgoing outgoing = find_message(object, this->cache_);
    const RawMessage& message = outgoing.message;
    if (message.metadata_json.empty()) return nb::none();
    const Timeout timeout = timeout_from(seconds);
    return nb::bool_(without_gil(
        [&] { return this->core_->push_raw(message.metadata_json, message.payload, timeout); }));
  }

  bool push_raw(nb::bytes metadata, nb::handle payload, nb::handle seconds) {
    const BufferArgument buffer(payload);
    const std::string_view text = text_of(metadata);
    const Timeout timeout = timeout_from(seconds);
    return without_gil([&] { return this->core_->push_raw(text, buffer.bytes(), timeout); });
  }
};

/// A handle that is read from.
template <class Core>
class ReadingHandle : public Handle<Core> {
 public:
  /// @return the object of a hot type, a Block to be decoded, None at end of stream.
  nb::object pop(nb::handle seconds, nb::handle copy_flag) {
    const bool copy = flag_from(copy_flag, "copy");
    std::optional<Message> message = take(seconds);
    if (!message) return nb::none();
    return convert(*message, copy).object;
  }

  /// The same with the newest message, of a handle whose core has that.
  nb::object pop_latest(nb::handle seconds, nb::handle copy_flag) {
    const bool copy = flag_from(copy_flag, "copy");
    const Timeout timeout = timeout_from(seconds);
    std::optional<Message> message =
        without_gil([&] { return this->core_->pop_latest_raw(timeout); });
    if (!message) return nb::none();
    return convert(*message, copy).object;
  }

  nb::object pop_raw(nb::handle seconds) {
    std::optional<Message> message = take(seconds);
    if (!message) return nb::none();
    return nb::cast(Block(std::move(*message)));
  }

 protected:
  /// A ring counts what cannot be decoded as dropped.
  Incoming convert(Message& message, bool copy) {
    const std::uint64_t id = message.id();
    try {
      return to_object(message, this->cache_, copy);
    } catch (const Error& error) {
      if constexpr (requires(Core & core) { core.count_damaged(0); }) {
        if (error.code() == ErrorCode::corrupt_payload) {
          without_gil([&] { this->core_->count_damaged(id); });
        }
      }
      throw;
    }
  }

 private:
  std::optional<Message> take(nb::handle seconds) {
    const Timeout timeout = timeout_from(seconds);
    return without_gil([&] { return this->core_->pop_raw(timeout); });
  }
};

/// Binds what each handle has.
template <class Type>
void bind_handle(nb::class_<Type>& type) {
  type.def("remember", &Type::remember, nb::arg("metadata"), nb::arg("dtype"), nb::arg("shape"),
           nb::arg("is_fortran"), nb::arg("payload_bytes"),
           nb::sig("def remember(self, metadata: bytes, dtype: object, shape: tuple[int, ...],"
                   " is_fortran: bool, payload_bytes: int) -> None"),
           "Treat arrays of this dtype and shape as a hot type from now on.")
      .def("close", &Type::close)
      .def_prop_ro("closed", [](const Type& handle) { return handle.core().closed(); })
      .def_prop_ro("name", [](const Type& handle) { return handle.core().name(); });
}

/// Binds what each handle has that is written to.
template <class Type>
void bind_writing(nb::class_<Type>& type) {
  bind_handle(type);
  type.def("push", &Type::push, nb::arg("obj").none(), nb::arg("timeout").none() = nb::none(),
           nb::sig("def push(self, obj: object, timeout: float | None = None) -> bool | None"),
           "Push a hot type; None: not one of them, nothing was done.")
      .def("push_raw", &Type::push_raw, nb::arg("metadata"), nb::arg("payload").none(),
           nb::arg("timeout").none(),
           nb::sig("def push_raw(self, metadata: bytes, payload: object,"
                   " timeout: float | None) -> bool"),
           "Push metadata and a C-contiguous buffer as they are.");
}

/// Binds what each handle has that is read from.
template <class Type>
void bind_reading(nb::class_<Type>& type) {
  bind_handle(type);
  type.def("pop", &Type::pop, nb::arg("timeout").none() = nb::none(),
           nb::arg("copy") = nb::bool_(false),
           nb::sig("def pop(self, timeout: float | None = None, copy: bool = False)"
                   " -> typing.Any"),
           "The object of a hot type, a Block to be decoded, or None at end of stream.")
      .def("pop_raw", &Type::pop_raw, nb::arg("timeout").none(),
           nb::sig("def pop_raw(self, timeout: float | None) -> Block | None"),
           "The message as it is, or None at end of stream.");
}

}  // namespace ipc0cp::python
