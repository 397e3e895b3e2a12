// SPDX-License-Identifier: Apache-2.0
// What the codec and the object classes share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "codec_layout.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/numpy_array.hpp"

namespace ipc0cp {

/// Texts up to this size are copied at pop: cheaper than to keep their block.
inline constexpr std::size_t kLongestCopiedText = 4096;

/// Fresh memory at a multiple of 64 bytes, not initialised.
std::shared_ptr<std::byte> allocate_bytes(std::size_t size);

/// `payload` itself if it has an owner, else a copy that has one.
Payload keep(const Payload& payload);

/// Makes arrays from layouts that are already checked.
class ArrayAccess {
 public:
  static std::unique_ptr<NumpyArray> view(std::shared_ptr<const detail::ArrayLayout> layout,
                                          const Payload& payload);
};

}  // namespace ipc0cp
