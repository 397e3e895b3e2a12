// SPDX-License-Identifier: Apache-2.0
// What a fork must not break: the parent's tokens, and views that the child inherits.
//
// The child gets copies of our descriptors and with them the parent's locks, so it closes them
// first thing. A view that exists at the fork stays valid in the child: the pages of live blocks
// are copied before the fork, and the child puts the copies over the shared ones.
#include <algorithm>
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
  for_each([](Channel& channel) { channel.prepare_fork(); });
}
void in_parent() {
  for_each([](Channel& channel) { channel.finish_fork_in_parent(); });
  g_mutex.unlock();
}
void in_child() {
  for_each([](Channel& channel) { channel.finish_fork_in_child(); });
  g_first = nullptr;
  g_mutex.unlock();
}

}  // namespace

void process_channels::add(Channel& channel) noexcept {
  static const int registered = platform::on_fork(prepare, in_parent, in_child);
  static_cast<void>(registered);
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

void process_channels::close_all() noexcept {
  // Closed without the mutex: the last reference may go here, and ~Channel takes it.
  while (true) {
    Channel* open_channel = nullptr;
    {
      const std::lock_guard guard(g_mutex);
      for_each([&](Channel& channel) {
        if (open_channel == nullptr && !channel.closed() && !channel.forked() &&
            channel.add_reference()) {
          open_channel = &channel;
        }
      });
    }
    if (open_channel == nullptr) return;
    open_channel->close();
    open_channel->unreference();
  }
}

void Channel::prepare_fork() noexcept {
  if (forked() || acquired_.load() == 0) return;
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };
  try {
    std::vector<Range> ranges;
    const std::uint64_t page = platform::page_bytes();
    for (std::uint32_t index = 0; index < geometry().descriptor_count; ++index) {
      const StateWord word =
          ring_->segment->descriptor(index).state.load(std::memory_order_acquire);
      const State state = state_of(word);
      const bool in_use =
          state == State::kLoaned || state == State::kBorrowed || state == State::kKept;
      if (!in_use || owner_of(word) != ring_->participants.self()) continue;
      const BlockFields fields = ring_->segment->read_fields(index);
      if (fields.payload_bytes == 0 || !ring_->segment->plausible(index, fields, true)) continue;
      ranges.push_back({fields.offset / page * page,
                        (fields.offset + fields.payload_bytes + page - 1) / page * page});
    }
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& left, const Range& right) { return left.begin < right.begin; });
    std::size_t merged = 0;
    for (std::size_t index = 1; index < ranges.size(); ++index) {
      if (ranges[index].begin <= ranges[merged].end) {
        ranges[merged].end = std::max(ranges[merged].end, ranges[index].end);
      } else {
        ranges[++merged] = ranges[index];
      }
    }
    if (!ranges.empty()) ranges.resize(merged + 1);
    private_copies_.reserve(ranges.size());
    for (const Range& range : ranges) {
      const std::size_t bytes = range.end - range.begin;
      std::byte* address = ring_->segment->arena() + range.begin;
      std::byte* copy = platform::copy_pages(address, bytes);
      if (copy == nullptr) throw std::bad_alloc();
      private_copies_.push_back({address, copy, bytes});
    }
  } catch (const std::bad_alloc&) {
    fork_copies_failed_ = true;
  }
}

void Channel::finish_fork_in_parent() noexcept {
  for (const PrivateCopy& saved : private_copies_) {
    platform::discard_pages(saved.copy, saved.bytes);
  }
  private_copies_.clear();
}

void Channel::finish_fork_in_child() noexcept {
  ring_->participants.close_inherited();
  const bool writable = options_.open.role == Role::kProducer;
  for (const PrivateCopy& saved : private_copies_) {
    platform::replace_pages(saved.address, saved.copy, saved.bytes, writable);
  }
}

}  // namespace ipc0cp::shm
