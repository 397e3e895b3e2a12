// SPDX-License-Identifier: Apache-2.0
/// @file
/// TypeRegistry: which function makes an object of a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ipc0cp/export.hpp"
#include "ipc0cp/payload.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

namespace codec {
struct Registration;
}  // namespace codec

/// Deserializers by type and version. The built-in types are registered like any other, for any
/// version, and can be replaced. Thread-safe; the last registration counts.
///
///     auto& registry = ipc0cp::TypeRegistry::instance();
///     registry.register_type("Point", [](const auto& metadata, const auto& payload) {
///       return std::make_unique<Point>(metadata.at("label"), payload.size());
///     }, "1.0");
class IPC0CP_EXPORT TypeRegistry {
 public:
  /// Metadata as strings: values that are not strings as canonical JSON text.
  using Metadata = std::map<std::string, std::string>;
  /// Makes an object of a message. `Payload::owner` may be kept, and with it the block of the ring.
  using Deserializer =
      std::function<std::unique_ptr<SerializableObject>(const Metadata&, const Payload&)>;

  /// The registry of this process; it lives until the process ends.
  static TypeRegistry& instance();
  TypeRegistry(const TypeRegistry&) = delete;
  TypeRegistry& operator=(const TypeRegistry&) = delete;

  /// Makes `function` the deserializer of messages of this type, also inside lists and maps.
  /// @param name the `type` of the metadata, not empty.
  /// @param function takes (const Metadata&, payload) and returns a std::unique_ptr to an object,
  ///   not null. The payload is, whichever comes first of what it accepts: `const Payload&` (bytes
  ///   and their owner, no copy; what generic lambdas get), `std::span<const std::byte>` or
  ///   `std::span<const std::uint8_t>` (valid during the call), `const std::vector<std::uint8_t>&`
  ///   (a copy). Any thread that pops calls it, also several at the same time. What it throws
  ///   passes through pop; the message counts as popped.
  /// @param version for this version only; empty: for all versions without one of their own.
  /// @throws Error (invalid_argument) for an empty name, a name reserved for ipc0cp.Queue
  ///   (`pickle`, `python`), an empty std::function or a null pointer.
  template <class Function>
  void register_type(std::string_view name, Function&& function, std::string_view version = {}) {
    insert(name, version, wrap(std::forward<Function>(function)));
  }
  /// Forgets one registration; the built-in deserializer of that name, if any, is back.
  /// @return false if there was none by a user.
  bool unregister_type(std::string_view name, std::string_view version = {});
  /// The deserializer for a message: exact version first, then any; empty if there is none.
  [[nodiscard]] Deserializer find(std::string_view name, std::string_view version = {}) const;
  /// Rises with every change.
  [[nodiscard]] std::uint64_t generation() const noexcept;

 private:
  friend struct codec::Registration;
  struct State;
  TypeRegistry();
  ~TypeRegistry() = default;
  void insert(std::string_view name, std::string_view version, Deserializer function);

  template <class Function>
  static Deserializer wrap(Function&& function);

  State* state_;
};

namespace detail {

/// Whether a callable can be empty. Lambdas are not asked: some convert to bool, always true.
template <class F>
inline constexpr bool can_be_empty = std::is_pointer_v<F>;
template <class Signature>
inline constexpr bool can_be_empty<std::function<Signature>> = true;

}  // namespace detail

template <class Function>
TypeRegistry::Deserializer TypeRegistry::wrap(Function&& function) {
  using F = std::decay_t<Function>;
  using Object = std::unique_ptr<SerializableObject>;
  using Bytes = std::span<const std::uint8_t>;
  using Vector = std::vector<std::uint8_t>;
  constexpr bool kTakesPayload = std::is_invocable_v<F&, const Metadata&, const Payload&>;
  constexpr bool kTakesBytes = std::is_invocable_v<F&, const Metadata&, const Bytes&>;
  constexpr bool kTakesVector = std::is_invocable_v<F&, const Metadata&, const Vector&>;
  static_assert(kTakesPayload || kTakesBytes || kTakesVector,
                "register_type: the function takes (const std::map<std::string, std::string>&, "
                "payload), payload being const Payload&, std::span<const std::byte>, "
                "std::span<const std::uint8_t> or const std::vector<std::uint8_t>&");
  // Shared: a std::function must be copyable, what a user registers need not be.
  auto call = std::make_shared<F>(std::forward<Function>(function));
  if constexpr (detail::can_be_empty<F>) {
    if (!*call) return {};
  }
  return [call = std::move(call)](const Metadata& metadata, const Payload& payload) -> Object {
    if constexpr (kTakesPayload) {
      return (*call)(metadata, payload);
    } else {
      const Bytes bytes(reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size());
      if constexpr (kTakesBytes) {
        return (*call)(metadata, bytes);
      } else if constexpr (kTakesVector) {
        const Vector copy(bytes.begin(), bytes.end());
        return (*call)(metadata, copy);
      }
    }
  };
}

}  // namespace ipc0cp
