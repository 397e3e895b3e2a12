// SPDX-License-Identifier: Apache-2.0
// ipc0cp stat: everything about one ring.
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "declared.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "ring_json.hpp"
#include "standard_streams.hpp"
#include "terminal.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using inspect::Participant;
using inspect::Ring;

struct Options {
  std::string name;
  std::optional<double> watch;
  bool json = false;
  bool prometheus = false;
};

std::string bytes_of(std::uint64_t bytes) { return short_bytes(static_cast<double>(bytes)); }
std::string count_of(std::uint64_t count) { return short_count(static_cast<double>(count)); }

/// What a participant has in its hands and what it waits for.
std::string doing(const Participant& one, std::int64_t now_ns) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (one.has_lock) add("has the lock");
  if (one.loans > 0) add("writes " + counted(one.loans, "loan") + " " + bytes_of(one.loan_bytes));
  if (one.views > 0) add("holds " + counted(one.views, "view") + " " + bytes_of(one.view_bytes));
  if (one.blocked_since_ns != 0) {
    std::string what(inspect::to_string(one.waits_for));
    if (one.wanted_bytes > 0) what = "room for " + bytes_of(one.wanted_bytes);
    add("waits for " + what + " since " + short_age(one.blocked_since_ns, now_ns));
  }
  if (one.has_priority) add("has priority");
  return text;
}

std::string participants_table(const Ring& ring) {
  Table table({">PID", "NAME", "ROLE", "STATE", ">HERE FOR", ">MESSAGES", ">BYTES", "DOING"});
  for (const Participant& one : ring.participants) {
    const std::string pid =
        std::to_string(one.process_id) + (one.in_this_namespace ? "" : " elsewhere");
    table.add({pid, one.process_name, std::string(inspect::to_string(one.role)),
               std::string(inspect::to_string(one.process_state)),
               short_age(one.attached_ns, ring.taken_ns), count_of(one.messages),
               bytes_of(one.bytes), doing(one, ring.taken_ns)});
  }
  return table.empty() ? "nobody takes part\n" : table.to_string();
}

void append_rates(std::ostringstream& text, const std::optional<inspect::Rates>& rates) {
  if (!rates) return;
  text << "in          " << short_count(rates->messages_in) << " messages/s, "
       << short_bytes(rates->bytes_in) << "/s\n"
       << "out         " << short_count(rates->messages_out) << " messages/s, "
       << short_bytes(rates->bytes_out) << "/s\n";
}

std::string to_text(const Ring& ring, const std::optional<inspect::Rates>& rates) {
  std::ostringstream text;
  text << "ring        " << ring.name << ", " << inspect::to_string(ring.state) << "\n";
  if (!ring.problem.empty()) text << "problem     " << ring.problem << "\n";
  if (!ring.has_figures()) return text.str();
  const RingStats& stats = ring.stats;
  const inspect::Memory& memory = ring.memory;
  text << "capacity    " << bytes_of(stats.total_data_bytes) << ", "
       << counted(stats.max_messages, "message") << "; made "
       << short_age(ring.created_ns, ring.taken_ns) << " ago\n"
       << "queued      " << counted(stats.messages, "message") << ", depth " << percent(ring.depth)
       << ", oldest " << short_age(ring.oldest_published_ns, ring.taken_ns) << "\n";
  append_rates(text, rates);
  text << "in all      " << stats.pushed << " pushed, " << stats.popped << " popped, "
       << stats.dropped << " dropped, " << stats.lost << " lost; "
       << counted(stats.repaired_deaths, "death") << " repaired\n"
       << "given up    " << counted(stats.overflowed, "message")
       << " unread; producers turned away " << counted(stats.refused, "new one") << "\n"
       << "in use      " << bytes_of(stats.used_bytes) << "; " << counted(memory.views_out, "view")
       << " " << bytes_of(memory.views_out_bytes) << ", " << counted(memory.loans_out, "loan")
       << " " << bytes_of(memory.loans_out_bytes) << "\n"
       << "memory      " << bytes_of(ring.backed_bytes) << " backed; "
       << counted(memory.holes, "hole") << " " << bytes_of(memory.hole_bytes)
       << "; a push of up to " << bytes_of(memory.largest_that_fits_bytes) << " fits now"
       << (memory.relief_in_use ? "; the relief block is in use" : "") << "\n"
       << "peaks       " << counted(stats.most_messages, "message") << ", "
       << bytes_of(stats.most_used_bytes) << "; producers slept "
       << counted(stats.producer_waits, "time") << ", consumers "
       << counted(stats.consumer_waits, "time") << "\n"
       << "options     redeliver=" << (ring.redeliver ? "True" : "False")
       << " reserve=" << (ring.reserved ? "True" : "False")
       << " broadcast=" << (ring.broadcast ? "True" : "False")
       << (ring.options_fixed ? "" : " (no producer has come yet)") << "\n\n"
       << participants_table(ring);
  return text.str();
}

void print(const Options& options, const Ring& ring, const std::optional<inspect::Rates>& rates) {
  if (options.json) {
    print_json(ring_json(ring, rates), options.watch.has_value());
  } else if (options.prometheus) {
    print_text(open_metrics({ring}));
  } else {
    print_text(to_text(ring, rates));
  }
}

int show(const Options& options) {
  if (options.json && options.prometheus) {
    throw Failure(kWrongUsage, "--json and --prometheus say two different things");
  }
  Ring ring = look_at(options.name);
  if (!options.watch) {
    print(options, ring, std::nullopt);
    return kDone;
  }
  // A terminal shows one look over the other, a file one after the other.
  const bool over = is_terminal(1) && has_pages() && !options.json;
  while (sleep_for(*options.watch)) {
    Ring later = look_at(options.name);
    if (over) print_text("\x1b[H\x1b[2J");
    print(options, later, inspect::rates(ring, later));
    ring = std::move(later);
  }
  return kDone;
}

}  // namespace

std::function<int()> prepare_stat(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.ring(options->name);
  arguments.seconds_or("-w,--watch", options->watch, 1.0,
                       "Again and again, each second or so often, with rates");
  arguments.flag("-j,--json", options->json, "As JSON; with --watch one value in each line");
  arguments.flag("-p,--prometheus", options->prometheus, "In the text format of OpenMetrics");
  return [options] { return show(*options); };
}

}  // namespace ipc0cp::cli
