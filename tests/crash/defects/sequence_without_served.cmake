# SPDX-License-Identifier: Apache-2.0
# Recovery counts on from the messages of the queue only, and gives a number twice.
set(source src/shm/recovery.cpp)
set(right_1 [==[
  if (previous >= header_.next_sequence) header_.next_sequence = previous + 1;
]==])
set(wrong_1 [==[
  if (crash::seeded("sequence_without_served")) {
    previous = 0;
    for (std::uint32_t entry = 0; entry < published_count_; ++entry) {
      const Descriptor& block = segment_.descriptor(published_[entry].index);
      if (state_of(load(block)) != State::kServed) previous = block.sequence;
    }
  }
  if (previous >= header_.next_sequence) header_.next_sequence = previous + 1;
]==])
