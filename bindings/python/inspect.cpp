// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/inspect.hpp"

#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gil.hpp"
#include "handles.hpp"

namespace ipc0cp::python {
namespace {

using inspect::RingSummary;

nb::str text_of(std::string_view text) { return nb::str(text.data(), text.size()); }

/// Seconds of a moment, as time.monotonic() counts them; None: not known.
nb::object seconds_of(std::int64_t moment_ns) {
  if (moment_ns == 0) return nb::none();
  return nb::float_(static_cast<double>(moment_ns) * 1e-9);
}

void store_summary(const RingSummary& ring, nb::dict& fields) {
  fields["name"] = ring.name;
  fields["state"] = text_of(to_string(ring.state));
  fields["problem"] = ring.problem;
  fields["owner"] = ring.owner;
  fields["mode"] = ring.mode;
  fields["file_bytes"] = ring.file_bytes;
  fields["backed_bytes"] = ring.backed_bytes;
  fields["layout_version"] = ring.layout_version;
  fields["ring_id"] = ring.ring_id;
  fields["created"] = seconds_of(ring.created_ns);
  fields["taken"] = seconds_of(ring.taken_ns);
  fields["stats"] = stats_to_dict(ring.stats);
  fields["producers"] = ring.producers;
  fields["consumers"] = ring.consumers;
  fields["subscribers"] = ring.subscribers;
  fields["dead"] = ring.dead;
  fields["kept"] = ring.kept;
  fields["depth"] = ring.depth;
  fields["oldest_published"] = seconds_of(ring.oldest_published_ns);
}

nb::dict dict_of(const RingSummary& ring) {
  nb::dict fields;
  store_summary(ring, fields);
  return fields;
}

nb::dict dict_of(const inspect::Participant& participant) {
  nb::dict fields;
  fields["slot"] = participant.slot;
  fields["role"] = text_of(to_string(participant.role));
  fields["process_state"] = text_of(to_string(participant.process_state));
  fields["process_id"] = participant.process_id;
  fields["process_name"] = participant.process_name;
  fields["pid_namespace"] = participant.pid_namespace;
  fields["in_this_namespace"] = participant.in_this_namespace;
  fields["attached"] = seconds_of(participant.attached_ns);
  fields["waits_for"] = text_of(to_string(participant.waits_for));
  fields["blocked_since"] = seconds_of(participant.blocked_since_ns);
  fields["wanted_bytes"] = participant.wanted_bytes;
  fields["has_priority"] = participant.has_priority;
  fields["has_lock"] = participant.has_lock;
  fields["messages"] = participant.messages;
  fields["bytes"] = participant.bytes;
  fields["loans"] = participant.loans;
  fields["loan_bytes"] = participant.loan_bytes;
  fields["views"] = participant.views;
  fields["view_bytes"] = participant.view_bytes;
  fields["unread"] = participant.unread;
  fields["drops_oldest"] = participant.drops_oldest;
  return fields;
}

nb::dict dict_of(const inspect::QueuedMessage& message) {
  nb::dict fields;
  fields["id"] = message.id;
  fields["payload_bytes"] = message.payload_bytes;
  fields["metadata_bytes"] = message.metadata_bytes;
  fields["deliveries"] = message.deliveries;
  fields["published"] = seconds_of(message.published_ns);
  return fields;
}

nb::dict dict_of(const inspect::MessagePreview& preview) {
  nb::dict fields = dict_of(static_cast<const inspect::QueuedMessage&>(preview));
  fields["metadata"] = nb::bytes(preview.metadata.data(), preview.metadata.size());
  fields["payload"] =
      nb::bytes(reinterpret_cast<const char*>(preview.payload.data()), preview.payload.size());
  return fields;
}

nb::dict dict_of(const inspect::Memory& memory) {
  nb::dict fields;
  fields["main_bytes"] = memory.main_bytes;
  fields["main_backed_bytes"] = memory.main_backed_bytes;
  fields["relief_bytes"] = memory.relief_bytes;
  fields["relief_backed_bytes"] = memory.relief_backed_bytes;
  fields["relief_in_use"] = memory.relief_in_use;
  fields["holes"] = memory.holes;
  fields["hole_bytes"] = memory.hole_bytes;
  fields["largest_hole_bytes"] = memory.largest_hole_bytes;
  fields["largest_that_fits_bytes"] = memory.largest_that_fits_bytes;
  fields["views_out"] = memory.views_out;
  fields["views_out_bytes"] = memory.views_out_bytes;
  fields["loans_out"] = memory.loans_out;
  fields["loans_out_bytes"] = memory.loans_out_bytes;
  fields["quarantined"] = memory.quarantined;
  return fields;
}

template <class Item>
nb::list list_of(const std::vector<Item>& items) {
  nb::list result;
  for (const Item& item : items) result.append(dict_of(item));
  return result;
}

nb::dict dict_of(const inspect::Ring& ring) {
  nb::dict fields;
  store_summary(ring, fields);
  fields["redeliver"] = ring.redeliver;
  fields["reserved"] = ring.reserved;
  fields["broadcast"] = ring.broadcast;
  fields["options_fixed"] = ring.options_fixed;
  fields["joined_producers"] = ring.joined_producers;
  fields["left_producers"] = ring.left_producers;
  fields["recovery_wanted"] = ring.recovery_wanted;
  fields["memory"] = dict_of(ring.memory);
  fields["participants"] = list_of(ring.participants);
  fields["queue"] = list_of(ring.queue);
  return fields;
}

nb::list preview(const std::string& name, std::size_t max_messages, std::size_t max_payload_bytes,
                 std::size_t max_metadata_bytes, std::uint64_t after_id) {
  std::vector<inspect::MessagePreview> found;
  without_gil([&] {
    found = inspect::preview(name, {max_messages, max_payload_bytes, max_metadata_bytes, after_id});
  });
  return list_of(found);
}

}  // namespace

void bind_inspect(nb::module_& module) {
  module.def(
      "inspect_rings",
      [] {
        std::vector<RingSummary> found;
        without_gil([&] { found = inspect::rings(); });
        return list_of(found);
      },
      nb::sig("def inspect_rings() -> list[dict[str, typing.Any]]"), "See ipc0cp.inspect.rings.");
  module.def(
      "inspect_ring",
      [](const std::string& name) {
        inspect::Ring found;
        without_gil([&] { found = inspect::ring(name); });
        return dict_of(found);
      },
      nb::arg("name"), nb::sig("def inspect_ring(name: str) -> dict[str, typing.Any]"),
      "See ipc0cp.inspect.ring.");
  module.def(
      "inspect_summary",
      [](const std::string& name) {
        RingSummary found;
        without_gil([&] { found = inspect::summary(name); });
        return dict_of(found);
      },
      nb::arg("name"), nb::sig("def inspect_summary(name: str) -> dict[str, typing.Any]"),
      "See ipc0cp.inspect.summary.");
  module.def("inspect_preview", &preview, nb::arg("name"), nb::arg("max_messages"),
             nb::arg("max_payload_bytes"), nb::arg("max_metadata_bytes"), nb::arg("after_id"),
             nb::sig("def inspect_preview(name: str, max_messages: int, max_payload_bytes: int, "
                     "max_metadata_bytes: int, after_id: int) -> list[dict[str, typing.Any]]"),
             "See ipc0cp.inspect.preview.");
  module.def(
      "inspect_directory",
      [] {
        const inspect::Directory found = inspect::directory();
        return nb::make_tuple(found.path, found.total_bytes, found.free_bytes);
      },
      nb::sig("def inspect_directory() -> tuple[str, int, int]"), "See ipc0cp.inspect.directory.");
}

}  // namespace ipc0cp::python
