// SPDX-License-Identifier: Apache-2.0
// ipc0cp ls: which rings there are.
#include <memory>
#include <nlohmann/json.hpp>

#include "declared.hpp"
#include "failure.hpp"
#include "ring_json.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

void add_row(Table& table, const inspect::RingSummary& ring) {
  const std::string memory = short_bytes(static_cast<double>(ring.backed_bytes));
  std::vector<std::string> row{ring.name, "-", memory, "-", "-", "-", "-", "-", "-"};
  if (ring.has_figures()) {
    row = {ring.name,
           short_bytes(static_cast<double>(ring.stats.total_data_bytes)),
           memory,
           short_count(static_cast<double>(ring.stats.messages)),
           percent(ring.depth),
           std::to_string(ring.producers),
           std::to_string(ring.consumers),
           std::to_string(ring.subscribers),
           short_age(ring.oldest_published_ns, ring.taken_ns)};
  }
  std::string state(inspect::to_string(ring.state));
  if (ring.dead > 0) state += ", " + std::to_string(ring.dead) + " dead";
  row.push_back(std::move(state));
  table.add(std::move(row));
}

int list(bool as_json) {
  const std::vector<inspect::RingSummary> rings = inspect::rings();
  if (as_json) {
    Json json = {{"rings", Json::array()}};
    for (const auto& ring : rings) json["rings"].push_back(summary_json(ring, std::nullopt));
    print_json(json, false);
    return kDone;
  }
  Table table({"NAME", ">SIZE", ">MEMORY", ">QUEUED", ">DEPTH", ">PROD", ">WORK", ">SUBS",
               ">OLDEST", "STATE"});
  for (const auto& ring : rings) add_row(table, ring);
  print_text(table.empty() ? "no rings in " + inspect::directory().path + "\n" : table.to_string());
  return kDone;
}

}  // namespace

std::function<int()> prepare_ls(Arguments& arguments) {
  const auto as_json = std::make_shared<bool>(false);
  arguments.flag("-j,--json", *as_json, "As JSON");
  return [as_json] { return list(*as_json); };
}

}  // namespace ipc0cp::cli
