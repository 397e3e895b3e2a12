// SPDX-License-Identifier: Apache-2.0
/// @file
/// Readiness: waiting for rings beside other things, with poll, epoll or asio.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "ipc0cp/consumer.hpp"
#include "ipc0cp/export.hpp"
#include "ipc0cp/producer.hpp"
#include "ipc0cp/timeout.hpp"

namespace ipc0cp {

/// A descriptor that is readable while its handle has something to do.
///
/// - Of a consumer: while a pop has an answer, be it a message, the end of the stream, or an error.
///   Where several consumers share a ring it can be readable although another one was faster; so
///   take with `try_pop`, which makes it unreadable again if there is nothing.
/// - Of a producer: until a push, or a loan, finds no room or no consumer; then from when one of
///   that size may succeed. Such a push counts as waiting, and others leave room for it.
///
/// Nobody polls: a thread of the library, which runs no code of yours but a log sink, sleeps in the
/// ring as a blocked pop does. All objects of one handle share it and the descriptor; it starts
/// with the first and ends with the last, or when the handle is closed. Meanwhile each pop of the
/// handle costs a look more, and one that leaves nothing behind a system call.
///
/// Only poll the descriptor: never read, write or close it. It is valid as long as this object,
/// also after the handle is closed or gone: then it stays readable, so that whoever waits wakes up.
///
/// Thread safety: all members may be called from any thread; moving and destroying need care, as
/// of any object. In a forked child it is never readable by right: make a handle there.
class IPC0CP_EXPORT Readiness {
 public:
  /// @throws Error closed (also before `attach()`), forked_handle, system_error: no descriptor or
  ///   no thread can be had; the text names the limit.
  explicit Readiness(SharedRingBufferConsumer& consumer);
  /// As for a consumer.
  explicit Readiness(SharedRingBufferProducer& producer);
  Readiness(Readiness&&) noexcept;
  Readiness& operator=(Readiness&&) noexcept;
  ~Readiness();

  /// The descriptor; -1 if this object was moved from.
  [[nodiscard]] int fd() const noexcept;
  /// Whether there is something to do now. Never waits; unlike the descriptor it also sees that
  /// another consumer was faster, and then makes that unreadable.
  [[nodiscard]] bool ready() const noexcept;

 private:
  friend IPC0CP_EXPORT std::vector<const Readiness*> wait(std::span<const Readiness* const> watched,
                                                          Timeout timeout);
  explicit Readiness(shm::Channel& channel);

  shm::Channel* channel_;
};

/// Waits until at least one of them is ready.
/// @return those that are, in the order given; none after `timeout`, or if none were given.
/// @throws Error invalid_argument: a null pointer, or one that was moved from; interrupted, if the
///   `interrupt_check` of one of the handles says so (asked every 50 ms); system_error.
IPC0CP_EXPORT std::vector<const Readiness*> wait(std::span<const Readiness* const> watched,
                                                 Timeout timeout = Timeout::forever());
/// The same for `wait({&frames, &commands}, 5s)`.
inline std::vector<const Readiness*> wait(std::initializer_list<const Readiness*> watched,
                                          Timeout timeout = Timeout::forever()) {
  return wait(std::span(watched.begin(), watched.size()), timeout);
}

}  // namespace ipc0cp
