# SPDX-License-Identifier: Apache-2.0
# The state word says READY before the place in the order is stored.
set(source src/shm/blocks.cpp)
set(right_1 [==[
  descriptor.sequence = header_.next_sequence;
  descriptor.state.store(make_state(State::kReady, 0, 0, generation_of(word)),
                         std::memory_order_release);
]==])
set(wrong_1 [==[
  const StateWord ready = make_state(State::kReady, 0, 0, generation_of(word));
  if (crash::seeded("fields_after_state")) descriptor.state.store(ready);
  descriptor.sequence = header_.next_sequence;
  descriptor.state.store(ready, std::memory_order_seq_cst);
]==])
