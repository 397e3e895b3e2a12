// SPDX-License-Identifier: Apache-2.0
#include "diagnosis.hpp"

#include <algorithm>

#include "shm/ring_name.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using inspect::Participant;
using inspect::ProcessState;
using inspect::Ring;
using inspect::RingState;
using inspect::Role;
using inspect::WaitsFor;

constexpr double kFull = 0.9;

std::string bytes_of(std::uint64_t bytes) { return short_bytes(static_cast<double>(bytes)); }

bool is_end(const Participant& one) {
  return one.role == Role::producer || one.role == Role::consumer || one.role == Role::subscriber;
}

std::string holdings(const Participant& one) {
  std::string text;
  if (one.loans > 0) text = counted(one.loans, "loan") + " of " + bytes_of(one.loan_bytes);
  if (one.views > 0) {
    text += (text.empty() ? "" : " and ") + counted(one.views, "view") + " of " +
            bytes_of(one.view_bytes);
  }
  return text;
}

/// One search of one ring.
class Search {
 public:
  Search(const TwoLooks& looks, const inspect::Directory& directory, const Expected& expected)
      : looks_(looks), ring_(looks.now), directory_(directory), expected_(expected) {}

  std::vector<Finding> run() {
    if (!ring_.has_figures() || ring_.state == RingState::damaged) {
      find_unusable();
      return std::move(findings_);
    }
    find_leftovers();
    if (ring_.state != RingState::orphan) {
      find_stopped();
      find_dead();
      find_missing_consumer();
      find_lagging_subscriber();
      if (!find_kept_views() && findings_.empty()) find_slow_consumers();
      find_fragments();
    }
    find_full_directory();
    find_other_options();
    return std::move(findings_);
  }

 private:
  void add(const char* kind, std::string sentence, std::string evidence, std::string advice,
           std::string command) {
    findings_.push_back(
        {kind, std::move(sentence), std::move(evidence), std::move(advice), std::move(command)});
  }

  [[nodiscard]] std::string age(std::int64_t since_ns) const {
    return short_age(since_ns, ring_.taken_ns);
  }

  /// A command for a process, if its number means the same here.
  static std::string for_process(const char* command, const Participant& one) {
    return one.in_this_namespace ? std::string(command) + std::to_string(one.process_id) : "";
  }

  void find_unusable() {
    const std::string state(inspect::to_string(ring_.state));
    const char* kind = ring_.state == RingState::damaged         ? "damaged"
                       : ring_.state == RingState::no_permission ? "no_permission"
                                                                 : "unusable";
    // What has no ring's name is no argument of a command: others have chosen its characters.
    const std::string command =
        ring_.state == RingState::no_permission || !shm::is_ring_name(ring_.name)
            ? ""
            : "ipc0cp rm --force " + ring_.name;
    add(kind, "the file of '" + ring_.name + "' cannot be used: " + state, ring_.problem,
        ring_.state == RingState::no_permission
            ? "Look as user " + std::to_string(ring_.owner) + ", its owner, or as root."
            : "End its users, then remove it.",
        command);
  }

  void find_leftovers() {
    const std::string messages = counted(ring_.stats.messages, "message");
    if (ring_.state == RingState::retired) {
      add("leftover", "the ring is retired, and its name is still there",
          std::to_string(ring_.producers + ring_.readers()) + " handles are still open",
          "Whoever opens the name next removes it; so does this:",
          ring_.producers + ring_.readers() == 0 ? "ipc0cp rm " + ring_.name
                                                 : "ipc0cp rm --force " + ring_.name);
    } else if (ring_.state == RingState::orphan && ring_.stats.messages > 0) {
      add("orphan", "nobody lives in the ring, and " + messages + " wait in it",
          bytes_of(ring_.backed_bytes) + " of memory are behind it",
          "Start its programs again, or take the messages, or remove the ring (ipc0cp rm " +
              ring_.name + ").",
          "ipc0cp recv " + ring_.name + " --count " + std::to_string(ring_.stats.messages) +
              " --output " + ring_.name + "-messages");
    } else if (ring_.state == RingState::orphan) {
      add("orphan", "nobody lives in the ring",
          bytes_of(ring_.backed_bytes) + " of memory are behind it",
          "Its next user starts anew with it; without one, remove it.", "ipc0cp rm " + ring_.name);
    }
  }

