// SPDX-License-Identifier: Apache-2.0
// What a pop_many took from the queue and did not hand out.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <span>
#include <vector>

#include "ipc0cp/message.hpp"
#include "platform/fork_safe.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

/// A message of a batch could not be decoded: its error comes out of the next pop, then the
/// messages behind it, before all that is queued.
///
/// With redelivery they go back to their places in the queue at once, for anybody, and their
/// delivery does not count. Otherwise they wait here until the handle is closed; then those that
/// still lie in the ring go back to their places, and those that were copied, whose blocks are free
/// since then (up to 4 KiB, or while views hold half of the ring), are counted as lost. What comes
/// here after that, from a thread that was decoding meanwhile, goes back likewise, but of lost
/// copies only the log tells: the handle may not write into the ring any more.
///
/// Thread safety: all members may be called by any thread.
class PutBack final : public shm::CloseListener {
 public:
  /// Whether there is something; looked at without the mutex.
  [[nodiscard]] bool any() const noexcept { return any_.load(std::memory_order_acquire); }
  /// `error` is null if it has been thrown already.
  void add(shm::Channel& channel, std::exception_ptr error, std::span<Message> rest);
  /// Moves what is here into `messages`, which are empty. @return how many there were.
  /// @throws the error before them.
  std::size_t take(std::span<Message> messages);
  /// Releases what is here but the newest `kept` messages. @return how many.
  /// @throws the error before them.
  std::size_t give_up_all_but(std::size_t kept);
  /// Tells of the first one, if there is one. @throws the error before it.
  bool describe(MessageHead& head);
  /// Copies up to `most` payloads side by side into `rows`, until a message is different.
  /// @param is_whole whether nothing is left here.
  std::size_t take_rows(const shm::Channel::Likeness& likeness, std::span<std::byte> rows,
                        std::size_t most, bool& is_whole);

  std::size_t closing(shm::Channel& channel) noexcept override;
  [[nodiscard]] bool has_answer() const noexcept override { return any(); }

 private:
  /// Under the mutex: throws the error that is due.
  void throw_error();
  void look() noexcept;

  platform::Mutex mutex_;  ///< Guards what follows.
  bool is_closed_ = false;
  std::exception_ptr error_;
  std::vector<Message> messages_;  ///< The next one last.
  std::atomic<bool> any_{false};
};

}  // namespace ipc0cp
