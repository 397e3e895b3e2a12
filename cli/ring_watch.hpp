// SPDX-License-Identifier: Apache-2.0
// All rings, looked at again and again: `ipc0cp top` and the page of `ipc0cp serve`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "top_page.hpp"

namespace ipc0cp::cli {

/// Keeps the look before, so that each look has rates. Not safe for several threads at once.
class RingWatch {
 public:
  /// @throws Error the directory of rings cannot be read.
  TopPage look();

 private:
  static bool take(const inspect::RingSummary& summary, inspect::Ring& ring);
  static void add_cycles(TopPage& page, const std::vector<TwoLooks>& pairs);

  std::map<std::string, inspect::Ring> before_;
};

}  // namespace ipc0cp::cli
