// SPDX-License-Identifier: Apache-2.0
// What is wrong with a ring, in words: found in what can be seen of it from outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipc0cp/inspect.hpp"

namespace ipc0cp::cli {

/// One thing that is wrong.
struct Finding {
  std::string kind;      ///< One word for programs, for example "stopped".
  std::string sentence;  ///< What, and who: "consumer pid 42 (worker) is stopped".
  std::string evidence;  ///< What of the snapshot says so.
  std::string advice;    ///< What to do.
  std::string command;   ///< The same to be typed; empty: it is nothing that a command could do.
};

/// What somebody's program asks for, to be compared with what the ring has.
struct Expected {
  std::optional<std::uint64_t> total_data_bytes;
  std::optional<std::uint64_t> max_messages;
  std::optional<bool> redeliver;
};

/// A ring at two moments, the second a little later.
struct TwoLooks {
  inspect::Ring before;
  inspect::Ring now;
  /// Whether nothing was pushed or popped in between.
  [[nodiscard]] bool stands_still() const noexcept;
};

/// "consumer pid 42 (worker)".
std::string named(const inspect::Participant& one);

/// All but the cycles, the worst first.
std::vector<Finding> diagnose(const TwoLooks& ring, const inspect::Directory& directory,
                              const Expected& expected);
/// Of rings whose processes wait for one another around a circle, the one through `name`.
std::vector<Finding> find_cycles(const std::string& name, const std::vector<TwoLooks>& rings);

}  // namespace ipc0cp::cli
