// SPDX-License-Identifier: Apache-2.0
#include "shm/similar_names.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <numeric>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "platform/ring_directory.hpp"
#include "shm/ring_name.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::size_t kMostShown = 3;
/// A directory of tens of thousands of files is not read to its end for a line of text.
constexpr std::size_t kMostLookedAt = 4096;

}  // namespace

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < right.size(); ++j) {
      const std::size_t replaced = diagonal + (left[i] == right[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string similar_names(const std::string& name) {
  std::vector<std::pair<std::size_t, std::string>> found;
  std::error_code error;
  std::filesystem::directory_iterator entry(platform::ring_directory(), error);
  std::size_t looked_at = 0;
  for (; !error && entry != std::filesystem::directory_iterator() && looked_at < kMostLookedAt;
       entry.increment(error), ++looked_at) {
    const std::string file = entry->path().filename().string();
    if (file.rfind(kFilePrefix, 0) != 0) continue;
    std::string other = file.substr(kFilePrefix.size());
    if (!is_ring_name(other)) continue;
    const std::size_t apart = edit_distance(name, other);
    if (apart > 0 && apart <= std::max<std::size_t>(2, name.size() / 3)) {
      found.emplace_back(apart, std::move(other));
    }
  }
  std::sort(found.begin(), found.end());
  std::string text;
  for (std::size_t index = 0; index < std::min(found.size(), kMostShown); ++index) {
    text += (index == 0 ? "; rings with similar names: '" : ", '") + found[index].second + "'";
  }
  return text;
}

}  // namespace ipc0cp::shm
