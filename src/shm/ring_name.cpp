// SPDX-License-Identifier: Apache-2.0
#include "shm/ring_name.hpp"

#include <algorithm>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"
#include "platform/ring_directory.hpp"
#include "platform/shared_memory.hpp"

namespace ipc0cp::shm {

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, kMaxNameLength));
  const auto is_strange = [](char character) { return character < ' ' || character > '~'; };
  std::replace_if(shown.begin(), shown.end(), is_strange, '?');
  return shown;
}

std::string path_of(const std::string& name) {
  return platform::ring_directory() + "/ipc0cp." + name;
}

bool is_ring_name(std::string_view name) noexcept {
  const auto allowed = [](char character) {
    return (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z') ||
           (character >= '0' && character <= '9') || character == '.' || character == '_' ||
           character == '-';
  };
  return !name.empty() && name.size() <= kMaxNameLength &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::string removal_command(const std::string& name) {
  const std::string path = path_of(name);
  if (is_ring_name(name)) {
    return "ipc0cp rm --force " + name + "; without that program: rm " + path;
  }
  platform::FileIdentity identity;
  static_cast<void>(platform::identity_of(path, identity));
  return "find " + platform::ring_directory() + " -maxdepth 1 -inum " +
         std::to_string(identity.inode) + " -delete";
}

std::string checked_name(const std::string& name) {
  std::string bare = !name.empty() && name.front() == '/' ? name.substr(1) : name;
  if (!is_ring_name(bare)) {
    const bool fits = !bare.empty() && bare.size() <= kMaxNameLength;
    throw Error(ErrorCode::invalid_argument,
                "a ring's name has 1.." + std::to_string(kMaxNameLength) +
                    " characters of [A-Za-z0-9._-] after an optional '/', not " +
                    (fits ? "" : std::to_string(bare.size()) + ": ") + "'" + printable(name) + "'");
  }
  return bare;
}

}  // namespace ipc0cp::shm
