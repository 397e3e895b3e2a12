// SPDX-License-Identifier: Apache-2.0
/// @file
/// FlatBufferData from builders, and its root as generated classes have it. Opt-in: needs the
/// FlatBuffers headers, target ipc0cp::flatbuffers.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include "ipc0cp/error.hpp"
#include "ipc0cp/flatbuffer_data.hpp"

namespace ipc0cp {

/// What verification accepts at most. Its time grows with the tables, and with the strings of each
/// vector as often as tables refer to it.
struct FlatBufferLimits {
  std::uint32_t max_depth = 64;          ///< Tables within tables.
  std::uint32_t max_tables = 1'000'000;  ///< Counted as often as they are referred to.
};

namespace detail {

/// A builder says whether it is finished to derived classes only.
struct FinishedBuilder : flatbuffers::FlatBufferBuilder {
  static void check(const flatbuffers::FlatBufferBuilder& builder) {
    if (!(builder.*&FinishedBuilder::finished)) {
      throw Error(ErrorCode::invalid_argument,
                  "this FlatBufferBuilder is not finished: call Finish(root) first");
    }
  }
};

class FlatBufferVerification {
 public:
  template <class T>
  static void check_once(const FlatBufferData& data, const FlatBufferLimits& limits) {
    if (data.verified_.get() == &typeid(T)) return;
    const auto bytes = data.bytes();
    flatbuffers::Verifier::Options options;
    options.max_depth = limits.max_depth;
    options.max_tables = limits.max_tables;
    flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                   bytes.size(), options);
    const bool is_good = data.size_prefixed() ? verifier.VerifySizePrefixedBuffer<T>(nullptr)
                                              : verifier.VerifyBuffer<T>(nullptr);
    if (!is_good) {
      throw Error(ErrorCode::corrupt_payload,
                  "a flatbuffer of " + std::to_string(bytes.size()) + " bytes with " +
                      shown(data.identifier()) +
                      " failed verification: it is damaged, of another schema, or has more than " +
                      std::to_string(limits.max_depth) + " levels or " +
                      std::to_string(limits.max_tables) + " tables (FlatBufferLimits)");
    }
    data.verified_.set(&typeid(T));
  }

  static void check_identifier(const FlatBufferData& data, std::string_view expected) {
    constexpr std::size_t kIdentifierBytes = flatbuffers::FlatBufferBuilder::kFileIdentifierLength;
    const auto* found = flatbuffers::GetBufferIdentifier(data.bytes().data(), data.size_prefixed());
    if (expected != std::string_view(found, kIdentifierBytes)) {
      throw Error(ErrorCode::unsupported_type, "the flatbuffer has " + shown(data.identifier()) +
                                                   ", asked for was \"" + std::string(expected) +
                                                   '"');
    }
  }

 private:
  static std::string shown(std::string_view identifier) {
    if (identifier.empty()) return "no identifier";
    return "the identifier \"" + std::string(identifier) + '"';
  }
};

}  // namespace detail

/// Takes a finished buffer over, without a copy.
/// @throws Error (invalid_argument) if its builder had not finished it.
inline FlatBufferData from_flatbuffer(flatbuffers::DetachedBuffer buffer) {
  const auto owner = std::make_shared<flatbuffers::DetachedBuffer>(std::move(buffer));
  return FlatBufferData(
      Payload{std::as_bytes(std::span<const std::uint8_t>(owner->data(), owner->size())), owner});
}

/// The same from its builder, which must be Clear()ed before it is used again.
inline FlatBufferData from_flatbuffer(flatbuffers::FlatBufferBuilder&& builder) {
  detail::FinishedBuilder::check(builder);
  return from_flatbuffer(builder.Release());
}

/// A view of the memory of a finished builder, to be pushed before the builder is used again or
/// destroyed: a builder that is Clear()ed each time allocates nothing from the second message on.
/// @throws Error (invalid_argument) if the builder is not finished.
inline FlatBufferData borrow_flatbuffer(const flatbuffers::FlatBufferBuilder& builder) {
  detail::FinishedBuilder::check(builder);
  const std::span<const std::uint8_t> bytes(builder.GetBufferPointer(), builder.GetSize());
  // A pointer that owns nothing, because one that is null would make a copy.
  const std::shared_ptr<const void> nobody;
  return FlatBufferData(
      Payload{std::as_bytes(bytes), std::shared_ptr<const void>(nobody, bytes.data())});
}

/// The root table, verified and in place: in the ring, if the buffer came out of one.
///
/// The library's Verifier runs on the first call for a T, and on the first call for another T;
/// what it found is remembered. Thread-safe.
/// @tparam T the root type, as flatc generates it.
/// @param identifier what `data` must have as identifier, for example `MonsterIdentifier()`; empty:
///   anything.
/// @param limits count when the verifier runs.
/// @return the root; it keeps the block of the ring, also past `data` and the consumer.
/// @throws Error (corrupt_payload) if the buffer is not one of T or exceeds the limits;
///   (unsupported_type) if it has another identifier.
template <class T>
[[nodiscard]] std::shared_ptr<const T> root(const FlatBufferData& data,
                                            std::string_view identifier = {},
                                            const FlatBufferLimits& limits = {}) {
  if (!identifier.empty()) detail::FlatBufferVerification::check_identifier(data, identifier);
  detail::FlatBufferVerification::check_once<T>(data, limits);
  const auto* bytes = data.bytes().data();
  const T* table = data.size_prefixed() ? flatbuffers::GetSizePrefixedRoot<T>(bytes)
                                        : flatbuffers::GetRoot<T>(bytes);
  return {data.payload().owner, table};
}

}  // namespace ipc0cp
