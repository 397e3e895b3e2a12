// SPDX-License-Identifier: Apache-2.0
// The red zone behind each payload: who writes past the end of a loan is found out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shm/segment.hpp"

namespace ipc0cp::shm::red_zone {

using Pattern = std::array<std::byte, 32>;

/// Depends on block and generation, so a stale copy of another block's zone does not pass.
inline Pattern pattern_of(std::uint32_t descriptor, std::uint32_t generation) noexcept {
  std::uint64_t word = (std::uint64_t{descriptor} << 32 | generation) + 0x9E3779B97F4A7C15U;
  std::array<std::uint64_t, 4> words{};
  for (std::uint64_t& part : words) {
    word ^= word >> 30;
    word *= 0xBF58476D1CE4E5B9U;
    word ^= word >> 27;
    part = word | 0x0101010101010101U;  // No zero byte: an untouched page never passes.
  }
  Pattern pattern;
  std::memcpy(pattern.data(), words.data(), sizeof pattern);
  return pattern;
}

inline std::size_t size_of(const BlockPlan& plan) noexcept {
  return static_cast<std::size_t>(plan.metadata_offset() - plan.payload_bytes);
}

inline void write(std::byte* block, const BlockPlan& plan, std::uint32_t descriptor,
                  std::uint32_t generation) noexcept {
  const Pattern pattern = pattern_of(descriptor, generation);
  std::memcpy(block + plan.payload_bytes, pattern.data(), size_of(plan));
}

inline bool intact(const std::byte* block, const BlockPlan& plan, std::uint32_t descriptor,
                   std::uint32_t generation) noexcept {
  const Pattern pattern = pattern_of(descriptor, generation);
  return std::memcmp(block + plan.payload_bytes, pattern.data(), size_of(plan)) == 0;
}

}  // namespace ipc0cp::shm::red_zone
