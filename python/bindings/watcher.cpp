// SPDX-License-Identifier: Apache-2.0
#include "watcher.hpp"

#include <signal.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <system_error>

#include "gil.hpp"
#include "ipc0cp/error.hpp"

namespace ipc0cp::python {

Watcher::Watcher(shm::Channel& channel, For purpose)
    : channel_(channel),
      purpose_(purpose),
      process_(getpid()),
      event_file_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (event_file_ < 0) {
    throw Error(ErrorCode::system_error,
                "ring '" + channel.name() +
                    "': no event descriptor for asyncio: " + std::generic_category().message(errno),
                errno);
  }
}

Watcher::~Watcher() {
  if (thread_ != nullptr && process_ != getpid()) {
    // A forked child: the thread lives in the parent only.
    static_cast<void>(thread_.release());
  } else if (thread_ != nullptr) {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    given_up_.store(true, std::memory_order_release);
    channel_.membership().wake_everybody();
    change_.notify_all();
    const WithoutGil region;
    thread_->join();
  }
  close(event_file_);
}

void Watcher::arm(std::uint64_t message_bytes, std::uint32_t freed_before, bool nobody_reads) {
  {
    const std::lock_guard lock(mutex_);
    message_bytes_.store(message_bytes, std::memory_order_relaxed);
    freed_before_.store(freed_before, std::memory_order_relaxed);
    nobody_reads_.store(nobody_reads, std::memory_order_relaxed);
    given_up_.store(false, std::memory_order_release);
    armed_ = true;
    if (thread_ == nullptr) start();
  }
  change_.notify_all();
}

/// Signals are for the threads of Python.
void Watcher::start() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::make_unique<std::thread>([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Watcher::disarm() {
  {
    const std::lock_guard lock(mutex_);
    armed_ = false;
    given_up_.store(true, std::memory_order_release);
  }
  if (purpose_ == For::room) channel_.forget_want();
}

bool Watcher::take() noexcept {
  eventfd_t count = 0;
  return eventfd_read(event_file_, &count) == 0;
}

void Watcher::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    change_.wait(lock, [this] { return armed_ || ending_; });
    if (ending_) return;
    lock.unlock();
    wait();
    lock.lock();
    // Disarmed and armed again meanwhile: that wait is still owed.
    if (!armed_ || given_up_.load(std::memory_order_acquire)) continue;
    armed_ = false;
    eventfd_write(event_file_, 1);
  }
}

void Watcher::wait() noexcept {
  if (purpose_ == For::answer) {
    channel_.await_answer(given_up_);
  } else {
    channel_.await_room(message_bytes_.load(std::memory_order_relaxed),
                        freed_before_.load(std::memory_order_relaxed),
                        nobody_reads_.load(std::memory_order_relaxed), given_up_);
  }
}

void bind_watcher(nb::module_& module) {
  nb::class_<Watcher>(module, "Watcher",
                      "Waits for a ring in a thread of its own and tells by a descriptor.")
      .def_prop_ro("descriptor", &Watcher::descriptor, "Readable after a wait has ended.")
      .def("arm", &Watcher::arm, nb::arg("message_bytes") = 0, nb::arg("freed_before") = 0,
           nb::arg("nobody_reads") = false,
           "Begin a wait; it ends when another attempt is worth while.")
      .def("disarm", &Watcher::disarm, "Nobody waits any more.")
      .def("take", &Watcher::take, "Make the descriptor unreadable; whether it was readable.");
}

}  // namespace ipc0cp::python
