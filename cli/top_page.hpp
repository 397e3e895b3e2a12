// SPDX-License-Identifier: Apache-2.0
// What `ipc0cp top` shows: all rings, and who blocks whom.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "diagnosis.hpp"
#include "ipc0cp/inspect.hpp"
#include "terminal.hpp"

namespace ipc0cp::cli {

/// A ring, what went through it since the last look, and what is wrong with it.
struct TopRow {
  inspect::Ring ring;
  std::optional<inspect::Rates> rates;
  std::vector<Finding> findings;
};

enum class TopOrder { name, depth, in, out };

void sort_rows(std::vector<TopRow>& rows, TopOrder order);

struct TopPage {
  std::vector<TopRow> rows;  ///< In the order in which they are shown.
  inspect::Directory directory;
  TopOrder order = TopOrder::name;
  bool has_keys = false;  ///< Shows which keys do what.
};

/// Exactly as many columns as there are at most; no more rows, if that is wanted.
std::string top_text(const TopPage& page, const TerminalSize& size, bool fits_rows,
                     bool with_color);

}  // namespace ipc0cp::cli