  void find_stopped() {
    for (const Participant& one : ring_.participants) {
      if (one.process_state != ProcessState::stopped) continue;
      std::string effect;
      if (one.has_lock) {
        effect = " and has the lock of the ring: nobody else can push or pop";
      } else if (one.blocks() > 0) {
        effect = " and holds " + holdings(one);
      }
      add("stopped", named(one) + " is stopped" + effect,
          "process state T; here for " + age(one.attached_ns) +
              (one.blocks() > 0 ? ", " + counted(one.blocks(), "block") + " in its hands" : ""),
          "Let it go on, or end it; what is dead is cleaned up behind, what is stopped is not.",
          for_process("kill -CONT ", one));
    }
  }

  void find_dead() {
    std::string who;
    std::uint64_t blocks = 0;
    for (const Participant& one : ring_.participants) {
      if (one.process_state != ProcessState::dead || one.role == Role::gone) continue;
      who += (who.empty() ? "" : ", ") + named(one);
      blocks += one.blocks();
    }
    if (who.empty()) return;
    add("dead", who + " died, and nobody has cleaned up yet",
        counted(blocks, "block") + " in the hands of the dead",
        "Any push or pop that waits, and whoever joins, cleans up: for example a consumer that "
        "takes nothing.",
        "ipc0cp recv " + ring_.name + " --count 0");
  }

  void find_missing_consumer() {
    std::string who;
    std::int64_t since_ns = 0;
    for (const Participant& one : ring_.participants) {
      if (one.role != Role::producer || !one.lives()) continue;
      who += (who.empty() ? "" : ", ") + named(one);
      if (one.waits_for != WaitsFor::consumer || one.blocked_since_ns == 0) continue;
      since_ns = since_ns == 0 ? one.blocked_since_ns : std::min(since_ns, one.blocked_since_ns);
    }
    if (who.empty() || (ring_.broadcast ? ring_.subscribers : ring_.consumers) > 0) return;
    add("no_consumer",
        since_ns != 0 ? who + " wait" + (ring_.producers == 1 ? "s" : "") +
                            " for a consumer since " + age(since_ns)
                      : "nobody reads what " + who + " write" + (ring_.producers == 1 ? "s" : ""),
        counted(ring_.stats.messages, "message") + " queued, 0 consumers",
        "Start the consumer, or take what comes into files.",
        "ipc0cp recv " + ring_.name + " --output " + ring_.name + "-messages");
  }

  [[nodiscard]] const Participant* waiting_for_room() const {
    const auto found = std::find_if(
        ring_.participants.begin(), ring_.participants.end(), [](const Participant& one) {
          return one.role == Role::producer && one.waits_for == WaitsFor::room &&
                 one.blocked_since_ns != 0;
        });
    return found == ring_.participants.end() ? nullptr : &*found;
  }

  /// Consumers that keep what they have popped, so that others find no room.
  bool find_kept_views() {
    const Participant* most = nullptr;
    for (const Participant& one : ring_.participants) {
      if (one.views > 0 && (most == nullptr || one.view_bytes > most->view_bytes)) most = &one;
    }
    if (most == nullptr) return false;
    constexpr double kMuch = 0.4;  // Of the main part; beyond one half a pop copies.
    const auto main = static_cast<double>(ring_.memory.main_bytes);
    const double of_bytes = static_cast<double>(ring_.memory.views_out_bytes) / main;
    const double of_messages =
        static_cast<double>(ring_.memory.views_out) / std::max<double>(1, ring_.stats.max_messages);
    const double part = std::max(of_bytes, of_messages);
    if (part < kMuch) return false;
    const Participant* waiting = waiting_for_room();
    add("views",
        named(*most) + " keeps " + holdings(*most) + ", and views fill " + percent(part) +
            " of the ring",
        counted(ring_.memory.views_out, "view") + " out, a push of up to " +
            bytes_of(ring_.memory.largest_that_fits_bytes) + " fits now" +
            (waiting == nullptr ? ""
                                : "; " + named(*waiting) + " waits for room since " +
                                      age(waiting->blocked_since_ns)),
        "Let go of what is popped (del), or pop with copy=True, or make the ring larger. To get "
        "the room back now, end who keeps it:",
        for_process("kill ", *most));
    return true;
  }

