// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/ring_keeper.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

#include "ipc0cp/consumer.hpp"
#include "ipc0cp/options.hpp"
#include "platform/liveness.hpp"
#include "platform/log.hpp"
#include "platform/shared_memory.hpp"
#include "shm/layout.hpp"
#include "shm/ring_file.hpp"
#include "shm/ring_name.hpp"

namespace ipc0cp {
namespace {

constexpr std::chrono::milliseconds kCloseWait(1000);

using platform::File;
using platform::LockKind;
using platform::LockResult;

[[noreturn]] void refuse_to_keep(const std::string& name, ErrorCode code, const std::string& reason,
                                 int system_errno = 0) {
  throw Error(code, "ring '" + name + "' cannot be kept: " + reason, system_errno);
}

/// Whether some keeper has the file open, as seen through a description that holds no lock.
bool is_kept(const File& probe) noexcept {
  return platform::range_is_held(probe.get(), shm::kKeeperByte, 1);
}

/// Comes and goes as a consumer: as the last one it retires the ring, whose name then goes as every
/// name does. Nobody can keep the ring anew meanwhile, since keepers come from keepers only.
void retire_unless_read(const std::string& name, const File& file) {
  constexpr std::chrono::milliseconds kPause(5);
  const std::string path = shm::path_of(name);
  const auto is_there = [&] { return shm::is_named(file.get(), path); };
  std::string reason;
  for (auto waited = 0 * kPause; is_there() && waited < kCloseWait; waited += kPause) {
    try {
      ConsumerOptions options;
      options.auto_attach = false;
      options.stale = Stale::discard;
      SharedRingBufferConsumer last(name, 0, options);
      last.attach(Timeout::none());
      return;
    } catch (const Error& error) {
      // Attaching has removed it already, as nobody lived in it; or others are at it just now.
      reason = error.what();
      if (error.code() != ErrorCode::timeout) break;
      if (is_there()) std::this_thread::sleep_for(kPause);
    }
  }
  if (!is_there()) return;
  log(LogLevel::warning,
      "ring '" + name + "' stays behind, remove it (rm " + shm::path_of(name) + "): " + reason);
}

}  // namespace

RingKeeper::RingKeeper(std::string name, int descriptor)
    : name_(std::move(name)), descriptor_(platform::move_high(descriptor)) {}

RingKeeper::RingKeeper(const std::string& shm_name) : name_(shm::checked_name(shm_name)) {
  File file;
  if (const int error = platform::open_existing(shm::path_of(name_), file)) {
    refuse_to_keep(name_, ErrorCode::system_error, std::strerror(error), error);
  }
  switch (platform::lock_byte(file.get(), shm::kKeeperByte, LockKind::write)) {
    case LockResult::taken:
      break;
    case LockResult::busy:
      refuse_to_keep(name_, ErrorCode::invalid_argument,
                     "it has a keeper already; share its descriptor");
    case LockResult::failed:
      refuse_to_keep(name_, ErrorCode::system_error, "its file cannot be locked", errno);
  }
  descriptor_ = platform::move_high(file.take());
}

RingKeeper RingKeeper::adopt(const std::string& shm_name, int descriptor) {
  std::string name = shm::checked_name(shm_name);
  File file(descriptor);
  File probe;
  const bool is_keeper = platform::open_again(file, probe) == 0 && is_kept(probe);
  static_cast<void>(file.take());  // The caller's until it is accepted.
  if (!is_keeper) {
    refuse_to_keep(name, ErrorCode::invalid_argument,
                   "descriptor " + std::to_string(descriptor) + " is not that of a keeper");
  }
  return {std::move(name), descriptor};
}

RingKeeper::RingKeeper(RingKeeper&& other) noexcept
    : name_(std::move(other.name_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

RingKeeper& RingKeeper::operator=(RingKeeper&& other) noexcept {
  if (this != &other) {
    close();
    name_ = std::move(other.name_);
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

RingKeeper::~RingKeeper() { close(); }

void RingKeeper::close() noexcept {
  if (descriptor_ < 0) return;
  File file(std::exchange(descriptor_, -1));
  File probe;
  const int error = platform::open_again(file, probe);
  file.reset();
  // Looked at after letting go, so of several who leave at once at least one finds it free. Who
  // cannot look takes it for held: a file that stays is better than one that others still need.
  if (error != 0 || is_kept(probe)) return;
  try {
    retire_unless_read(name_, probe);
  } catch (const std::exception&) {
    log(LogLevel::warning, "a ring stays behind, as there was no memory to remove it");
  }
}

}  // namespace ipc0cp
