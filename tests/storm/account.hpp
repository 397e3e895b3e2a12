// SPDX-License-Identifier: Apache-2.0
// The books of a storm: what must be true of the ledger once everybody has gone.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "ledger.hpp"

namespace ipc0cp::storm {

class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What happened to the messages of a storm.
struct Account {
  std::uint64_t messages = 0;    ///< Whose push returned true.
  std::uint64_t unsure = 0;      ///< Delivered, though their producer died before it knew.
  std::uint64_t missing = 0;     ///< Pushed and noted by nobody.
  std::uint64_t duplicates = 0;  ///< Noted more than once.
  std::uint64_t killed_consumers = 0;
  std::uint64_t held_least = 0;  ///< By killed consumers, together.
  std::uint64_t held_most = 0;
  Counters counters;
};

/// What the storm itself was like.
struct Report {
  std::uint64_t kills = 0;
  std::uint64_t stops = 0;
  double seconds = 0;
  double longest_stall_seconds = 0;
};

/// @throws Violation naming the promise that was broken.
Account settle_account(const Ledger& ledger, bool redeliver);

void print_account(const Account& account, const Report& report);

}  // namespace ipc0cp::storm
