// SPDX-License-Identifier: Apache-2.0
#include "shm/buffer_pool.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

#include "platform/fork_safe.hpp"
#include "platform/private_pages.hpp"

namespace ipc0cp::shm::buffer_pool {
namespace {

constexpr std::size_t kAlignment = 64;

/// Stands before every buffer, in a cache line of its own.
struct alignas(kAlignment) Prefix {
  Prefix* next;
  std::size_t capacity;
};
static_assert(sizeof(Prefix) == kAlignment);

constexpr int kSmallKept = 64;
constexpr unsigned kPowers = 48;
constexpr std::size_t kMostBytes = std::size_t{1} << (kPowers - 1);
constexpr std::size_t kLargeKeptBytes = std::size_t{256} << 20;

Prefix* prefix_of(std::byte* buffer) noexcept {
  return std::launder(reinterpret_cast<Prefix*>(buffer - sizeof(Prefix)));
}
const Prefix* prefix_of(const std::byte* buffer) noexcept {
  return std::launder(reinterpret_cast<const Prefix*>(buffer - sizeof(Prefix)));
}
std::byte* buffer_of(Prefix* prefix) noexcept {
  return reinterpret_cast<std::byte*>(prefix) + sizeof(Prefix);
}

/// Buffers from here on are pages of their own, which can grow.
bool is_pages(std::size_t capacity) noexcept { return capacity >= kTrustedBytes; }

std::byte* fresh(std::size_t capacity) noexcept {
  const std::size_t bytes = sizeof(Prefix) + capacity;
  void* memory =
      is_pages(capacity) ? platform::map_pages(bytes) : std::aligned_alloc(kAlignment, bytes);
  if (memory == nullptr) return nullptr;
  return buffer_of(new (memory) Prefix{nullptr, capacity});
}

void give_to_system(Prefix* prefix) noexcept {
  if (is_pages(prefix->capacity)) {
    platform::unmap_pages(prefix, sizeof(Prefix) + prefix->capacity);
  } else {
    std::free(prefix);
  }
}

/// The list of the buffers of at least 2^power bytes, and less than twice as much.
unsigned power_below(std::size_t capacity) noexcept {
  return static_cast<unsigned>(std::bit_width(capacity)) - 1;
}
unsigned power_above(std::size_t bytes) noexcept {
  return static_cast<unsigned>(std::bit_width(bytes - 1));
}

struct SmallList {
  Prefix* first = nullptr;
  int count = 0;
  ~SmallList() {
    while (first != nullptr) {
      Prefix* next = first->next;
      std::free(first);
      first = next;
    }
    count = kSmallKept;  // Whatever comes back after this thread's end is freed at once.
  }
};
thread_local SmallList t_small;

std::mutex g_large_mutex;

struct LargeLists {
  std::array<Prefix*, kPowers> first{};
  std::size_t kept_bytes = 0;
};
// Never destroyed: messages may outlive static objects.
LargeLists& large_lists() {
  static auto* lists = [] {
    platform::keep_usable_after_fork<g_large_mutex>();
    return new LargeLists();
  }();
  return *lists;
}

std::byte* acquire_kept(unsigned power) noexcept {
  LargeLists& lists = large_lists();
  const std::lock_guard guard(g_large_mutex);
  Prefix* prefix = lists.first[power];
  if (prefix == nullptr) return nullptr;
  lists.first[power] = prefix->next;
  lists.kept_bytes -= prefix->capacity;
  return buffer_of(prefix);
}

}  // namespace

std::byte* acquire(std::size_t bytes) noexcept {
  if (bytes <= kSmallBytes) {
    if (t_small.first == nullptr) return fresh(kSmallBytes);
    Prefix* prefix = t_small.first;
    t_small.first = prefix->next;
    --t_small.count;
    return buffer_of(prefix);
  }
  if (bytes > kMostBytes) return nullptr;
  const unsigned power = power_above(bytes);
  std::byte* kept = acquire_kept(power);
  return kept != nullptr ? kept : fresh(std::size_t{1} << power);
}

std::byte* acquire_growing(std::size_t bytes) noexcept {
  if (bytes <= kTrustedBytes) return acquire(bytes);
  std::byte* kept = bytes <= kMostBytes ? acquire_kept(power_above(bytes)) : nullptr;
  return kept != nullptr ? kept : acquire(kTrustedBytes);
}

std::size_t capacity(const std::byte* buffer) noexcept { return prefix_of(buffer)->capacity; }

std::byte* grow(std::byte* buffer, std::size_t bytes) noexcept {
  Prefix* prefix = prefix_of(buffer);
  const std::size_t before = prefix->capacity;
  assert(is_pages(before));
  const std::size_t after = std::min(bytes, 2 * before);
  void* moved = platform::grow_pages(prefix, sizeof(Prefix) + before, sizeof(Prefix) + after);
  if (moved == nullptr) return nullptr;
  prefix = std::launder(static_cast<Prefix*>(moved));
  prefix->capacity = after;
  return buffer_of(prefix);
}

void release(std::byte* buffer) noexcept {
  if (buffer == nullptr) return;
  Prefix* prefix = prefix_of(buffer);
  if (prefix->capacity == kSmallBytes) {
    if (t_small.count >= kSmallKept) return std::free(prefix);
    prefix->next = t_small.first;
    t_small.first = prefix;
    ++t_small.count;
    return;
  }
  LargeLists& lists = large_lists();
  {
    const std::lock_guard guard(g_large_mutex);
    if (lists.kept_bytes + prefix->capacity <= kLargeKeptBytes) {
      Prefix*& first = lists.first[power_below(prefix->capacity)];
      prefix->next = first;
      first = prefix;
      lists.kept_bytes += prefix->capacity;
      return;
    }
  }
  give_to_system(prefix);
}

}  // namespace ipc0cp::shm::buffer_pool
