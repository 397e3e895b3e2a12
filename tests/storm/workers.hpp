// SPDX-License-Identifier: Apache-2.0
// What the processes of a storm do until they are killed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ledger.hpp"

namespace ipc0cp::storm {

struct Settings {
  std::string ring;
  std::size_t total_bytes = 16 << 20;
  std::size_t smallest_bytes = 64;
  std::size_t largest_bytes = 1 << 20;
  std::size_t most_held = 6;    ///< Messages a consumer keeps while it goes on popping.
  std::size_t subscribers = 0;  ///< Beside the others; half of them let go what they do not read.
  bool redeliver = false;
  bool trim = false;  ///< Everybody gives memory back now and then.
};

/// Joins and does nothing until the ledger says stop. Without it a moment in which nobody lives
/// would end the ring, and with it the counters.
void keep_ring(const Settings& settings, Ledger& ledger);
/// Pushes until the ledger says stop or the entry is full.
/// @throws Error, std::runtime_error: a violation.
void produce(const Settings& settings, Ledger& ledger, std::uint32_t index, std::uint64_t seed);
/// Pops and checks until the ledger says stop.
void consume(const Settings& settings, Ledger& ledger, std::uint32_t index, std::uint64_t seed);
/// Reads as a subscriber until the ledger says stop, then what it has still to read, and checks
/// that it got everything. @param drops what it does not read is given up for want of room.
void subscribe(const Settings& settings, Ledger& ledger, bool drops, std::uint64_t seed);
/// Says when it has joined; takes what is left, up to the end of the stream; copies the counters
/// once all others have gone.
void consume_the_rest(const Settings& settings, Ledger& ledger, std::uint32_t index);

}  // namespace ipc0cp::storm
