// SPDX-License-Identifier: Apache-2.0
// Figures and tables as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ipc0cp::cli {

/// 999, 1.5k, 12.3M: at most five characters.
std::string short_count(double count);
/// 0 B, 999 B, 1.5 KiB, 12 MiB.
std::string short_bytes(double bytes);
/// 250 us, 1.2 ms, 3.4 s, 5 min, 2.1 h, 3.0 d.
std::string short_time(double seconds);
/// 0.5%, 12%.
std::string percent(double part);
/// Time since a moment, "-" if it is 0, which stands for: not known.
std::string short_age(std::int64_t since_ns, std::int64_t now_ns);
/// "1 message", "3 messages".
std::string counted(std::uint64_t count, std::string_view noun);
/// Printable, in one line: control characters and what is not UTF-8 as \n, \x1b.
std::string one_line(std::string_view text, std::size_t most_characters);
/// "; did you mean 'send'?", or nothing if none of `words` is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& words);

/// Rows whose columns stand below one another.
class Table {
 public:
  /// A column's heading begins with '>' if it is set flush right.
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  /// With the headings, each line ended.
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<std::string> headings_;
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

/// How many places of a terminal a UTF-8 text takes, if each character takes one.
std::size_t width_of(std::string_view text) noexcept;

}  // namespace ipc0cp::cli
