// SPDX-License-Identifier: Apache-2.0
#include "shm/ring_name.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"
#include "platform/liveness.hpp"
#include "platform/shared_memory.hpp"
#include "shm/layout.hpp"

namespace ipc0cp::shm {
namespace {

using platform::LockKind;
using platform::LockResult;

/// What users gave, harmless in a line of text: '?' stands for what is not printable ASCII.
std::string printable(const std::string& text) {
  std::string shown = text.substr(0, kMaxNameLength);
  const auto is_strange = [](char character) { return character < ' ' || character > '~'; };
  std::replace_if(shown.begin(), shown.end(), is_strange, '?');
  return shown;
}

/// Read, not mapped, so that it can be asked before a ring is joined.
bool is_retired(int file) noexcept {
  std::uint32_t retired = 0;
  const std::uint64_t offset = offsetof(Header, retired);
  return platform::read_at(file, offset, &retired, sizeof retired) == 0 && retired != 0;
}

bool is_named(int file, const std::string& path) noexcept {
  platform::FileIdentity named;
  platform::FileIdentity ours;
  return platform::identity_of(file, ours) == 0 && platform::identity_of(path, named) == 0 &&
         named.same_file(ours);
}

}  // namespace

std::string path_of(const std::string& name) {
  return std::string(platform::kSharedMemoryDirectory) + "/ipc0cp." + name;
}

std::string checked_name(const std::string& name) {
  std::string bare = !name.empty() && name.front() == '/' ? name.substr(1) : name;
  const auto allowed = [](char character) {
    return (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z') ||
           (character >= '0' && character <= '9') || character == '.' || character == '_' ||
           character == '-';
  };
  const bool fits = !bare.empty() && bare.size() <= kMaxNameLength;
  if (!fits || !std::all_of(bare.begin(), bare.end(), allowed)) {
    throw Error(ErrorCode::invalid_argument,
                "a ring's name has 1.." + std::to_string(kMaxNameLength) +
                    " characters of [A-Za-z0-9._-] after an optional '/', not " +
                    (fits ? "" : std::to_string(bare.size()) + ": ") + "'" + printable(name) + "'");
  }
  return bare;
}

int remove_if_retired(int file, const std::string& name) noexcept {
  // A ring is never un-retired, so this can be asked first.
  if (!is_retired(file)) return 0;
  if (platform::lock_byte(file, kLifeByte, LockKind::write) != LockResult::taken) return 0;
  int error = 0;
  try {
    const std::string path = path_of(name);
    if (is_named(file, path)) error = platform::remove_name(path);
  } catch (const std::bad_alloc&) {
    // The name stays; the next newcomer finds the ring retired and removes it.
  }
  platform::unlock_byte(file, kLifeByte);
  return error;
}

}  // namespace ipc0cp::shm
