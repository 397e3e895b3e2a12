// SPDX-License-Identifier: Apache-2.0
// The red zone behind each payload: who writes past the end of a loan is found out.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shm/segment.hpp"

namespace ipc0cp::shm::red_zone {

/// Depends on block and generation, so a stale copy of another block's zone does not pass. No byte
/// is zero: an untouched page never passes.
inline std::uint64_t pattern_of(std::uint32_t descriptor, std::uint32_t generation) noexcept {
  const std::uint64_t word =
      (std::uint64_t{descriptor} << 32 | (generation & 0xFF'FFFFU)) * 0x9E3779B97F4A7C15U;
  return (word ^ word >> 29) | 0x0101010101010101U;
}

inline std::size_t size_of(const BlockPlan& plan) noexcept {
  return static_cast<std::size_t>(plan.metadata_offset() - plan.payload_bytes);
}

// The zone repeats the word from its first byte on. It is 16..31 bytes long, so its first and its
// last 16 bytes cover it; loads that match the stores in place and width are forwarded quickly.
inline void write(std::byte* block, const BlockPlan& plan, std::uint32_t descriptor,
                  std::uint32_t generation) noexcept {
  const std::uint64_t word = pattern_of(descriptor, generation);
  const std::uint64_t turned = std::rotr(word, static_cast<int>(size_of(plan) % 8 * 8));
  std::byte* zone = block + plan.payload_bytes;
  std::byte* last = zone + size_of(plan) - 16;
  std::memcpy(zone, &word, 8);
  std::memcpy(zone + 8, &word, 8);
  std::memcpy(last, &turned, 8);
  std::memcpy(last + 8, &turned, 8);
}

inline bool intact(const std::byte* block, const BlockPlan& plan, std::uint32_t descriptor,
                   std::uint32_t generation) noexcept {
  const std::uint64_t word = pattern_of(descriptor, generation);
  const std::uint64_t turned = std::rotr(word, static_cast<int>(size_of(plan) % 8 * 8));
  const std::byte* zone = block + plan.payload_bytes;
  const std::byte* last = zone + size_of(plan) - 16;
  std::uint64_t found[4];
  std::memcpy(&found[0], zone, 8);
  std::memcpy(&found[1], zone + 8, 8);
  std::memcpy(&found[2], last, 8);
  std::memcpy(&found[3], last + 8, 8);
  return ((found[0] ^ word) | (found[1] ^ word) | (found[2] ^ turned) | (found[3] ^ turned)) == 0;
}

}  // namespace ipc0cp::shm::red_zone
