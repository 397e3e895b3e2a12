// SPDX-License-Identifier: Apache-2.0
// Payloads made before the clock starts: both processes make the same ones and can compare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

namespace bench {

/// Pieces of one block of random bytes, of sizes spread evenly over a range. One block, because a
/// pool larger than the cache would measure the memory behind it.
class PayloadPool {
 public:
  PayloadPool(std::size_t min_bytes, std::size_t max_bytes) : block_(max_bytes + kPieces * 64) {
    std::mt19937_64 random(20);
    for (std::size_t i = 0; i + 8 <= block_.size(); i += 8) {
      const std::uint64_t word = random();
      std::memcpy(&block_[i], &word, sizeof word);
    }
    std::uniform_int_distribution<std::size_t> bytes(min_bytes, max_bytes);
    for (std::size_t i = 0; i < kPieces; ++i) pieces_.emplace_back(&block_[i * 64], bytes(random));
  }

  [[nodiscard]] std::span<const std::byte> of_message(std::uint64_t number) const {
    return pieces_[number % kPieces];
  }

 private:
  static constexpr std::size_t kPieces = 67;
  std::vector<std::byte> block_;
  std::vector<std::span<const std::byte>> pieces_;
};

/// Reads one word of each cache line.
inline std::uint64_t touch(std::span<const std::byte> payload) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i + 8 <= payload.size(); i += 64) {
    std::uint64_t word = 0;
    std::memcpy(&word, &payload[i], sizeof word);
    sum += word;
  }
  return sum;
}

}  // namespace bench
