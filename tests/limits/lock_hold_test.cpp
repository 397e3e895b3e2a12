// SPDX-License-Identifier: Apache-2.0
// What happens while a ring's lock is held: no memory is allocated and the process does not fork,
// for either may take long, and others of other processes wait meanwhile.
#include <gtest/gtest.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "unit/shm_pair.hpp"

namespace {

/// The lock that is watched, null: none; and who it is that must not do what is counted.
std::atomic<const std::atomic<std::uint32_t>*> g_lock{nullptr};
std::atomic<ipc0cp::shm::Owner> g_producer{0};
std::atomic<ipc0cp::shm::Owner> g_consumer{0};
std::atomic<int> g_allocations{0};
std::atomic<int> g_allocations_inside{0};

bool is_locked_by_us() noexcept {
  const std::atomic<std::uint32_t>* lock = g_lock;
  if (lock == nullptr) return false;
  const ipc0cp::shm::Owner owner = *lock & ~ipc0cp::shm::kLockWaiters;
  return owner != 0 && (owner == g_producer || owner == g_consumer);
}

void count_allocation() noexcept {
  if (g_lock.load() == nullptr) return;
  ++g_allocations;
  if (is_locked_by_us()) ++g_allocations_inside;
}

}  // namespace

// What the core allocates with; both stand before those of the library.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  count_allocation();
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, bytes) == 0 ? memory : nullptr;
}
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  count_allocation();
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
  std::free(memory);
}

namespace ipc0cp::testing {
namespace {

/// Watches the lock of a pair while it lives.
class Watched {
 public:
  explicit Watched(const Pair& pair) {
    g_producer = pair.producer.channel().ring().self();
    g_consumer = pair.consumer.channel().ring().self();
    g_allocations = 0;
    g_allocations_inside = 0;
    g_lock = &pair.header().lock;
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched() { g_lock = nullptr; }
};

TEST(LockHold, TheCountingCounts) {
  Pair pair;
  const Watched watched(pair);
  ASSERT_EQ(pair.ring().try_lock(), ErrorCode::ok);
  const auto allocate = [] {
    void* volatile memory = ::operator new(8);  // Else the compiler may leave it out.
    ::operator delete(memory);
  };
  allocate();
  pair.ring().unlock();
  allocate();
  EXPECT_EQ(g_allocations, 2);
  EXPECT_EQ(g_allocations_inside, 1);
}

TEST(LockHold, NothingIsAllocated) {
  for (const bool redeliver : {false, true}) {
    Pair pair(kMebi, {.redeliver = redeliver});
    std::vector<std::vector<std::byte>> payloads;
    std::vector<RawMessage> batch;
    const std::string long_metadata =
        R"({"type":"own","version":"1.0","padding":")" + std::string(100'000, 'x') + "\"}";
    for (unsigned number = 0; number < 64; ++number) payloads.push_back(bytes_of(100, number));
    for (const auto& payload : payloads) batch.push_back({{}, payload});
    std::vector<Message> kept;
    kept.reserve(1000);
    const Watched watched(pair);
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, std::size_t{5000}}) {
      const auto payload = bytes_of(bytes);
      for (int count = 0; count < 100; ++count) {
        ASSERT_TRUE(pair.producer.push_raw({}, payload, 5s));
        ASSERT_TRUE(pair.consumer.peek(5s).has_value());
        kept.push_back(std::move(*pair.consumer.pop_raw(5s)));
      }
    }
    kept.clear();
    ASSERT_EQ(pair.producer.push_many_raw(batch, 5s), batch.size());
    const std::vector<Message> all = pair.consumer.pop_many_raw(batch.size(), 5s);
    EXPECT_EQ(all.size(), batch.size());
    ASSERT_TRUE(pair.producer.push_raw(long_metadata, payloads[0], 5s));
    EXPECT_TRUE(pair.consumer.peek(5s)->metadata_json == long_metadata);
    EXPECT_TRUE(pair.consumer.pop_raw(5s)->metadata() == long_metadata);
    EXPECT_GT(g_allocations, 100) << "they are not all out of the pool";
    EXPECT_EQ(g_allocations_inside, 0) << "redeliver: " << redeliver;
  }
}

// ---- forks --------------------------------------------------------------------------------------

std::atomic<int> g_forks{0};
std::atomic<int> g_forks_inside{0};

/// Runs last of all handlers, right before the fork: it was registered before those of the core.
void look_before_fork() {
  if (g_lock.load() == nullptr) return;
  ++g_forks;
  if (is_locked_by_us()) ++g_forks_inside;
}
[[gnu::constructor(101)]] void register_handler() {
  pthread_atfork(look_before_fork, nullptr, nullptr);
}

TEST(LockHold, TheProcessDoesNotFork) {
  Pair pair;
  std::atomic<bool> ends{false};
  std::atomic<std::uint64_t> messages{0};
  const Watched watched(pair);
  std::thread traffic([&] {
    const auto payload = bytes_of(900);
    while (!ends) {
      EXPECT_TRUE(pair.producer.push_raw({}, payload, 20s));
      EXPECT_TRUE(pair.consumer.pop_raw(20s).has_value());
      ++messages;
    }
  });
  constexpr int kForks = 300;
  for (int count = 0; count < kForks; ++count) {
    const std::uint64_t before = messages;
    while (messages == before) std::this_thread::yield();
    const pid_t child = fork();
    ASSERT_NE(child, -1);
    if (child == 0) _exit(0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
  }
  ends = true;
  traffic.join();
  EXPECT_EQ(g_forks, kForks);
  // A thread that is not run for 100 ms keeps the lock; the fork waits no longer for it. (Without
  // the gate it was held in 160 of 300.)
  EXPECT_LE(g_forks_inside, kForks / 10);
}

}  // namespace
}  // namespace ipc0cp::testing
