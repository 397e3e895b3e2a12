// SPDX-License-Identifier: Apache-2.0
// ipc0cp doctor: what is wrong with a ring, and what helps.
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "declared.hpp"
#include "diagnosis.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "ipc0cp/error.hpp"
#include "page_json.hpp"
#include "ring_json.hpp"

namespace ipc0cp::cli {
namespace {

struct Options {
  std::string name;
  bool json = false;
  Expected expected;
  bool redeliver = false;
};

constexpr double kBetweenLooks = 0.3;

/// Twice, all rings: a circle goes through several. One that comes or goes meanwhile is in none.
std::vector<TwoLooks> look_twice(const std::string& name) {
  std::vector<TwoLooks> rings;
  const auto take = [](const std::string& of) -> std::optional<inspect::Ring> {
    try {
      return inspect::ring(of);
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  rings.push_back({look_at(name), {}});
  for (const inspect::RingSummary& other : inspect::rings()) {
    const bool of_interest = other.has_figures() && other.producers + other.readers() > 0;
    if (other.name == name || !of_interest) continue;
    if (auto ring = take(other.name)) rings.push_back({std::move(*ring), {}});
  }
  if (!sleep_for(kBetweenLooks)) throw Error(ErrorCode::interrupted, "interrupted");
  rings.front().now = look_at(name);
  // Made anew meanwhile: of this one there has been no earlier look.
  if (rings.front().now.ring_id != rings.front().before.ring_id) {
    rings.front().before = rings.front().now;
  }
  for (std::size_t index = 1; index < rings.size();) {
    auto ring = take(rings[index].before.name);
    if (ring && ring->ring_id == rings[index].before.ring_id) {
      rings[index++].now = std::move(*ring);
    } else {
      rings.erase(rings.begin() + static_cast<std::ptrdiff_t>(index));
    }
  }
  return rings;
}

std::string to_text(const inspect::Ring& ring, const std::vector<Finding>& findings) {
  std::ostringstream text;
  if (findings.empty()) {
    text << "ring '" << ring.name << "' is healthy: " << ring.stats.messages << " queued, "
         << ring.producers << " producers, " << ring.readers() << " consumers\n";
  }
  for (std::size_t index = 0; index < findings.size(); ++index) {
    const Finding& finding = findings[index];
    text << index + 1 << ". " << finding.sentence << "\n"
         << "   seen: " << finding.evidence << "\n"
         << "   " << finding.advice << "\n";
    if (!finding.command.empty()) text << "   $ " << finding.command << "\n";
  }
  return text.str();
}

Json to_json(const inspect::Ring& ring, const std::vector<Finding>& findings) {
  return {{"name", ring.name},
          {"state", inspect::to_string(ring.state)},
          {"healthy", findings.empty()},
          {"findings", findings_json(findings)}};
}

int examine(Options options) {
  if (options.redeliver) options.expected.redeliver = true;
  const std::vector<TwoLooks> rings = look_twice(options.name);
  const TwoLooks& ring = rings.front();
  // A circle explains the full rings that are in it.
  std::vector<Finding> findings = find_cycles(options.name, rings);
  const bool explained = !findings.empty();
  for (Finding& finding : diagnose(ring, inspect::directory(), options.expected)) {
    if (!explained || finding.kind != "slow_consumer") findings.push_back(std::move(finding));
  }
  if (options.json) {
    print_json(to_json(ring.now, findings), false);
  } else {
    print_text(to_text(ring.now, findings));
  }
  return findings.empty() ? kDone : kFailed;
}

}  // namespace

std::function<int()> prepare_doctor(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.ring(options->name);
  arguments.flag("-j,--json", options->json, "As JSON");
  arguments.bytes("-s,--size", options->expected.total_data_bytes,
                  "The total_data_bytes that a program asks for, to compare");
  arguments.number("-m,--messages", options->expected.max_messages,
                   "The max_messages that a program asks for");
  arguments.flag("-r,--redeliver", options->redeliver, "A program asks for redeliver=True");
  return [options] { return examine(*options); };
}

}  // namespace ipc0cp::cli
