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
#include "ipc0cp/message.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

namespace codec {
struct Registration;
}  // namespace codec

/// Deserializers by type and version. The built-in types are registered like any other, for any
/// version, and can be replaced. Thread-safe; the last registration counts.
class IPC0CP_EXPORT TypeRegistry {
 public:
  /// Metadata as strings: values that are not strings as JSON text.
  using Metadata = std::map<std::string, std::string>;
  using Deserializer =
      std::function<std::unique_ptr<SerializableObject>(const Metadata&, const Payload&)>;

  static TypeRegistry& instance();
  TypeRegistry(const TypeRegistry&) = delete;
  TypeRegistry& operator=(const TypeRegistry&) = delete;

  /// Makes `function` the deserializer of messages of this type.
  /// @param name the `type` of the metadata, not empty.
  /// @param function takes (const Metadata&, payload) and returns a std::unique_ptr to an object;
  ///   payload is `const Payload&` (bytes and their owner, no copy), `std::span<const std::byte>`
  ///   (valid during the call) or `const std::vector<std::uint8_t>&` (a copy). What it throws
  ///   passes through pop.
  /// @param version for this version only; empty: for all versions without one of their own.
  /// @throws Error (invalid_argument) for an empty name or an empty std::function.
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

template <class Function>
TypeRegistry::Deserializer TypeRegistry::wrap(Function&& function) {
  using F = std::decay_t<Function>;
  using Bytes = std::span<const std::byte>;
  using Vector = std::vector<std::uint8_t>;
  if constexpr (std::is_invocable_v<F&, const Metadata&, const Payload&>) {
    return Deserializer(std::forward<Function>(function));
  } else if constexpr (std::is_invocable_v<F&, const Metadata&, Bytes>) {
    return [call = F(std::forward<Function>(function))](
               const Metadata& metadata,
               const Payload& payload) mutable -> std::unique_ptr<SerializableObject> {
      return call(metadata, payload.bytes);
    };
  } else {
    static_assert(std::is_invocable_v<F&, const Metadata&, const Vector&>,
                  "register_type: the function takes (const std::map<std::string, std::string>&, "
                  "payload), payload being const Payload&, std::span<const std::byte> or "
                  "const std::vector<std::uint8_t>&");
    return [call = F(std::forward<Function>(function))](
               const Metadata& metadata,
               const Payload& payload) mutable -> std::unique_ptr<SerializableObject> {
      const auto* first = reinterpret_cast<const std::uint8_t*>(payload.bytes.data());
      const Vector copy(first, first + payload.bytes.size());
      return call(metadata, copy);
    };
  }
}

}  // namespace ipc0cp
