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
  if (options.role != Role::kProducer) return true;
  const std::uint32_t mine = kOptionsFixed | (options.redeliver ? kOptionRedeliver : 0);
  const std::uint32_t theirs = ring.header().options.load(std::memory_order_relaxed);
  const int file = ring.participants().token_file();
  platform::FileIdentity identity;
  const bool known = platform::identity_of(file, identity) == 0;
  const bool other_mode = options.mode != kDefaultMode && known && identity.mode != options.mode;
  if ((theirs & kOptionsFixed) == 0) {
    if (other_mode) platform::set_mode(file, options.mode);
    ring.header().options.store(mine, std::memory_order_relaxed);
    return true;
  }
  if (other_mode) {
    conflict = "ring '" + options.name + "' has mode=" + octal(identity.mode) + ", asked for " +
               octal(options.mode) + "; use the same everywhere, or leave it out";
    return false;
  }
  if (((theirs ^ mine) & kOptionRedeliver) == 0) return true;
  const char* has = (theirs & kOptionRedeliver) != 0 ? "True" : "False";
  conflict = "ring '" + options.name + "'" + " has redeliver=" + has + ", asked for " +
             (options.redeliver ? "True" : "False") + "; use the same everywhere";
  return false;
}

std::string keep_or_discard_leftovers(AttachedRing& ring, const OpenOptions& options) {
  Header& header = ring.header();
  if (header.producers + header.consumers > 0) return {};
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
  return options.role == Role::kConsumer && options.stale == Stale::resume &&
         joined_of(word) == left_of(word) && joined_of(word) != 0 &&
         std::abs(platform::now_ns() - header.ended_ns) < kAnswerKeptNs;
}

void take_role(AttachedRing& ring, const OpenOptions& options) {
  Header& header = ring.header();
  if (options.role == Role::kProducer) {
    // Joined before the role: a death in between counts as a producer that died.
    header.joined_left.store(header.joined_left.load(std::memory_order_relaxed) + kOneJoined,
                             std::memory_order_release);
  }
  ring.participants().set_role(options.role);
  if (options.role == Role::kConsumer) header.unread = 0;
  (options.role == Role::kProducer ? header.producers : header.consumers) += 1;
  header.slots_end =
      std::max<std::uint32_t>(header.slots_end, slot_of(ring.participants().self()) + 1);
}

}  // namespace ipc0cp::shm
