// SPDX-License-Identifier: Apache-2.0
#include "shm/buffer_pool.hpp"

#include <array>
#include <bit>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

#include "platform/fork_safe.hpp"

namespace ipc0cp::shm::buffer_pool {
namespace {

constexpr std::size_t kAlignment = 64;

/// Stands before every buffer, in a cache line of its own.
struct alignas(kAlignment) Prefix {
  Prefix* next;
  std::uint32_t power;  ///< Capacity is 2^power; below `kSmallClasses`: a small buffer.
};
static_assert(sizeof(Prefix) == kAlignment);

/// Small buffers of one capacity; so many of them are kept by each thread.
struct SmallClass {
  std::size_t bytes;
  int kept;
};
// Most small messages are tiny, and a batch of them must not sweep the cache.
constexpr std::uint32_t kSmallClasses = 2;
constexpr std::array<SmallClass, kSmallClasses> kSmall = {{{448, 1024}, {kSmallBytes, 64}}};
constexpr unsigned kPowers = 48;
constexpr std::size_t kLargeKeptBytes = std::size_t{256} << 20;

Prefix* prefix_of(std::byte* buffer) noexcept {
  return std::launder(reinterpret_cast<Prefix*>(buffer - sizeof(Prefix)));
}
std::byte* buffer_of(Prefix* prefix) noexcept {
  return reinterpret_cast<std::byte*>(prefix) + sizeof(Prefix);
}

std::byte* fresh(std::size_t bytes, std::uint32_t power) noexcept {
  void* memory = std::aligned_alloc(kAlignment, sizeof(Prefix) + bytes);
  if (memory == nullptr) return nullptr;
  return buffer_of(new (memory) Prefix{nullptr, power});
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
    count = INT_MAX;  // Whatever comes back after this thread's end is freed at once.
  }
};
thread_local std::array<SmallList, kSmallClasses> t_small;

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

}  // namespace

std::byte* acquire(std::size_t bytes) noexcept {
  if (bytes <= kSmallBytes) {
    const std::uint32_t size_class = bytes > kSmall[0].bytes ? 1 : 0;
    SmallList& list = t_small[size_class];
    if (list.first == nullptr) return fresh(kSmall[size_class].bytes, size_class);
    Prefix* prefix = list.first;
    list.first = prefix->next;
    --list.count;
    return buffer_of(prefix);
  }
  if (bytes > (std::size_t{1} << (kPowers - 1))) return nullptr;
  const auto power = static_cast<std::uint32_t>(std::bit_width(bytes - 1));
  {
    LargeLists& lists = large_lists();
    const std::lock_guard guard(g_large_mutex);
    if (Prefix* prefix = lists.first[power]) {
      lists.first[power] = prefix->next;
      lists.kept_bytes -= std::size_t{1} << power;
      return buffer_of(prefix);
    }
  }
  return fresh(std::size_t{1} << power, power);
}

void release(std::byte* buffer) noexcept {
  if (buffer == nullptr) return;
  Prefix* prefix = prefix_of(buffer);
  if (prefix->power < kSmallClasses) {
    SmallList& list = t_small[prefix->power];
    if (list.count >= kSmall[prefix->power].kept) return std::free(prefix);
    prefix->next = list.first;
    list.first = prefix;
    ++list.count;
    return;
  }
  const std::size_t bytes = std::size_t{1} << prefix->power;
  LargeLists& lists = large_lists();
  {
    const std::lock_guard guard(g_large_mutex);
    if (lists.kept_bytes + bytes <= kLargeKeptBytes) {
      prefix->next = lists.first[prefix->power];
      lists.first[prefix->power] = prefix;
      lists.kept_bytes += bytes;
      return;
    }
  }
  std::free(prefix);
}

}  // namespace ipc0cp::shm::buffer_pool
