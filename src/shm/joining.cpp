// SPDX-License-Identifier: Apache-2.0
#include "shm/joining.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "platform/clock.hpp"

namespace ipc0cp::shm {
namespace {

constexpr unsigned kDefaultMode = 0600;  ///< Not asked for: whatever the ring has is right.

}  // namespace

std::string octal(unsigned mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0o%o", mode);
  return text.data();
}

bool agree_on_options(AttachedRing& ring, const OpenOptions& options, std::string& conflict) {
  const std::uint32_t theirs = ring.header().options.load(std::memory_order_relaxed);
  if (options.role == Role::kConsumer && (theirs & kOptionBroadcast) != 0) {
    conflict = no_worker_text(options.name);
    return false;
  }
  if (options.role != Role::kProducer) return true;
  const std::uint32_t mine = fixed_options(options);
  const int file = ring.participants().token_file();
  platform::FileIdentity identity;
  const bool known = platform::identity_of(file, identity) == 0;
  const bool other_mode = options.mode != kDefaultMode && known && identity.mode != options.mode;
  if ((theirs & kOptionsFixed) == 0) {
    if (other_mode) platform::set_mode(file, options.mode);
    ring.header().options.store(mine, std::memory_order_relaxed);
    // A ring that consumers have made turns out to be a broadcast ring, or not.
    ring.count_consumers();
    ring.blocks().recount_front();
    return true;
  }
  if (other_mode) {
    conflict = "ring '" + options.name + "' has mode=" + octal(identity.mode) + ", asked for " +
               octal(options.mode) + "; use the same everywhere, or leave it out";
    return false;
  }
  const auto differs = [&](const char* name, std::uint32_t option) {
    if (((theirs ^ mine) & option) == 0) return false;
    const bool has = (theirs & option) != 0;
    conflict = "ring '" + options.name + "' has " + name + (has ? "=True" : "=False") +
               ", asked for " + (has ? "False" : "True") + "; use the same everywhere";
    return true;
  };
  return !differs("redeliver", kOptionRedeliver) && !differs("broadcast", kOptionBroadcast);
}

std::uint32_t fixed_options(const OpenOptions& options) noexcept {
  return kOptionsFixed | (options.redeliver ? kOptionRedeliver : 0) |
         (options.broadcast ? kOptionBroadcast : 0);
}

std::string no_worker_text(const std::string& name) {
  return "ring '" + name + "' is a broadcast ring, on which every consumer gets every message; " +
         "open this consumer with subscribe=True";
}

std::string keep_or_discard_leftovers(AttachedRing& ring, const OpenOptions& options) {
  Header& header = ring.header();
  if (header.producers > 0 || !ring.nobody_reads()) return {};
  const std::uint64_t word = header.joined_left.load(std::memory_order_relaxed);
  const std::uint32_t left_behind = ring.blocks().queued();
  if (left_behind == 0) {
    if (answer_is_kept(header, options)) return {};
    header.joined_left.store(0, std::memory_order_relaxed);
    return {};
  }
  // Nobody joined, yet messages: an earlier run that died and was resumed.
  if (joined_of(word) == left_of(word) && joined_of(word) != 0) return {};
  const bool discard = options.stale == Stale::discard;
  ring.recover();  // So that the walk below follows links built from the words alone.
  if (discard) {
    while (ring.blocks().queued() > 0) {
      ring.blocks().drop_head();
    }
  }
  header.joined_left.store(0, std::memory_order_relaxed);
  return "ring '" + options.name + "'" + ": " + std::to_string(left_behind) +
         " message(s) of producers that died are " +
         (discard ? "discarded (stale=\"discard\")"
                  : "kept; waiting for a new producer after them (stale=\"resume\")");
}

bool answer_is_kept(const Header& header, const OpenOptions& options) noexcept {
  const std::uint64_t word = header.joined_left.load(std::memory_order_relaxed);
  return is_reader(options.role) && options.stale == Stale::resume &&
         joined_of(word) == left_of(word) && joined_of(word) != 0 &&
         std::abs(platform::now_ns() - header.ended_ns) < kAnswerKeptNs;
}

bool take_role(AttachedRing& ring, const OpenOptions& options) {
  Header& header = ring.header();
  const bool subscribes = options.role == Role::kSubscriber;
  if (subscribes && !ring.subscription().join(options.drops)) return false;
  if (options.role == Role::kProducer) {
    // Joined before the role: a death in between counts as a producer that died.
    header.joined_left.store(header.joined_left.load(std::memory_order_relaxed) + kOneJoined,
                             std::memory_order_release);
  }
  ring.participants().set_role(options.role);
  if (is_reader(options.role)) header.unread = 0;
  if (options.role == Role::kProducer) header.producers += 1;
  if (options.role == Role::kConsumer) header.workers += 1;
  if (subscribes) {
    header.subscriber_bits = header.subscriber_bits | ring.subscription().bit();
    ring.blocks().recount_front();
  }
  ring.count_consumers();
  header.slots_end =
      std::max<std::uint32_t>(header.slots_end, slot_of(ring.participants().self()) + 1);
  return true;
}

}  // namespace ipc0cp::shm
