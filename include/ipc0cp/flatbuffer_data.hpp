// SPDX-License-Identifier: Apache-2.0
/// @file
/// FlatBufferData: a finished FlatBuffer; `ipc0cp/flatbuffer.hpp` makes and reads them.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <typeinfo>

#include "ipc0cp/export.hpp"
#include "ipc0cp/payload.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

namespace detail {
struct FlatBufferLayout;
class FlatBufferVerification;

/// The root type as which a buffer has passed verification. Copies carry it on.
class VerifiedType {
 public:
  VerifiedType() = default;
  VerifiedType(const VerifiedType& other) noexcept : type_(other.get()) {}
  VerifiedType& operator=(const VerifiedType& other) noexcept {
    set(other.get());
    return *this;
  }
  ~VerifiedType() = default;

  // Relaxed: the buffer never changes, so nothing else has to be seen along with the type.
  [[nodiscard]] const std::type_info* get() const noexcept {
    return type_.load(std::memory_order_relaxed);
  }
  void set(const std::type_info* type) noexcept { type_.store(type, std::memory_order_relaxed); }

 private:
  std::atomic<const std::type_info*> type_{nullptr};
};
}  // namespace detail

/// A finished FlatBuffer of any schema, read in place.
///
/// Popped ones are views that keep their block of the ring. Copies share the bytes, which never
/// change. Const calls are thread-safe.
class IPC0CP_EXPORT FlatBufferData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "flatbuffer";  ///< The tag.
  /// Largest buffer, in bytes: what signed offsets of 32 bits reach.
  static constexpr std::size_t kMaxBytes = 0x7FFFFFFE;

  /// A view that shares `buffer.owner`; copies if there is no owner. Whether the buffer has an
  /// identifier and is size-prefixed is found out as docs/object_format.md, section 8, has it.
  /// @throws Error (invalid_argument) if this is no finished FlatBuffer, as far as that can be
  ///   told without the schema, or if it has more than `kMaxBytes`.
  explicit FlatBufferData(const Payload& buffer);

  /// The buffer as its builder left it, size prefix included.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return payload_.bytes; }
  /// Bytes and their owner, to keep them without the object.
  [[nodiscard]] const Payload& payload() const noexcept { return payload_; }
  /// The file identifier, four characters; empty if the buffer has none.
  [[nodiscard]] std::string_view identifier() const noexcept;
  /// Whether the first four bytes are the size of the rest.
  [[nodiscard]] bool size_prefixed() const noexcept;
  /// A copy in memory of its own: for peers that are not trusted to leave the block alone while it
  /// is read.
  [[nodiscard]] FlatBufferData clone() const;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override {
    return payload_.bytes.size();
  }
  void write_payload(std::span<std::byte> target) const override;

 private:
  friend class FlatBufferAccess;
  friend class detail::FlatBufferVerification;
  FlatBufferData(std::shared_ptr<const detail::FlatBufferLayout> layout, Payload payload) noexcept;

  std::shared_ptr<const detail::FlatBufferLayout> layout_;
  Payload payload_;
  mutable detail::VerifiedType verified_;
};

}  // namespace ipc0cp
