// SPDX-License-Identifier: Apache-2.0
// Redelivery: which messages of this handle were handed out and are not finished yet.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "platform/thread.hpp"
#include "shm/layout.hpp"

namespace ipc0cp::shm {

/// A private table; what counts for others is the state word of each block.
///
///   handed out --next pop of the thread, done()--> finished --last view gone--> returned
///        \--view gone before that--> still BORROWED, so that a death gives it to others
///        \--requeue()--> back in the queue once its last view is gone
///
/// A message belongs to the thread that popped it, whoever it is handed to: that thread's next pop
/// finishes it. What a thread leaves behind at its end nobody's next pop finishes; it stays until
/// `done()`, or until the handle is closed, or comes again if the process dies.
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
  Verdict end_message(std::uint32_t descriptor, StateWord borrowed_word) noexcept;
  /// Finishes one message. `keep` is called for a block that is still viewed, with its word, and
  /// gives the word it carries from now on.
  template <class Keep>
  Verdict finish(std::uint32_t descriptor, StateWord borrowed_word, Keep keep) noexcept {
    const std::lock_guard guard(mutex_);
    const std::size_t index = find(descriptor, borrowed_word);
    if (index == entries_.size() || entries_[index].finished) return {};
    if (!entries_[index].held) return remove(index, Fate::returned);
    mark_finished(entries_[index], keep);
    return {};
  }
  /// The same for the one message whose block `is_it` knows. False: there is none, or finished.
  template <class IsIt, class Keep>
  bool finish_where(IsIt is_it, Keep keep, Verdict& verdict) noexcept {
    const std::lock_guard guard(mutex_);
    for (std::size_t index = 0; index < entries_.size(); ++index) {
      Entry& entry = entries_[index];
      if (entry.finished || !is_it(entry.descriptor)) continue;
      if (entry.held) {
        mark_finished(entry, keep);
      } else {
        verdict = remove(index, Fate::returned);
      }
      return true;
    }
    return false;
  }
  /// Finishes the unfinished messages of this thread (or of any), oldest first. Those whose blocks
  /// must be returned are put into `verdicts`; call again if it came back full.
  template <class Keep>
  std::size_t finish_popped(bool of_any_thread, std::span<Verdict> verdicts, Keep keep) noexcept {
    const std::uint64_t thread = platform::thread_number();
    const std::lock_guard guard(mutex_);
    std::size_t returned = 0;
    std::size_t kept = 0;
    for (Entry& entry : entries_) {
      const bool concerned =
          !entry.finished && !entry.requeue && (of_any_thread || entry.thread == thread);
      if (concerned && !entry.held && returned < verdicts.size()) {
        verdicts[returned++] = {Fate::returned, entry.descriptor, entry.word};
        continue;
      }
      if (concerned && entry.held) mark_finished(entry, keep);
      entries_[kept++] = entry;
    }
    entries_.resize(kept);
    return returned;
  }
  /// Marks a message to go back; requeued at once if nothing views it.
  Verdict requeue(std::uint32_t descriptor, StateWord borrowed_word) noexcept;
  /// The same for the latest unfinished message of this thread.
  Verdict requeue_latest() noexcept;
  /// Forgets a message that was not handed out, finished or not. False: it is not here.
  bool forget(std::uint32_t descriptor, StateWord borrowed_word) noexcept;

 private:
  struct Entry {
    std::uint32_t descriptor;
    StateWord borrowed_word;  ///< Names the entry: as it was when the message was handed out.
    StateWord word;           ///< What the block carries now: BORROWED or KEPT.
    std::uint64_t thread;     ///< thread_number() of who popped it.
    bool held;
    bool finished;
    bool requeue;
  };

  template <class Keep>
  static void mark_finished(Entry& entry, Keep keep) noexcept {
    entry.word = keep(entry.descriptor, entry.word);
    entry.finished = true;
  }
  /// The place of an entry, or the number of entries. A batch is given back in the order in which
  /// it came, so the search begins behind what was found last.
  std::size_t find(std::uint32_t descriptor, StateWord borrowed_word) noexcept;
  Verdict remove(std::size_t index, Fate fate) noexcept;

  std::mutex mutex_;
  std::vector<Entry> entries_;
  std::size_t found_last_ = 0;
};

}  // namespace ipc0cp::shm
