// SPDX-License-Identifier: Apache-2.0
#include "shm/giving_up.hpp"

namespace ipc0cp::shm {

std::uint64_t GivingUp::oldest() noexcept {
  Blocks& blocks = ring_.blocks();
  const std::uint32_t head = blocks.head();
  if (head == kNone || Blocks::subscriber_needs(head)) return 0;
  const BlockFields fields = ring_.segment().read_fields(head);
  if (state_of(blocks.word_of(head)) != State::kReady ||
      !ring_.segment().plausible(head, fields, true)) {
    static_cast<void>(ring_.drop_impossible_head());
    return 0;
  }
  blocks.give_up_head();
  return fields.plan().block_bytes();
}

std::uint32_t GivingUp::all_but(std::uint32_t kept) noexcept {
  std::uint32_t count = 0;
  while (count < kMaxInOneHold && ring_.blocks().queued() > kept && oldest() > 0) count += 1;
  return count;
}

}  // namespace ipc0cp::shm
