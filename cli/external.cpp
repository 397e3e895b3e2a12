// SPDX-License-Identifier: Apache-2.0
#include "external.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>

namespace ipc0cp::cli {
namespace {

constexpr std::string_view kPrefix = "ipc0cp-";

/// Returns only if it fails: errno. A `program` without a slash is looked for on PATH.
int become(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<char*> words{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  execvp(program.c_str(), words.data());
  return errno;
}

}  // namespace

int become_external(const std::string& word, const std::vector<std::string>& arguments) {
  return become(std::string(kPrefix) + word, arguments);
}

int become_sibling(const std::string& word, const std::vector<std::string>& arguments) {
  std::error_code error;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const std::string beside = own.parent_path() / (std::string(kPrefix) + word);
    const int reason = become(beside, arguments);
    if (reason != ENOENT) return reason;
  }
  return become_external(word, arguments);
}

std::vector<std::string> external_words() {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  std::set<std::string> words;
  for (std::string directory; std::getline(directories, directory, ':');) {
    std::error_code error;
    std::filesystem::directory_iterator entry(directory, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with(kPrefix) && access(entry->path().c_str(), X_OK) == 0) {
        words.insert(name.substr(kPrefix.size()));
      }
    }
  }
  return {words.begin(), words.end()};
}

}  // namespace ipc0cp::cli
