// SPDX-License-Identifier: Apache-2.0
// Lines of something that may never end, one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace ipc0cp::cli {

class LineReader {
 public:
  /// @param name of what is read, for errors.
  /// @param most_bytes of a line: one that is longer is an error as soon as that is certain.
  LineReader(int descriptor, std::string name, std::uint64_t most_bytes)
      : descriptor_(descriptor), name_(std::move(name)), most_bytes_(most_bytes) {}

  /// The next line without its end, valid until the next call; none after the last one.
  /// @throws Error interrupted; Failure if it cannot be read, or a line is too long.
  std::optional<std::string_view> next();
  /// Of the line that `next` has given, from 1.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }

 private:
  void read_more();

  int descriptor_;
  std::string name_;
  std::uint64_t most_bytes_;
  std::string bytes_;
  std::size_t begin_ = 0;     ///< Of what was not given yet.
  std::size_t searched_ = 0;  ///< There is no end of a line before.
  bool ended_ = false;
  std::uint64_t number_ = 0;
};

}  // namespace ipc0cp::cli
