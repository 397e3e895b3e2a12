# SPDX-License-Identifier: Apache-2.0
# The state word says READY before the place in the order is stored.
set(source src/shm/blocks.cpp)
set(right_1 [==[
  descriptor.sequence = header_.next_sequence;
]==])
set(wrong_1 [==[
  if (crash::seeded("fields_after_state")) {
    descriptor.state.store(make_state(State::kReady, 0, 0, generation_of(word)));
  }
  descriptor.sequence = header_.next_sequence;
]==])
