# SPDX-License-Identifier: Apache-2.0
# A lost message is counted and its block freed in two stores, without a redo record.
set(source src/shm/recovery.cpp)
set(right_1 [==[
  redo.valid.store(1, std::memory_order_release);
  finish_redo();
]==])
set(wrong_1 [==[
  (counter == Counter::lost ? header_.lost : header_.dropped) = total + 1;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  store(block, freed(load(block)));
]==])
