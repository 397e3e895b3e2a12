// SPDX-License-Identifier: Apache-2.0
#include "shm/ring_file.hpp"

#include <cstddef>
#include <new>

#include "shm/layout.hpp"
#include "shm/ring_name.hpp"

namespace ipc0cp::shm {
namespace {

using platform::FileIdentity;
using platform::LockKind;
using platform::LockResult;

/// Read, not mapped, so that it can be asked before a ring is joined.
bool is_retired(int file) noexcept {
  std::uint32_t retired = 0;
  const std::uint64_t offset = offsetof(Header, retired);
  return platform::read_at(file, offset, &retired, sizeof retired) == 0 && retired != 0;
}

}  // namespace

bool is_named(int file, const std::string& path) noexcept {
  FileIdentity named;
  FileIdentity ours;
  return platform::identity_of(file, ours) == 0 && platform::identity_of(path, named) == 0 &&
         named.same_file(ours);
}

// ---- opening and making -----------------------------------------------------------------------

int RingFile::open(const std::string& path) noexcept {
  for (platform::File* file : {&token, &probe, &mapped}) {
    if (const int error = platform::open_existing(path, *file)) return error;
  }
  return 0;
}

int RingFile::make(unsigned mode) { return platform::open_unnamed(mode, mapped); }

int RingFile::prepare(unsigned mode, std::uint64_t bytes) noexcept {
  int error = platform::set_mode(mapped.get(), mode);
  if (error == 0) error = platform::set_size(mapped, bytes);
  if (error == 0) error = platform::open_again(mapped, token);
  if (error == 0) error = platform::open_again(mapped, probe);
  return error;
}

int RingFile::give_name(const std::string& path) const noexcept {
  return platform::give_name(mapped, path);
}

// ---- joining ----------------------------------------------------------------------------------

bool RingFile::begin_joining() const noexcept {
  return platform::lock_byte(token.get(), kLifeByte, LockKind::read) == LockResult::taken;
}

bool RingFile::has_name(const std::string& path) const noexcept {
  FileIdentity identity;
  return is_named(token.get(), path) && is_named(probe.get(), path) &&
         is_named(mapped.get(), path) && platform::identity_of(token.get(), identity) == 0 &&
         identity.links == 1;
}

bool RingFile::anyone_lives() const noexcept {
  return platform::range_is_held(probe.get(), kTokenByte, kSlotCount) ||
         platform::range_is_held(probe.get(), kClaimByte, kSlotCount);
}

// ---- removing ---------------------------------------------------------------------------------

NameLock::NameLock(int file, const std::string& path) noexcept : file_(file), path_(path) {
  if (platform::lock_byte(file, kLifeByte, LockKind::write) != LockResult::taken) return;
  held_ = true;
  if (!is_named(file, path)) {
    platform::unlock_byte(file, kLifeByte);
    held_ = false;
  }
}

NameLock::~NameLock() {
  if (held_) platform::unlock_byte(file_, kLifeByte);
}

int NameLock::remove_name() const noexcept { return platform::remove_name(path_); }

bool NameLock::join_instead() noexcept {
  held_ = false;
  return platform::lock_byte(file_, kLifeByte, LockKind::read) == LockResult::taken;
}

int remove_if_retired(int file, const std::string& name) noexcept {
  // A ring is never un-retired, so this can be asked first.
  if (!is_retired(file)) return 0;
  try {
    const std::string path = path_of(name);
    const NameLock lock(file, path);
    return lock.held() ? lock.remove_name() : 0;
  } catch (const std::bad_alloc&) {
    return 0;  // The name stays; the next newcomer finds the ring retired and removes it.
  }
}

}  // namespace ipc0cp::shm
