// SPDX-License-Identifier: Apache-2.0
// What is seen of rings as JSON and as metrics: docs/command_line.md, "JSON".
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ipc0cp/inspect.hpp"

namespace ipc0cp::cli {

using Json = nlohmann::ordered_json;

/// Seconds since a moment of the snapshot's clock; null if the moment is not known.
Json age_json(std::int64_t since_ns, std::int64_t now_ns);
Json summary_json(const inspect::RingSummary& ring, const std::optional<inspect::Rates>& rates);
Json ring_json(const inspect::Ring& ring, const std::optional<inspect::Rates>& rates);
/// Prints one value in one line, or over several for people.
/// @throws Failure if standard output cannot be written.
void print_json(const Json& value, bool in_one_line);
/// @throws Failure if standard output cannot be written.
void print_text(const std::string& text);

/// In the text format of OpenMetrics, ending in "# EOF".
std::string open_metrics(const std::vector<inspect::RingSummary>& rings);

/// The ring, or exit code 3.
inspect::Ring look_at(const std::string& name);

}  // namespace ipc0cp::cli
