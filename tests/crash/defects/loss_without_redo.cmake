# SPDX-License-Identifier: Apache-2.0
# A lost message is counted and its block freed in two stores, without a redo record.
set(source src/shm/redo.cpp)
set(right_1 [==[
  redo.valid.store(1, std::memory_order_release);
  return finish();
]==])
set(wrong_1 [==[
  if (crash::seeded("loss_without_redo")) {
    total_of(counter) = redo.counter_value;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    std::atomic<StateWord>& state = segment_.descriptor(index).state;
    state.store(freed(state.load()), std::memory_order_release);
    return true;
  }
  redo.valid.store(1, std::memory_order_release);
  return finish();
]==])
