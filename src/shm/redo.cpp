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

void RedoRecord::free_and_count(std::uint32_t index, Counter counter) noexcept {
  Header& header = segment_.header();
  Redo& redo = header.redo;
  redo.descriptor = index;
  redo.expected = segment_.descriptor(index).state.load(std::memory_order_acquire);
  redo.counter_value = total_of(counter) + 1;
  redo.counter = static_cast<std::uint32_t>(counter);
  redo.valid.store(1, std::memory_order_release);
  finish();
}

void RedoRecord::finish() noexcept {
  Header& header = segment_.header();
  Redo& redo = header.redo;
  if (redo.valid.load(std::memory_order_acquire) == 0) return;
  total_of(static_cast<Counter>(std::uint32_t{redo.counter})) = redo.counter_value;
  Descriptor& block = segment_.descriptor(redo.descriptor);
  if (block.state.load(std::memory_order_acquire) == redo.expected) {
    block.state.store(freed(redo.expected), std::memory_order_release);
  }
  redo.valid.store(0, std::memory_order_release);
}

}  // namespace ipc0cp::shm
