// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "rules/json_text.hpp"
#include "shm/similar_names.hpp"

namespace ipc0cp::cli {
namespace {

/// Three digits: 1.53, 15.3, 153.
std::string three_digits(double number) {
  std::array<char, 32> text{};
  const int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  std::snprintf(text.data(), text.size(), "%.*f", decimals, number);
  return text.data();
}

std::string whole(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.0f", number);
  return text.data();
}

}  // namespace

std::string short_count(double count) {
  constexpr std::array kPrefixes{"", "k", "M", "G", "T", "P"};
  if (count < 999.5) return count == std::floor(count) ? whole(count) : three_digits(count);
  std::size_t prefix = 0;
  while (count >= 999.5 && prefix + 1 < kPrefixes.size()) {
    count /= 1000;
    ++prefix;
  }
  return three_digits(count) + kPrefixes[prefix];
}

std::string short_bytes(double bytes) {
  constexpr std::array kPrefixes{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t prefix = 0;
  while (bytes >= 999.5 && prefix + 1 < kPrefixes.size()) {
    bytes /= 1024;
    ++prefix;
  }
  const bool is_whole = bytes == std::floor(bytes);
  return (is_whole ? whole(bytes) : three_digits(bytes)) + " " + kPrefixes[prefix];
}

std::string short_time(double seconds) {
  if (seconds < 0.9995e-3) return whole(seconds * 1e6) + " us";
  if (seconds < 0.9995) return three_digits(seconds * 1e3) + " ms";
  if (seconds < 99.5) return three_digits(seconds) + " s";
  if (seconds < 99.5 * 60) return whole(seconds / 60) + " min";
  if (seconds < 48 * 3600.0) return three_digits(seconds / 3600) + " h";
  return three_digits(seconds / 86400) + " d";
}

std::string percent(double part) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), part < 0.0995 && part > 0 ? "%.1f%%" : "%.0f%%",
                100 * part);
  return text.data();
}

std::string short_age(std::int64_t since_ns, std::int64_t now_ns) {
  if (since_ns == 0) return "-";
  return short_time(static_cast<double>(std::max<std::int64_t>(now_ns - since_ns, 0)) * 1e-9);
}

std::string counted(std::uint64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string one_line(std::string_view text, std::size_t most_characters) {
  std::string line;
  std::size_t characters = 0;
  for (std::size_t place = 0; place < text.size();) {
    if (characters + 4 > most_characters) return line + "...";
    const auto byte = static_cast<unsigned char>(text[place]);
    std::size_t length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    length = std::min(length, text.size() - place);
    const std::string_view character = text.substr(place, length);
    const bool control =
        byte < 0x20 || byte == 0x7F ||
        (byte == 0xC2 && length == 2 && static_cast<unsigned char>(text[place + 1]) < 0xA0);
    if (!control && codec::is_utf8(character)) {
      line += character;
      place += length;
      characters += 1;
      continue;
    }
    std::array<char, 8> escape{};
    if (byte == '\n' || byte == '\t' || byte == '\r') {
      std::snprintf(escape.data(), escape.size(), "\\%c",
                    byte == '\n'   ? 'n'
                    : byte == '\t' ? 't'
                                   : 'r');
    } else {
      std::snprintf(escape.data(), escape.size(), "\\x%02x", byte);
    }
    line += escape.data();
    characters += std::string_view(escape.data()).size();
    place += 1;
  }
  return line;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& words) {
  const std::string* nearest = nullptr;
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& other : words) {
    const std::size_t apart = shm::edit_distance(word, other);
    if (apart < least) {
      least = apart;
      nearest = &other;
    }
  }
  return nearest == nullptr ? "" : "; did you mean '" + *nearest + "'?";
}

std::size_t width_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char character) {
    return (static_cast<unsigned char>(character) & 0xC0U) != 0x80U;
  }));
}

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
  for (std::string& heading : headings_) {
    right_.push_back(heading.starts_with('>'));
    if (right_.back()) heading.erase(0, 1);
  }
}

std::string Table::to_string() const {
  std::vector<std::size_t> widths(headings_.size());
  const auto measure = [&](const std::vector<std::string>& row) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      widths[column] = std::max(widths[column], width_of(row[column]));
    }
  };
  measure(headings_);
  for (const auto& row : rows_) measure(row);
  std::string text;
  const auto append = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string space(widths[column] - width_of(row[column]), ' ');
      if (column > 0) line += "  ";
      line += right_[column] ? space + row[column] : row[column] + space;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  append(headings_);
  for (const auto& row : rows_) append(row);
  return text;
}

}  // namespace ipc0cp::cli
