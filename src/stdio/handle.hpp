// SPDX-License-Identifier: Apache-2.0
// What both ends of a stream have in common: turns, waiting, closing, forks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "ipc0cp/stdio.hpp"
#include "stdio/transport.hpp"

namespace ipc0cp::stdio {

class Call;

/// Thread safety: all members, by any number of threads. One call at a time has the turn, and with
/// it the transport; the others wait.
///
/// Lifetime: shared between the public handle and whoever closes all streams of the process. After
/// a fork the child's copy is never destroyed: a thread that the child does not have may have been
/// waiting in it.
class StreamHandle {
 public:
  StreamHandle(NamedTransport transport, InterruptCheck interrupt_check);
  StreamHandle(const StreamHandle&) = delete;
  StreamHandle& operator=(const StreamHandle&) = delete;
  virtual ~StreamHandle() = default;

  /// Ends the calls of other threads, then closes; `finish`: an unbroken stream gets what ends it.
  /// From within a call of this thread (a signal handler) it only ends that call.
  /// @throws Error; the handle is closed nevertheless.
  void close(bool finish);
  [[nodiscard]] bool closed() const noexcept { return is_closing_.load(std::memory_order_acquire); }
  [[nodiscard]] bool forked() const noexcept;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 protected:
  friend class Call;
  /// For whoever has the turn, until the handle is closed.
  [[nodiscard]] Transport& transport() noexcept { return *transport_; }
  /// Writes what ends the stream. Has the turn.
  virtual void finish_stream(Call& call) = 0;
  [[noreturn]] void fail(ErrorCode code, const std::string& text) const;

 private:
  friend class StreamRegistry;
  /// @throws Error forked_handle.
  void check_not_forked() const;
  /// @throws Error closed, forked_handle.
  void check_usable() const;
  [[nodiscard]] bool is_turn_of_this_thread();

  std::unique_ptr<Transport> transport_;  ///< Null once the handle is closed.
  const std::string name_;
  const InterruptCheck interrupt_check_;
  const std::uint64_t fork_generation_;
  std::mutex mutex_;
  std::condition_variable turn_is_free_;
  std::thread::id turn_;  ///< Whose it is; guarded by the mutex.
  std::atomic<bool> is_closing_{false};
};

/// One call of a handle: its deadline, its turn, and what may end it early.
class Call {
 public:
  enum class Purpose { use, close };

  Call(StreamHandle& handle, Timeout timeout, Purpose purpose = Purpose::use);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  /// Gives the turn back.
  ~Call();

  /// Waits for the turn. False: the time is over.
  /// @throws Error closed, interrupted, forked_handle; invalid_argument: this thread has it.
  bool begin();
  /// Sleeps until the transport may have made progress. False: the time is over.
  /// @throws Error closed, interrupted.
  bool wait();
  /// To be called now and then by calls that are busy. @throws Error closed, interrupted.
  void check_now_and_then();
  /// From now on the call takes as long as it takes.
  void wait_for_ever() noexcept;

 private:
  StreamHandle& handle_;
  std::int64_t deadline_ns_;
  std::int64_t looked_ns_;
  Purpose purpose_;
  bool has_turn_ = false;
};

/// Makes a handle known to the fork handlers and to `close_all_streams`.
void register_stream(const std::shared_ptr<StreamHandle>& handle);
/// Closes; what goes wrong is logged.
void close_quietly(StreamHandle& handle, bool finish) noexcept;
/// The end of a public handle, moved from (null) or not.
void detach(std::shared_ptr<StreamHandle> handle, bool finish) noexcept;

}  // namespace ipc0cp::stdio
