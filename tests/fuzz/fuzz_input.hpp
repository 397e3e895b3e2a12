// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets of the object layer share: messages as inputs, and promises as aborts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>

#include "ipc0cp/message.hpp"

namespace ipc0cp::fuzz {

/// Ends the program, and so the run, if a promise is broken.
inline void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

/// A payload at a multiple of 64 in memory of exactly its size, so that sanitizers see a read past
/// its end.
inline std::shared_ptr<std::byte> allocate(std::size_t size) {
  constexpr std::align_val_t kAlignment{64};
  return {static_cast<std::byte*>(::operator new(size, kAlignment)),
          [](std::byte* pointer) { ::operator delete(pointer, kAlignment); }};
}

inline Payload payload_of(std::span<const std::byte> bytes) {
  const auto owner = allocate(bytes.size());
  std::copy(bytes.begin(), bytes.end(), owner.get());
  return {{owner.get(), bytes.size()}, owner};
}

/// Metadata and payload of one message, divided by the first zero byte of the input: inputs are
/// easy to read, and metadata cannot hold one.
struct MessageInput {
  MessageInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto end = std::find(bytes.begin(), bytes.end(), std::byte{0});
    metadata.assign(reinterpret_cast<const char*>(data),
                    static_cast<std::size_t>(end - bytes.begin()));
    if (end != bytes.end()) payload = payload_of(bytes.subspan(metadata.size() + 1));
  }

  std::string metadata;
  Payload payload;
};

}  // namespace ipc0cp::fuzz
