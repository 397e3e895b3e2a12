// SPDX-License-Identifier: Apache-2.0
// Redelivery: which messages of this handle were handed out and are not finished yet.
#pragma once

#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "shm/layout.hpp"

namespace ipc0cp::shm {

/// A private table; what counts for others is the state word of each block.
///
///   handed out --next pop of the thread, done()--> finished --last view gone--> returned
///        \--view gone before that--> still BORROWED, so that a death gives it to others
///        \--requeue()--> back in the queue once its last view is gone
///
/// Thread safety: all members may be called by any thread.
class Unfinished {
 public:
  /// What the caller must do with the block of an entry that has left the table.
  enum class Fate { stays, returned, requeued };
  struct Verdict {
    Fate fate = Fate::stays;
    std::uint32_t descriptor = kNone;
    StateWord word = 0;
  };

  /// `viewed`: its memory is looked at, so it must outlive being finished. False without memory.
  bool add(std::uint32_t descriptor, StateWord word, bool viewed) noexcept;
  /// The message object of this block is gone.
  Verdict let_go(std::uint32_t descriptor, StateWord borrowed_word) noexcept;
  /// Finishes one message. `keep` is called for a block that is still viewed, with its word, and
  /// gives the word it carries from now on.
  template <class Keep>
  Verdict finish(std::uint32_t descriptor, StateWord borrowed_word, Keep keep) noexcept {
    const std::lock_guard guard(mutex_);
    for (std::size_t index = 0; index < entries_.size(); ++index) {
      if (matches(entries_[index], descriptor, borrowed_word)) return settle(index, keep);
    }
    return {};
  }
  /// Finishes the oldest unfinished message of this thread (or of any); call until `stays`.
  template <class Keep>
  Verdict finish_next(bool of_any_thread, Keep keep) noexcept {
    const std::lock_guard guard(mutex_);
    for (std::size_t index = 0; index < entries_.size(); ++index) {
      const Entry& entry = entries_[index];
      if (entry.finished || entry.requeue) continue;
      if (!of_any_thread && entry.thread != std::this_thread::get_id()) continue;
      const Verdict verdict = settle(index, keep);
      if (verdict.fate != Fate::stays) return verdict;
    }
    return {};
  }
  /// Marks a message to go back; requeued at once if nothing views it.
  Verdict requeue(std::uint32_t descriptor, StateWord borrowed_word) noexcept;
  /// The same for the latest unfinished message of this thread.
  Verdict requeue_latest() noexcept;

 private:
  struct Entry {
    std::uint32_t descriptor;
    StateWord borrowed_word;  ///< Names the entry: as it was when the message was handed out.
    StateWord word;           ///< What the block carries now: BORROWED or KEPT.
    std::thread::id thread;
    bool held;
    bool finished;
    bool requeue;
  };

  static bool matches(const Entry& entry, std::uint32_t descriptor, StateWord word) noexcept {
    return entry.descriptor == descriptor && entry.borrowed_word == word;
  }
  template <class Keep>
  Verdict settle(std::size_t index, Keep keep) noexcept {
    Entry& entry = entries_[index];
    if (entry.finished) return {};
    if (!entry.held) return remove(index, Fate::returned);
    entry.word = keep(entry.descriptor, entry.word);
    entry.finished = true;
    return {};
  }
  Verdict remove(std::size_t index, Fate fate) noexcept;

  std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace ipc0cp::shm
