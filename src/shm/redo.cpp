// SPDX-License-Identifier: Apache-2.0
#include "shm/redo.hpp"

namespace ipc0cp::shm {

/// Whatever else a damaged record names is counted as dropped.
Relaxed<std::uint64_t>& RedoRecord::total_of(Counter counter) const noexcept {
  Header& header = segment_.header();
  switch (counter) {
    case Counter::lost:
      return header.lost;
    case Counter::overflowed:
      return header.overflowed;
    default:
      return header.dropped;
  }
}

bool RedoRecord::free_and_count(std::uint32_t index, Counter counter) noexcept {
  Header& header = segment_.header();
  Redo& redo = header.redo;
  redo.descriptor = index;
  redo.expected = segment_.descriptor(index).state.load(std::memory_order_acquire);
  redo.counter_value = total_of(counter) + 1;
  redo.counter = static_cast<std::uint32_t>(counter);
  redo.valid.store(1, std::memory_order_release);
  return finish();
}

bool RedoRecord::finish() noexcept {
  Header& header = segment_.header();
  Redo& redo = header.redo;
  if (redo.valid.load(std::memory_order_acquire) == 0) return false;
  total_of(static_cast<Counter>(std::uint32_t{redo.counter})) = redo.counter_value;
  const std::uint32_t index = redo.descriptor;
  const StateWord expected = redo.expected;
  Descriptor& block = segment_.descriptor(index);
  bool is_free = false;
  if (block.state.load(std::memory_order_acquire) == expected) {
    is_free = !is_shared(expected);
    block.state.store(is_free ? freed(expected) : served(expected), std::memory_order_seq_cst);
  }
  redo.valid.store(0, std::memory_order_release);
  if (!is_free && is_shared(expected)) is_free = shares_.free_if_served(index, expected);
  return is_free;
}

}  // namespace ipc0cp::shm
