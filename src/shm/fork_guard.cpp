// SPDX-License-Identifier: Apache-2.0
// What a fork must not break: the parent's tokens, and views that the child inherits; and others,
// which would wait for a lock whose holder waits for the fork.
//
// The child gets copies of our descriptors and with them the parent's locks, so it closes them
// first thing. A view that exists at the fork stays valid in the child: the pages of live blocks
// are copied before the fork, and the child puts the copies over the shared ones.
#include <mutex>

#include "platform/fork_safe.hpp"
#include "shm/channel.hpp"

namespace ipc0cp::shm {
namespace {

std::mutex g_mutex;
Channel* g_first = nullptr;

template <class Function>
void for_each(Function function) noexcept {
  for (Channel* channel = g_first; channel != nullptr; channel = channel->next_in_process) {
    function(*channel);
  }
}

// The mutex is held from `prepare` until after the fork, so the list stands still.
void prepare() {
  g_mutex.lock();
  for_each([](Channel& channel) {
    if (channel.forked()) return;
    channel.ring().shut_for_fork();
    if (channel.ever_acquired()) channel.fork_copies().save();
  });
}
void in_parent() {
  for_each([](Channel& channel) {
    channel.ring().open_after_fork();
    channel.fork_copies().discard();
  });
  g_mutex.unlock();
}
void in_child() {
  for_each([](Channel& channel) {
    channel.ring().participants().close_inherited();
    channel.fork_copies().put_in_place();
  });
  g_first = nullptr;
  g_mutex.unlock();
}

// At load: a function's own static variable would be initialised behind a hidden lock, which a
// child forked meanwhile inherits taken.
[[maybe_unused]] const int g_registered = platform::on_fork(prepare, in_parent, in_child);

}  // namespace

void process_channels::add(Channel& channel) noexcept {
  const std::lock_guard guard(g_mutex);
  channel.next_in_process = g_first;
  if (g_first != nullptr) g_first->previous_in_process = &channel;
  g_first = &channel;
}

void process_channels::remove(Channel& channel) noexcept {
  const std::lock_guard guard(g_mutex);
  if (channel.next_in_process != nullptr) {
    channel.next_in_process->previous_in_process = channel.previous_in_process;
  }
  if (channel.previous_in_process != nullptr) {
    channel.previous_in_process->next_in_process = channel.next_in_process;
  } else if (g_first == &channel) {
    g_first = channel.next_in_process;
  }
}

void process_channels::close_all(Exempt exempt) noexcept {
  const std::int64_t deadline_ns = platform::deadline_after(Channel::kCloseWaitNs);
  // Closed without the mutex: the last reference may go here, and ~Channel takes it.
  while (true) {
    Channel* open_channel = nullptr;
    {
      const std::lock_guard guard(g_mutex);
      for_each([&](Channel& channel) {
        if (exempt == Exempt::outliving && channel.outlives_exit_hook()) return;
        if (open_channel == nullptr && !channel.closed() && !channel.forked() &&
            channel.add_reference()) {
          open_channel = &channel;
        }
      });
    }
    if (open_channel == nullptr) return;
    open_channel->close(deadline_ns);
    open_channel->unreference();
  }
}

}  // namespace ipc0cp::shm
