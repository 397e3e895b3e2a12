// SPDX-License-Identifier: Apache-2.0
#include "platform/buffer_pool.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

#include "platform/fork_safe.hpp"
#include "platform/private_pages.hpp"

namespace ipc0cp::platform::buffer_pool {
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

/// The small buffers that this thread keeps. Trivial to destroy, so it can be used, and what is
/// stored in it counts, until the very end of the thread.
struct SmallList {
  Prefix* first = nullptr;
  int count = 0;
};
constinit thread_local SmallList t_small;

/// Frees the list at the end of its thread. Other thread-local objects may release messages even
/// later; a list that counts as full makes those go straight back to the system.
struct SmallListEnd {
  ~SmallListEnd() {
    while (t_small.first != nullptr) std::free(std::exchange(t_small.first, t_small.first->next));
    t_small.count = kSmallKept;
  }
};

void keep_small(Prefix* prefix) noexcept {
  static thread_local const SmallListEnd end;
  static_cast<void>(end);
  prefix->next = t_small.first;
  t_small.first = prefix;
  ++t_small.count;
}

/// Writes to both ends: after a fork the first write to a page copies it.
void touch(Prefix* prefix) noexcept {
  *const_cast<volatile std::size_t*>(&prefix->capacity) = kSmallBytes;
  *(reinterpret_cast<volatile std::byte*>(buffer_of(prefix)) + kSmallBytes - 1) = std::byte{};
}

std::mutex g_large_mutex;
const platform::UsableAfterFork<g_large_mutex> g_large_after_fork;

struct LargeLists {
  std::array<Prefix*, kPowers> first{};
  std::size_t kept_bytes = 0;
};
static_assert(std::is_trivially_destructible_v<LargeLists>, "messages may outlive static objects");
constinit LargeLists g_large;

std::byte* acquire_kept(unsigned power) noexcept {
  const std::lock_guard guard(g_large_mutex);
  Prefix* prefix = g_large.first[power];
  if (prefix == nullptr) return nullptr;
  g_large.first[power] = prefix->next;
  g_large.kept_bytes -= prefix->capacity;
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

void prepare_small() noexcept {
  Prefix* prefix = t_small.first;
  if (prefix == nullptr) [[unlikely]]
    return prepare_small(1);
  touch(prefix);
}

void prepare_small(int count) noexcept {
  while (t_small.count < count) {
    std::byte* buffer = fresh(kSmallBytes);
    if (buffer == nullptr) return;
    keep_small(prefix_of(buffer));
  }
  Prefix* prefix = t_small.first;
  for (int ready = 0; ready < count && prefix != nullptr; ++ready, prefix = prefix->next) {
    touch(prefix);
  }
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
    return keep_small(prefix);
  }
  {
    const std::lock_guard guard(g_large_mutex);
    if (g_large.kept_bytes + prefix->capacity <= kLargeKeptBytes) {
      Prefix*& first = g_large.first[power_below(prefix->capacity)];
      prefix->next = first;
      first = prefix;
      g_large.kept_bytes += prefix->capacity;
      return;
    }
  }
  give_to_system(prefix);
}

}  // namespace ipc0cp::platform::buffer_pool
