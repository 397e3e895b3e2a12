// SPDX-License-Identifier: Apache-2.0
// The figures of rings in the text format of OpenMetrics 1.0, which Prometheus reads.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ring_json.hpp"

namespace ipc0cp::cli {
namespace {

using Summary = inspect::RingSummary;

struct Metric {
  const char* name;  ///< With its unit at the end, as the format wants it.
  const char* unit;  ///< Empty: a number.
  const char* help;
  bool is_counter;
  double (*figure)(const Summary& ring);
};

template <auto Member>
double of_stats(const Summary& ring) {
  return static_cast<double>(ring.stats.*Member);
}

template <auto Member>
double of_ring(const Summary& ring) {
  return static_cast<double>(ring.*Member);
}

double seconds_of_oldest(const Summary& ring) {
  if (ring.oldest_published_ns == 0) return 0;
  return static_cast<double>(std::max<std::int64_t>(ring.taken_ns - ring.oldest_published_ns, 0)) *
         1e-9;
}

const Metric metrics[] = {
    {"ipc0cp_queued_messages", "messages", "Messages queued now", false,
     of_stats<&RingStats::messages>},
    {"ipc0cp_used_bytes", "bytes", "Metadata and payload of all blocks in use", false,
     of_stats<&RingStats::used_bytes>},
    {"ipc0cp_capacity_bytes", "bytes", "Capacity of the ring", false,
     of_stats<&RingStats::total_data_bytes>},
    {"ipc0cp_backed_bytes", "bytes", "Memory behind the file of the ring", false,
     of_ring<&Summary::backed_bytes>},
    {"ipc0cp_depth_ratio", "ratio", "How full the ring is, of its messages or of its bytes", false,
     of_ring<&Summary::depth>},
    {"ipc0cp_oldest_message_age_seconds", "seconds", "Age of the message at the head, 0 for none",
     false, seconds_of_oldest},
    {"ipc0cp_producers", "", "Producers that live", false, of_ring<&Summary::producers>},
    {"ipc0cp_consumers", "", "Workers that live", false, of_ring<&Summary::consumers>},
    {"ipc0cp_subscribers", "", "Subscribers that live", false, of_ring<&Summary::subscribers>},
    {"ipc0cp_most_unread_messages", "messages", "Unread by the subscriber furthest behind", false,
     of_stats<&RingStats::most_unread>},
    {"ipc0cp_pushed_messages", "messages", "Messages published since creation", true,
     of_stats<&RingStats::pushed>},
    // No counters: they fall when a message goes back to the queue, which a rate would take for a
    // reset to 0.
    {"ipc0cp_popped_messages", "messages", "Messages handed out and not gone back since creation",
     false, of_stats<&RingStats::popped>},
    {"ipc0cp_pushed_bytes", "bytes", "Payload and metadata published since creation", true,
     of_stats<&RingStats::pushed_bytes>},
    {"ipc0cp_popped_bytes", "bytes",
     "Payload and metadata handed out and not gone back since creation", false,
     of_stats<&RingStats::popped_bytes>},
    {"ipc0cp_dropped_messages", "messages", "Messages damaged, undecodable or discarded", true,
     of_stats<&RingStats::dropped>},
    {"ipc0cp_lost_messages", "messages", "Messages that died with their consumer", true,
     of_stats<&RingStats::lost>},
    {"ipc0cp_overflowed_messages", "messages", "Messages given up unread", true,
     of_stats<&RingStats::overflowed>},
    {"ipc0cp_refused_pushes", "", "Pushes that a producer with drop_newest turned away", true,
     of_stats<&RingStats::refused>},
    {"ipc0cp_repaired_deaths", "", "Participants found dead and cleaned up", true,
     of_stats<&RingStats::repaired_deaths>},
    {"ipc0cp_producer_waits", "", "Times a producer had to sleep", true,
     of_stats<&RingStats::producer_waits>},
    {"ipc0cp_consumer_waits", "", "Times a consumer had to sleep", true,
     of_stats<&RingStats::consumer_waits>},
};

}  // namespace

std::string open_metrics(const std::vector<Summary>& rings) {
  std::ostringstream text;
  text.precision(17);
  for (const Metric& metric : metrics) {
    text << "# TYPE " << metric.name << (metric.is_counter ? " counter\n" : " gauge\n");
    if (*metric.unit != '\0') text << "# UNIT " << metric.name << " " << metric.unit << "\n";
    text << "# HELP " << metric.name << " " << metric.help << "\n";
    for (const Summary& ring : rings) {
      if (!ring.has_figures()) continue;
      // Names of rings need no escapes.
      text << metric.name << (metric.is_counter ? "_total" : "") << "{ring=\"" << ring.name
           << "\"} " << metric.figure(ring) << "\n";
    }
  }
  text << "# EOF\n";
  return text.str();
}

}  // namespace ipc0cp::cli
