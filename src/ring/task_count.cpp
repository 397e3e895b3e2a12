// SPDX-License-Identifier: Apache-2.0
#include "ring/task_count.hpp"

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include "ipc0cp/error.hpp"
#include "platform/futex.hpp"

namespace ipc0cp {
namespace {

/// "ipc0tsk" and the version of these words.
constexpr std::uint64_t kMagic = 0x01'6b'73'74'30'63'70'69;
constexpr unsigned kMode = 0600;
constexpr std::size_t kBytes = 4096;

[[noreturn]] void fail_system(const char* what, int error) {
  const ErrorCode code = error == ENOSPC ? ErrorCode::no_space : ErrorCode::system_error;
  throw Error(code, std::string(what) + ": " + std::generic_category().message(error), error);
}

}  // namespace

struct TaskCount::Words {
  std::uint64_t magic;
  std::atomic<std::uint64_t> finished;
  std::atomic<std::uint32_t> state;
  std::atomic<std::uint32_t> event;
};

TaskCount::TaskCount() {
  constexpr const char* kWhat = "the count of a queue's tasks cannot be made";
  if (const int error = platform::open_unnamed(kMode, file_)) fail_system(kWhat, error);
  if (const int error = platform::set_size(file_, kBytes)) fail_system(kWhat, error);
  if (const int error = platform::map(file_, 0, kBytes, true, mapping_)) fail_system(kWhat, error);
  // A store to memory that the file system does not have would be a SIGBUS.
  if (const int error = platform::reserve(file_.get(), 0, mapping_.data(), kBytes)) {
    fail_system(kWhat, error);
  }
  words().magic = kMagic;
}

TaskCount::TaskCount(platform::File file, platform::Mapping mapping) noexcept
    : file_(std::move(file)), mapping_(std::move(mapping)) {}

TaskCount TaskCount::adopt(int descriptor) {
  platform::FileIdentity identity;
  const bool may_be_one = platform::identity_of(descriptor, identity) == 0 && identity.regular &&
                          identity.bytes == kBytes;
  platform::File file(descriptor);
  platform::Mapping mapping;
  const int error = may_be_one ? platform::map(file, 0, kBytes, true, mapping) : 0;
  if (may_be_one && error == 0) {
    TaskCount count(std::move(file), std::move(mapping));
    if (count.words().magic == kMagic) return count;
    file = std::move(count.file_);
  }
  static_cast<void>(file.take());  // The caller's.
  if (error != 0) fail_system("the count of a queue's tasks cannot be mapped", error);
  throw Error(ErrorCode::invalid_argument, "descriptor " + std::to_string(descriptor) +
                                               " is not that of a queue's count of tasks");
}

TaskCount::Words& TaskCount::words() const noexcept {
  return *reinterpret_cast<Words*>(mapping_.data());
}

std::uint64_t TaskCount::finished() const noexcept {
  return words().finished.load(std::memory_order_acquire);
}

bool TaskCount::finish_one(std::uint64_t put) noexcept {
  std::uint64_t finished = words().finished.load(std::memory_order_relaxed);
  do {
    if (finished >= put) return false;
  } while (
      !words().finished.compare_exchange_weak(finished, finished + 1, std::memory_order_acq_rel));
  announce();
  return true;
}

TaskCount::State TaskCount::state() const noexcept {
  return static_cast<State>(words().state.load(std::memory_order_acquire));
}

void TaskCount::raise_state(State state) noexcept {
  const auto wanted = static_cast<std::uint32_t>(state);
  std::uint32_t current = words().state.load(std::memory_order_relaxed);
  while (current < wanted && !words().state.compare_exchange_weak(current, wanted)) {
  }
  announce();
}

std::uint32_t TaskCount::event() const noexcept {
  return words().event.load(std::memory_order_seq_cst);
}

void TaskCount::announce() noexcept {
  words().event.fetch_add(1, std::memory_order_seq_cst);
  platform::futex_wake(words().event, platform::kWakeAll);
}

void TaskCount::wait(std::uint32_t seen, std::int64_t wait_ns) const noexcept {
  platform::futex_wait(words().event, seen, wait_ns);
}

}  // namespace ipc0cp
