// SPDX-License-Identifier: Apache-2.0
#include "shm/unfinished.hpp"

#include <new>

namespace ipc0cp::shm {

bool Unfinished::add(std::uint32_t descriptor, StateWord word, bool viewed) noexcept {
  const std::lock_guard guard(mutex_);
  try {
    entries_.push_back({descriptor, word, word, std::this_thread::get_id(), viewed, false, false});
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

Unfinished::Verdict Unfinished::let_go(std::uint32_t descriptor, StateWord borrowed_word) noexcept {
  const std::lock_guard guard(mutex_);
  for (std::size_t index = 0; index < entries_.size(); ++index) {
    Entry& entry = entries_[index];
    if (!matches(entry, descriptor, borrowed_word)) continue;
    entry.held = false;
    if (entry.finished) return remove(index, Fate::returned);
    if (entry.requeue) return remove(index, Fate::requeued);
    return {};
  }
  return {};
}

Unfinished::Verdict Unfinished::requeue(std::uint32_t descriptor,
                                        StateWord borrowed_word) noexcept {
  const std::lock_guard guard(mutex_);
  for (std::size_t index = 0; index < entries_.size(); ++index) {
    Entry& entry = entries_[index];
    if (!matches(entry, descriptor, borrowed_word) || entry.finished) continue;
    if (!entry.held) return remove(index, Fate::requeued);
    entry.requeue = true;
    return {};
  }
  return {};
}

Unfinished::Verdict Unfinished::requeue_latest() noexcept {
  const std::lock_guard guard(mutex_);
  for (std::size_t index = entries_.size(); index-- > 0;) {
    Entry& entry = entries_[index];
    if (entry.finished || entry.requeue || entry.thread != std::this_thread::get_id()) continue;
    if (!entry.held) return remove(index, Fate::requeued);
    entry.requeue = true;
    return {};
  }
  return {};
}

Unfinished::Verdict Unfinished::remove(std::size_t index, Fate fate) noexcept {
  const Entry entry = entries_[index];
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(index));
  return {fate, entry.descriptor, entry.word};
}

}  // namespace ipc0cp::shm
