// SPDX-License-Identifier: Apache-2.0
// Payloads made before the clock starts. Every endpoint, in any language, makes the same ones and
// can compare:
//
//   block     word j of it (8 bytes, little-endian) is (j + 1) * 0x9E3779B97F4A7C15 modulo 2^64
//   piece i   of 67: the bytes of the block from 64 * i on, as many as
//             min + (max - min) * (29 * i % 67) / 66, rounded down
//   message   piece i, its first 16 bytes replaced by the stamp
//
// The pieces overlap, because a pool larger than the cache would measure the memory behind it. The
// sizes are spread evenly over the range, in an order without rises and falls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// The first bytes of every message, little-endian.
struct Stamp {
  std::uint32_t producer = 0;
  std::uint32_t piece = 0;
  std::uint64_t sequence = 0;  ///< Of the producer's messages, from 0.
};
static_assert(sizeof(Stamp) == 16);

inline Stamp read_stamp(std::span<const std::byte> message) {
  if (message.size() < sizeof(Stamp)) {
    throw std::runtime_error("a message of " + std::to_string(message.size()) + " bytes");
  }
  Stamp stamp;
  std::memcpy(&stamp, message.data(), sizeof stamp);
  return stamp;
}

/// One thread at a time.
class PayloadPool {
 public:
  static constexpr std::uint32_t kPieces = 67;

  PayloadPool(std::size_t min_bytes, std::size_t max_bytes)
      : min_bytes_(min_bytes), spread_bytes_(max_bytes - min_bytes) {
    block_.resize((max_bytes + (kPieces - 1) * kPieceApart) / kWord + 1);
    for (std::size_t j = 0; j < block_.size(); ++j) block_[j] = word(j);
  }

  /// How long message `piece` is.
  [[nodiscard]] std::size_t bytes(std::uint32_t piece) const {
    return min_bytes_ + spread_bytes_ * (29 * piece % kPieces) / (kPieces - 1);
  }

  /// The message, until `restore`: other pieces share its memory.
  [[nodiscard]] std::span<std::byte> stamped(const Stamp& stamp) {
    const auto piece = bytes_of(stamp.piece);
    std::memcpy(piece.data(), &stamp, sizeof stamp);
    return piece;
  }
  void restore(std::uint32_t piece) {
    const std::size_t first = piece * kPieceApart / kWord;
    for (std::size_t j = first; j < first + sizeof(Stamp) / kWord; ++j) block_[j] = word(j);
  }
  /// A piece without its stamp.
  [[nodiscard]] std::span<std::byte> bytes_of(std::uint32_t piece) {
    return std::as_writable_bytes(std::span(block_)).subspan(piece * kPieceApart, bytes(piece));
  }

  /// Writes the message without reading the pool, as a program does that makes its data in place.
  /// @param target of `bytes(stamp.piece)` bytes.
  static void generate(const Stamp& stamp, std::span<std::byte> target) {
    const std::size_t first = stamp.piece * kPieceApart / kWord;
    const std::size_t words = target.size() / kWord;
    write_words(target.data(), words, word(first));
    const std::uint64_t last = word(first + words);
    std::memcpy(target.data() + words * kWord, &last, target.size() % kWord);
    std::memcpy(target.data(), &stamp, sizeof stamp);
  }

  /// Compares all behind the stamp. @throws if the message is not what was sent.
  void compare(const Stamp& stamp, std::span<const std::byte> message) {
    const auto expected = bytes_of(stamp.piece);
    constexpr std::size_t kStamp = sizeof(Stamp);
    if (std::memcmp(message.data() + kStamp, expected.data() + kStamp, expected.size() - kStamp) !=
        0) {
      throw std::runtime_error("message " + std::to_string(stamp.sequence) + " of producer " +
                               std::to_string(stamp.producer) + " has other contents than sent");
    }
  }

 private:
  static constexpr std::size_t kPieceApart = 64;
  static constexpr std::size_t kWord = sizeof(std::uint64_t);
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15U;
  static constexpr std::uint64_t word(std::size_t j) { return (j + 1) * kStep; }

  /// As fast as memory takes it, which needs the widest stores of the processor.
  __attribute__((target_clones("avx512f", "avx2", "default"))) static void write_words(
      std::byte* target, std::size_t words, std::uint64_t value) {
    for (std::size_t k = 0; k < words; ++k, value += kStep) {
      std::memcpy(target + k * kWord, &value, kWord);
    }
  }

  std::size_t min_bytes_;
  std::size_t spread_bytes_;
  std::vector<std::uint64_t> block_;
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
