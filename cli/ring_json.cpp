// SPDX-License-Identifier: Apache-2.0
#include "ring_json.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "failure.hpp"
#include "ipc0cp/error.hpp"

namespace ipc0cp::cli {
namespace {

Json stats_json(const RingStats& stats) {
  Json json;
#define IPC0CP_FIELD(type, name, sentence) json[#name] = stats.name;
  IPC0CP_RING_STATS(IPC0CP_FIELD)
#undef IPC0CP_FIELD
  return json;
}

Json rates_json(const std::optional<inspect::Rates>& rates) {
  if (!rates) return nullptr;
  return {{"seconds", rates->seconds},
          {"messages_in", rates->messages_in},
          {"messages_out", rates->messages_out},
          {"bytes_in", rates->bytes_in},
          {"bytes_out", rates->bytes_out}};
}

Json memory_json(const inspect::Memory& memory) {
  return {{"main_bytes", memory.main_bytes},
          {"main_backed_bytes", memory.main_backed_bytes},
          {"relief_bytes", memory.relief_bytes},
          {"relief_backed_bytes", memory.relief_backed_bytes},
          {"relief_in_use", memory.relief_in_use},
          {"holes", memory.holes},
          {"hole_bytes", memory.hole_bytes},
          {"largest_hole_bytes", memory.largest_hole_bytes},
          {"largest_that_fits_bytes", memory.largest_that_fits_bytes},
          {"views_out", memory.views_out},
          {"views_out_bytes", memory.views_out_bytes},
          {"loans_out", memory.loans_out},
          {"loans_out_bytes", memory.loans_out_bytes},
          {"quarantined", memory.quarantined}};
}

Json participant_json(const inspect::Participant& one, std::int64_t now_ns) {
  return {{"slot", one.slot},
          {"role", inspect::to_string(one.role)},
          {"process_state", inspect::to_string(one.process_state)},
          {"process_id", one.process_id},
          {"process_name", one.process_name},
          {"in_this_namespace", one.in_this_namespace},
          {"attached_seconds", age_json(one.attached_ns, now_ns)},
          {"waits_for", inspect::to_string(one.waits_for)},
          {"blocked_seconds", age_json(one.blocked_since_ns, now_ns)},
          {"wanted_bytes", one.wanted_bytes},
          {"has_priority", one.has_priority},
          {"has_lock", one.has_lock},
          {"messages", one.messages},
          {"bytes", one.bytes},
          {"loans", one.loans},
          {"loan_bytes", one.loan_bytes},
          {"views", one.views},
          {"view_bytes", one.view_bytes},
          {"unread", one.unread},
          {"drops_oldest", one.drops_oldest}};
}

}  // namespace

Json age_json(std::int64_t since_ns, std::int64_t now_ns) {
  if (since_ns == 0) return nullptr;
  return static_cast<double>(std::max<std::int64_t>(now_ns - since_ns, 0)) * 1e-9;
}

Json summary_json(const inspect::RingSummary& ring, const std::optional<inspect::Rates>& rates) {
  return {{"name", ring.name},
          {"state", inspect::to_string(ring.state)},
          {"problem", ring.problem},
          {"owner", ring.owner},
          {"mode", ring.mode},
          {"file_bytes", ring.file_bytes},
          {"backed_bytes", ring.backed_bytes},
          {"layout_version", ring.layout_version},
          {"age_seconds", age_json(ring.created_ns, ring.taken_ns)},
          {"producers", ring.producers},
          {"workers", ring.consumers},
          {"subscribers", ring.subscribers},
          {"dead", ring.dead},
          {"kept", ring.kept},
          {"depth", ring.depth},
          {"oldest_seconds", age_json(ring.oldest_published_ns, ring.taken_ns)},
          {"stats", stats_json(ring.stats)},
          {"rates", rates_json(rates)}};
}

Json ring_json(const inspect::Ring& ring, const std::optional<inspect::Rates>& rates) {
  Json json = summary_json(ring, rates);
  json["options"] = {{"redeliver", ring.redeliver},
                     {"reserved", ring.reserved},
                     {"broadcast", ring.broadcast},
                     {"fixed", ring.options_fixed}};
  json["joined_producers"] = ring.joined_producers;
  json["left_producers"] = ring.left_producers;
  json["recovery_wanted"] = ring.recovery_wanted;
  json["memory"] = memory_json(ring.memory);
  json["participants"] = Json::array();
  for (const auto& one : ring.participants) {
    json["participants"].push_back(participant_json(one, ring.taken_ns));
  }
  return json;
}

void print_text(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0) {
    throw Failure(kFailed, std::string("cannot write standard output: ") + std::strerror(errno));
  }
}

void print_json(const Json& value, bool in_one_line) {
  print_text(value.dump(in_one_line ? -1 : 2, ' ', true) + "\n");
}

inspect::Ring look_at(const std::string& name) {
  try {
    return inspect::ring(name);
  } catch (const Error& error) {
    if (error.system_errno() != ENOENT) throw;
    no_such_ring(name);
  }
}

}  // namespace ipc0cp::cli
