// SPDX-License-Identifier: Apache-2.0
// What `top`, `doctor` and `serve` tell of rings, as JSON: docs/command_line.md, "JSON".
#pragma once

#include <vector>

#include "ring_json.hpp"
#include "top_page.hpp"

namespace ipc0cp::cli {

/// As `top --json`: the rings of `ls --json`, each with sentences of what is wrong.
Json page_json(const TopPage& page);
/// As `stat --json`, with the findings of `doctor --json`.
Json row_json(const TopRow& row);
/// The array in `doctor --json`.
Json findings_json(const std::vector<Finding>& findings);

}  // namespace ipc0cp::cli
