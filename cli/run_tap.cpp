// SPDX-License-Identifier: Apache-2.0
// ipc0cp tap: what is queued in a ring, without taking it.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "declared.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/message.hpp"
#include "preview.hpp"
#include "ring_ends.hpp"
#include "ring_json.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

struct Options {
  std::string name;
  std::optional<std::uint64_t> count;
  bool follow = false;
  bool json = false;
};

constexpr std::size_t kShownAtATime = 16;
constexpr std::size_t kMostAtATime = 1024;
constexpr std::chrono::seconds kOpensWithin(5);

/// What `look` of inspect.hpp says of the ring, if it is there.
template <class Look>
auto of_ring(const Options& options, Look look) {
  try {
    return look(options.name);
  } catch (const Error& error) {
    if (error.system_errno() != ENOENT) throw;
    no_such_ring(options.name);
  }
}

/// What is no UTF-8 becomes the sign for that.
std::string valid(const std::string& text) {
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

Json message_json(const inspect::MessagePreview& message, std::int64_t now_ns) {
  return {{"id", message.id},
          {"type", valid(type_of(message.metadata))},
          {"payload_bytes", message.payload_bytes},
          {"metadata_bytes", message.metadata_bytes},
          {"deliveries", message.deliveries},
          {"age_seconds", age_json(message.published_ns, now_ns)},
          {"metadata", valid(message.metadata)},
          {"payload_start_hex", hex(message.payload)}};
}

std::string flush_right(std::string text, std::size_t width) {
  if (width_of(text) < width) text.insert(0, width - width_of(text), ' ');
  return text;
}

std::string flush_left(std::string text, std::size_t width) {
  if (width_of(text) < width) text.append(width - width_of(text), ' ');
  return text;
}

/// Columns of a fixed width: what follows is not known yet.
std::string row(const std::string& id, const std::string& type, const std::string& size,
                const std::string& age, const std::string& rest) {
  return flush_right(id, 10) + "  " + flush_left(type, 10) + flush_right(size, 9) + "  " +
         flush_right(age, 7) + "  " + rest + "\n";
}

/// What has just come: when it was published is not known.
inspect::MessagePreview preview_of(const Message& message) {
  const inspect::PreviewOptions limits;
  inspect::MessagePreview shown;
  shown.id = message.id();
  shown.payload_bytes = message.payload().size();
  shown.metadata_bytes = message.metadata().size();
  shown.deliveries = 0;  // The queue's, which nobody has asked.
  shown.metadata = message.metadata().substr(0, limits.max_metadata_bytes);
  const std::size_t bytes = std::min(message.payload().size(), limits.max_payload_bytes);
  shown.payload.assign(message.payload().begin(),
                       message.payload().begin() + static_cast<std::ptrdiff_t>(bytes));
  return shown;
}

/// One run of the command.
class Tapping {
 public:
  explicit Tapping(const Options& options) : options_(options) {}

  int run() { return options_.follow ? follow() : show(); }

 private:
  [[nodiscard]] bool is_enough() const { return options_.count && printed_ >= *options_.count; }

  int show() {
    look(options_.count.value_or(kShownAtATime));
    return kDone;
  }

  /// First what is queued, then what comes: as a subscriber, which takes nothing from anybody.
  int follow() {
    const auto ring =
        of_ring(options_, [](const std::string& name) { return inspect::summary(name); });
    look(kMostAtATime);
    if (ring.has_figures() && ring.producers + ring.readers() == 0) {
      std::cerr << "ipc0cp: nobody lives in ring '" << options_.name << "': nothing more comes\n";
      return kDone;
    }
    SharedRingBufferConsumer subscriber = open_subscriber(options_.name, kOpensWithin);
    look(kMostAtATime);  // What has come meanwhile.
    if (follow(subscriber)) leave_ended_ring(subscriber);
    subscriber.close();
    return kDone;
  }

  /// @return whether the stream has ended; else enough is shown, or a signal came.
  bool follow(SharedRingBufferConsumer& subscriber) {
    while (!is_enough() && !interrupted()) {
      ErrorCode outcome = ErrorCode::ok;
      const auto message = subscriber.pop_raw(Timeout::forever(), outcome);
      if (outcome == ErrorCode::end_of_stream) return true;
      if (message) {
        tell_of_gap(subscriber.missed());
        print({preview_of(*message)}, 0);
      } else if (outcome != ErrorCode::interrupted) {
        static_cast<void>(subscriber.pop_raw(Timeout::none()));  // The same, with the sentence.
      }
    }
    return false;
  }

  void tell_of_gap(std::uint64_t missed) {
    if (missed > missed_ && !options_.json) {
      print_text(row("...", "", "", "",
                     counted(missed - missed_, "message") + " were given up for want of room"));
    }
    missed_ = missed;
  }

  void look(std::size_t most) {
    const auto ring =
        of_ring(options_, [](const std::string& name) { return inspect::summary(name); });
    inspect::PreviewOptions wanted;
    wanted.max_messages = most;
    const auto messages =
        of_ring(options_, [&](const std::string& name) { return inspect::preview(name, wanted); });
    // Not before it is certain that there is such a ring.
    if (!std::exchange(has_heading_, true) && !options_.json) {
      print_text(row("ID", "TYPE", "SIZE", "AGE", "MESSAGE"));
    }
    print(messages, ring.taken_ns);
  }

  /// Each message once, be it queued when we looked and given to us besides.
  void print(const std::vector<inspect::MessagePreview>& messages, std::int64_t now_ns) {
    for (const inspect::MessagePreview& message : messages) {
      if (is_enough()) return;
      if (message.id <= last_id_) continue;
      last_id_ = message.id;
      ++printed_;
      print_one(message, now_ns);
    }
  }

  void print_one(const inspect::MessagePreview& message, std::int64_t now_ns) const {
    constexpr std::size_t kWidth = 60;
    if (options_.json) return print_json(message_json(message, now_ns), true);
    print_text(row(std::to_string(message.id), one_line(type_of(message.metadata), 24),
                   short_bytes(static_cast<double>(message.payload_bytes)),
                   short_age(message.published_ns, now_ns),
                   preview(message.metadata, message.payload, kWidth)));
  }

  const Options& options_;
  bool has_heading_ = false;
  std::uint64_t last_id_ = 0;
  std::uint64_t missed_ = 0;
  std::uint64_t printed_ = 0;
};

}  // namespace

std::function<int()> prepare_tap(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.ring(options->name);
  arguments.number("-n,--count", options->count, "Show so many messages, the oldest first");
  arguments.flag("-f,--follow", options->follow,
                 "Go on with those that come, up to the end of the stream");
  arguments.flag("-j,--json", options->json, "As JSON, one value in each line");
  return [options] { return Tapping(*options).run(); };
}

}  // namespace ipc0cp::cli
