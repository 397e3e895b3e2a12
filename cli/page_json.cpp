// SPDX-License-Identifier: Apache-2.0
#include "page_json.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>

namespace ipc0cp::cli {
namespace {

Json directory_json(const inspect::Directory& directory) {
  const bool has_limit = directory.total_bytes != 0;
  return {{"path", directory.path},
          {"total_bytes", has_limit ? Json(directory.total_bytes) : Json()},
          {"free_bytes", has_limit ? Json(directory.free_bytes) : Json()}};
}

}  // namespace

Json findings_json(const std::vector<Finding>& findings) {
  Json json = Json::array();
  for (const Finding& finding : findings) {
    json.push_back({{"kind", finding.kind},
                    {"sentence", finding.sentence},
                    {"evidence", finding.evidence},
                    {"advice", finding.advice},
                    {"command", finding.command}});
  }
  return json;
}

Json page_json(const TopPage& page) {
  Json json = {{"directory", directory_json(page.directory)}, {"rings", Json::array()}};
  for (const TopRow& row : page.rows) {
    Json ring = summary_json(row.ring, row.rates);
    ring["findings"] = Json::array();
    for (const Finding& finding : row.findings) ring["findings"].push_back(finding.sentence);
    json["rings"].push_back(std::move(ring));
  }
  return json;
}

Json row_json(const TopRow& row) {
  Json json = ring_json(row.ring, row.rates);
  json["findings"] = findings_json(row.findings);
  return json;
}

}  // namespace ipc0cp::cli