  /// What a subscriber has not read keeps its room, and others have taken all of it.
  void find_lagging_subscriber() {
    const Participant* behind = nullptr;
    for (const Participant& one : ring_.participants) {
      if (one.role != Role::subscriber || one.drops_oldest || one.unread == 0) continue;
      if (behind == nullptr || one.unread > behind->unread) behind = &one;
    }
    if (behind == nullptr) return;
    const auto part = [](std::uint64_t count, std::uint64_t most) {
      return static_cast<double>(count) / static_cast<double>(std::max<std::uint64_t>(most, 1));
    };
    const double full = std::max(part(behind->unread, ring_.stats.max_messages),
                                 part(ring_.stats.used_bytes, ring_.stats.total_data_bytes));
    const Participant* waiting = waiting_for_room();
    if (waiting == nullptr && std::max(full, ring_.depth) < kFull) return;
    add("subscriber_behind",
        named(*behind) + " is furthest behind, and its messages keep their room",
        counted(behind->unread, "message") + " unread, " + bytes_of(ring_.stats.used_bytes) +
            " of " + bytes_of(ring_.stats.total_data_bytes) + " in use" +
            (waiting == nullptr ? ""
                                : "; " + named(*waiting) + " waits for room since " +
                                      age(waiting->blocked_since_ns)),
        "Read faster there, or open that consumer with overflow=\"drop_oldest\": it then misses "
        "messages, and nobody waits for it. To end it now:",
        for_process("kill ", *behind));
  }

  void find_slow_consumers() {
    const Participant* waiting = waiting_for_room();
    if (ring_.consumers == 0 || (waiting == nullptr && ring_.depth < kFull)) return;
    const Participant* slowest = nullptr;
    std::uint64_t least = 0;
    for (const Participant& one : ring_.participants) {
      if (one.role != Role::consumer || !one.lives() || one.waits_for == WaitsFor::message)
        continue;
      const std::uint64_t taken = one.messages - messages_before(one);
      if (slowest == nullptr || taken < least) {
        slowest = &one;
        least = taken;
      }
    }
    if (slowest == nullptr) return;
    const double seconds = static_cast<double>(ring_.taken_ns - looks_.before.taken_ns) * 1e-9;
    const bool idle = looks_.before.stats.popped == ring_.stats.popped;
    add("slow_consumer",
        named(*slowest) + (idle ? " takes nothing from the full ring" : " does not keep up"),
        counted(ring_.stats.messages, "message") + " queued, depth " + percent(ring_.depth) +
            ", oldest " + age(ring_.oldest_published_ns) + "; " + std::to_string(popped_between()) +
            " popped in " + short_time(seconds) + not_carried_between() +
            (waiting == nullptr ? ""
                                : "; " + named(*waiting) + " waits for room since " +
                                      age(waiting->blocked_since_ns)),
        idle ? "See what the process does; or take messages in its place:"
             : "Pop faster, start another consumer, or make the ring larger. See it at work:",
        idle ? "ipc0cp recv " + ring_.name + " --count 1 --output " + ring_.name + "-messages"
             : "ipc0cp stat " + ring_.name + " --watch");
  }

  /// What producers that do not wait gave up between the two looks, if anything.
  [[nodiscard]] std::string not_carried_between() const {
    const RingStats& before = looks_.before.stats;
    const std::uint64_t given_up = ring_.stats.overflowed - before.overflowed;
    const std::uint64_t refused = ring_.stats.refused - before.refused;
    return (given_up == 0 ? "" : ", " + std::to_string(given_up) + " given up unread") +
           (refused == 0 ? "" : ", " + counted(refused, "new one") + " turned away");
  }
  /// What goes back to the queue counts as not popped, so there may be fewer than before.
  [[nodiscard]] std::uint64_t popped_between() const {
    const std::uint64_t popped = ring_.stats.popped;
    return popped - std::min(popped, looks_.before.stats.popped);
  }

