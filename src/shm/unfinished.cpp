// SPDX-License-Identifier: Apache-2.0
#include "shm/unfinished.hpp"

#include <new>

namespace ipc0cp::shm {

bool Unfinished::add(std::uint32_t descriptor, StateWord word, bool viewed) noexcept {
  const std::lock_guard guard(mutex_);
  try {
    entries_.push_back({descriptor, word, word, platform::thread_number(), viewed, false, false});
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

std::size_t Unfinished::find(std::uint32_t descriptor, StateWord borrowed_word) noexcept {
  const std::size_t count = entries_.size();
  std::size_t index = found_last_ + 1;
  for (std::size_t step = 0; step < count; ++step, ++index) {
    if (index >= count) index = 0;
    const Entry& entry = entries_[index];
    if (entry.descriptor == descriptor && entry.borrowed_word == borrowed_word) {
      return found_last_ = index;
    }
  }
  return count;
}

Unfinished::Verdict Unfinished::end_message(std::uint32_t descriptor,
                                            StateWord borrowed_word) noexcept {
  const std::lock_guard guard(mutex_);
  const std::size_t index = find(descriptor, borrowed_word);
  if (index == entries_.size()) return {};
  Entry& entry = entries_[index];
  entry.held = false;
  if (entry.finished) return remove(index, Fate::returned);
  if (entry.requeue) return remove(index, Fate::requeued);
  return {};
}

Unfinished::Verdict Unfinished::requeue(std::uint32_t descriptor,
                                        StateWord borrowed_word) noexcept {
  const std::lock_guard guard(mutex_);
  const std::size_t index = find(descriptor, borrowed_word);
  if (index == entries_.size() || entries_[index].finished) return {};
  if (!entries_[index].held) return remove(index, Fate::requeued);
  entries_[index].requeue = true;
  return {};
}

bool Unfinished::forget(std::uint32_t descriptor, StateWord borrowed_word) noexcept {
  const std::lock_guard guard(mutex_);
  const std::size_t index = find(descriptor, borrowed_word);
  if (index == entries_.size()) return false;
  remove(index, Fate::requeued);
  return true;
}

Unfinished::Verdict Unfinished::requeue_latest() noexcept {
  const std::uint64_t thread = platform::thread_number();
  const std::lock_guard guard(mutex_);
  for (std::size_t index = entries_.size(); index-- > 0;) {
    Entry& entry = entries_[index];
    if (entry.finished || entry.requeue || entry.thread != thread) continue;
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
