// SPDX-License-Identifier: Apache-2.0
#include "shm/ring_name.hpp"

#include <algorithm>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"
#include "platform/ring_directory.hpp"

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

}  // namespace ipc0cp::shm