  [[nodiscard]] std::uint64_t messages_before(const Participant& one) const {
    for (const Participant& other : looks_.before.participants) {
      const bool same = other.slot == one.slot && other.attached_ns == one.attached_ns;
      if (same) return std::min(other.messages, one.messages);
    }
    return one.messages;
  }

  void find_fragments() {
    const Participant* waiting = waiting_for_room();
    if (waiting == nullptr) return;
    const inspect::Memory& memory = ring_.memory;
    const std::uint64_t wanted = waiting->wanted_bytes;
    if (wanted == 0 || memory.hole_bytes < wanted || memory.largest_hole_bytes >= wanted) return;
    add("fragmented",
        named(*waiting) + " waits for " + bytes_of(wanted) + ", and no hole is that large",
        counted(memory.holes, "hole") + " of " + bytes_of(memory.hole_bytes) +
            " together, the largest has " + bytes_of(memory.largest_hole_bytes) +
            (memory.relief_in_use ? "; the relief block is in use, too" : ""),
        "It gets the relief block once that is free, so consumers have to go on popping; views "
        "that are kept split the memory.",
        "ipc0cp stat " + ring_.name);
  }

  void find_full_directory() {
    constexpr std::uint64_t kPart = 20;
    if (directory_.total_bytes == 0) return;
    const std::uint64_t missing =
        ring_.memory.main_bytes - std::min(ring_.memory.main_backed_bytes, ring_.memory.main_bytes);
    if (missing <= directory_.free_bytes) return;
    if (directory_.free_bytes >= directory_.total_bytes / kPart) return;
    add("no_space",
        directory_.path + " is nearly full: the ring may want " + bytes_of(missing) + " more, " +
            bytes_of(directory_.free_bytes) + " are free",
        bytes_of(directory_.total_bytes) + " in all; " + bytes_of(ring_.backed_bytes) +
            " are this ring's",
        "Give the container more (--shm-size), remove other files there, or make rings with "
        "reserve=True, which fail at once instead of in the middle. Of rings nobody uses:",
        "ipc0cp rm --stale");
  }

  void find_other_options() {
    const auto differs = [this](const char* name, const std::string& has,
                                const std::string& asked) {
      add("options",
          "the ring has " + std::string(name) + "=" + has + ", " + asked + " is asked for",
          std::string(name) + " is fixed when the ring is made",
          "Use the same everywhere; or end its users and remove the ring, so that the next one "
          "makes it anew:",
          (ring_.producers + ring_.readers() > 0 ? "ipc0cp rm --force " : "ipc0cp rm ") +
              ring_.name);
    };
    const auto number = [&](const char* name, std::uint64_t has,
                            const std::optional<std::uint64_t>& asked) {
      if (asked && *asked != has) differs(name, std::to_string(has), std::to_string(*asked));
    };
    number("total_data_bytes", ring_.stats.total_data_bytes, expected_.total_data_bytes);
    number("max_messages", ring_.stats.max_messages, expected_.max_messages);
    if (expected_.redeliver && ring_.options_fixed && *expected_.redeliver != ring_.redeliver) {
      differs("redeliver", ring_.redeliver ? "True" : "False",
              *expected_.redeliver ? "True" : "False");
    }
  }

  const TwoLooks& looks_;
  const Ring& ring_;
  const inspect::Directory& directory_;
  const Expected& expected_;
  std::vector<Finding> findings_;
};

}  // namespace

bool TwoLooks::stands_still() const noexcept {
  return before.stats.pushed == now.stats.pushed && before.stats.popped == now.stats.popped;
}

std::string named(const Participant& one) {
  const std::string role = is_end(one) ? std::string(inspect::to_string(one.role)) : "handle of";
  return role + " pid " + std::to_string(one.process_id) + " (" + one.process_name + ")";
}

std::vector<Finding> diagnose(const TwoLooks& ring, const inspect::Directory& directory,
                              const Expected& expected) {
  return Search(ring, directory, expected).run();
}

}  // namespace ipc0cp::cli
