// SPDX-License-Identifier: Apache-2.0
#include "top_page.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using inspect::RingState;

/// Cut off or filled up to exactly so many places.
std::string fit(const std::string& text, std::size_t width, bool right = false) {
  const std::size_t has = width_of(text);
  if (has < width) {
    const std::string space(width - has, ' ');
    return right ? space + text : text + space;
  }
  if (has == width) return text;
  std::string cut;
  std::size_t characters = 0;
  for (const char character : text) {
    const bool starts = (static_cast<unsigned char>(character) & 0xC0U) != 0x80U;
    if (starts && ++characters > (width > 2 ? width - 2 : width)) break;
    cut += character;
  }
  return width > 2 ? cut + ".." : cut;
}

Color color_of(const TopRow& row) {
  switch (row.ring.state) {
    case RingState::live:
      return row.findings.empty() ? Color::green : Color::yellow;
    case RingState::waiting_for_consumer:
    case RingState::orphan:
    case RingState::retired:
      return Color::yellow;
    default:
      return Color::red;
  }
}

/// "[######..]".
std::string bar(double part, std::size_t width, bool with_color) {
  part = std::clamp(part, 0.0, 1.0);
  const auto full = static_cast<std::size_t>(std::lround(part * static_cast<double>(width)));
  const Color color = part < 0.7 ? Color::green : part < 0.9 ? Color::yellow : Color::red;
  return "[" + colored(std::string(full, '#'), color, with_color) +
         colored(std::string(width - full, '.'), Color::dim, with_color) + "]";
}

struct Column {
  const char* heading;
  std::size_t width;
  bool right;
  std::size_t needs;  ///< Columns of the terminal from which on it is shown.
  std::string (*text)(const TopRow& row);
};

std::string rate(const std::optional<inspect::Rates>& rates, double inspect::Rates::*member,
                 bool bytes) {
  if (!rates) return "-";
  return bytes ? short_bytes((*rates).*member) : short_count((*rates).*member);
}

const std::array columns{
    Column{"QUEUED", 6, true, 0,
           [](const TopRow& row) {
             return short_count(static_cast<double>(row.ring.stats.messages));
           }},
    Column{"IN/s", 6, true, 64,
           [](const TopRow& row) { return rate(row.rates, &inspect::Rates::messages_in, false); }},
    Column{"OUT/s", 6, true, 46,
           [](const TopRow& row) { return rate(row.rates, &inspect::Rates::messages_out, false); }},
    Column{"BYTES/s", 8, true, 72,
           [](const TopRow& row) { return rate(row.rates, &inspect::Rates::bytes_out, true); }},
    Column{"OLDEST", 7, true, 96,
           [](const TopRow& row) {
             return short_age(row.ring.oldest_published_ns, row.ring.taken_ns);
           }},
    Column{"P/W/S", 7, true, 52,
           [](const TopRow& row) {
             return std::to_string(row.ring.producers) + "/" + std::to_string(row.ring.consumers) +
                    "/" + std::to_string(row.ring.subscribers);
           }},
    Column{"SIZE", 8, true, 110,
           [](const TopRow& row) {
             return short_bytes(static_cast<double>(row.ring.stats.total_data_bytes));
           }},
    Column{
        "MEMORY", 8, true, 110,
        [](const TopRow& row) { return short_bytes(static_cast<double>(row.ring.backed_bytes)); }},
};

constexpr std::size_t kBarPlaces = 8;
constexpr std::size_t kBarColumns = kBarPlaces + 2 + 5;
constexpr std::size_t kStateColumns = 9;

std::size_t name_width(const TopPage& page, std::size_t total) {
  std::size_t others = 1 + kBarColumns + 1 + kStateColumns;
  for (const Column& column : columns) {
    if (total >= column.needs) others += 1 + column.width;
  }
  std::size_t longest = 4;
  for (const TopRow& row : page.rows) longest = std::max(longest, width_of(row.ring.name));
  return std::clamp<std::size_t>(total > others ? total - others : 0, 4, longest);
}

std::string state_of(const TopRow& row) {
  if (row.ring.dead > 0) return std::to_string(row.ring.dead) + " dead";
  if (row.ring.state == RingState::waiting_for_consumer) return "no reader";
  if (row.ring.state == RingState::other_version) return "version";
  if (row.ring.state == RingState::no_permission) return "denied";
  return std::string(inspect::to_string(row.ring.state));
}

std::string heading(std::size_t names, std::size_t total, bool with_color) {
  std::string line = fit("NAME", names) + " " + fit("DEPTH", kBarColumns);
  for (const Column& column : columns) {
    if (total >= column.needs) line += " " + fit(column.heading, column.width, column.right);
  }
  line += " " + fit("STATE", kStateColumns);
  return colored(fit(line, total), Color::reverse, with_color) + "\n";
}

std::string line_of(const TopRow& row, std::size_t names, std::size_t total, bool with_color) {
  std::string line = fit(row.ring.name, names) + " ";
  if (row.ring.has_figures()) {
    line += bar(row.ring.depth, kBarPlaces, with_color) + fit(percent(row.ring.depth), 5, true);
  } else {
    line += std::string(kBarColumns, ' ');
  }
  for (const Column& column : columns) {
    if (total < column.needs) continue;
    line += " " + fit(row.ring.has_figures() ? column.text(row) : "-", column.width, column.right);
  }
  return line + " " + colored(fit(state_of(row), kStateColumns), color_of(row), with_color) + "\n";
}

/// Broken at spaces, further lines indented.
void append_wrapped(std::vector<std::string>& lines, const std::string& text, std::size_t width) {
  std::string rest = text;
  bool first = true;
  while (!rest.empty()) {
    const std::string indent = first ? "" : "    ";
    const std::size_t room = width - indent.size();
    std::size_t end = rest.size();
    if (end > room) {
      end = rest.rfind(' ', room);
      if (end == std::string::npos || end == 0) end = room;
    }
    lines.push_back(indent + rest.substr(0, end));
    rest.erase(0, std::min(rest.size(), rest.find_first_not_of(' ', end)));
    first = false;
  }
}

std::vector<std::string> troubles(const TopPage& page, std::size_t width, bool with_color) {
  std::vector<std::string> lines;
  for (const TopRow& row : page.rows) {
    for (const Finding& finding : row.findings) {
      append_wrapped(lines, "! " + row.ring.name + ": " + finding.sentence, width);
      if (!finding.command.empty()) {
        lines.push_back(colored(fit("    $ " + finding.command, width), Color::dim, with_color));
      }
    }
  }
  return lines;
}

std::string first_line(const TopPage& page, std::size_t total, bool with_color) {
  double messages = 0;
  double bytes = 0;
  for (const TopRow& row : page.rows) {
    if (!row.rates) continue;
    messages += row.rates->messages_out;
    bytes += row.rates->bytes_out;
  }
  std::string line = "ipc0cp  " + counted(page.rows.size(), "ring") + "  " + short_count(messages) +
                     " messages/s  " + short_bytes(bytes) + "/s";
  if (page.directory.total_bytes > 0) {
    line += "  " + page.directory.path + " " +
            short_bytes(static_cast<double>(page.directory.free_bytes)) + " free";
  }
  return colored(fit(line, total), Color::bold, with_color) + "\n";
}

std::string last_line(const TopPage& page, std::size_t total, bool with_color) {
  const auto key = [&](const char* text, TopOrder order) {
    return std::string(page.order == order ? "*" : " ") + text;
  };
  const std::string keys = "q end   sort by" + key("n name", TopOrder::name) +
                           key("d depth", TopOrder::depth) + key("i in", TopOrder::in) +
                           key("o out", TopOrder::out);
  return colored(fit(keys, total), Color::dim, with_color);
}

}  // namespace

void sort_rows(std::vector<TopRow>& rows, TopOrder order) {
  std::stable_sort(rows.begin(), rows.end(), [order](const TopRow& left, const TopRow& right) {
    const auto figure = [order](const TopRow& row) {
      if (order == TopOrder::depth) return row.ring.depth;
      if (!row.rates) return -1.0;
      return order == TopOrder::in ? row.rates->messages_in : row.rates->messages_out;
    };
    return order == TopOrder::name ? left.ring.name < right.ring.name
                                   : figure(left) > figure(right);
  });
}

std::string top_text(const TopPage& page, const TerminalSize& size, bool fits_rows,
                     bool with_color) {
  const std::size_t total = std::max<std::size_t>(size.columns, 40);
  const std::size_t names = name_width(page, total);
  const std::vector<std::string> below = troubles(page, total, with_color);
  std::string text = first_line(page, total, with_color) + heading(names, total, with_color);
  std::size_t shown = page.rows.size();
  std::size_t told = below.size();
  if (fits_rows) {
    // Two lines above, one below, one between; what is wrong gets what rings leave, at least half.
    const std::size_t room = size.rows - std::min<std::size_t>(size.rows, 4);
    told = std::min(told, std::max(room / 2, room - std::min(room, shown)));
    if (shown > room - told) shown = room - told - std::min<std::size_t>(room - told, 1);
  }
  for (std::size_t index = 0; index < shown; ++index) {
    text += line_of(page.rows[index], names, total, with_color);
  }
  if (shown < page.rows.size()) {
    text += "... and " + counted(page.rows.size() - shown, "more ring") + "\n";
  }
  if (page.rows.empty()) text += "no rings in " + page.directory.path + "\n";
  if (told > 0) text += "\n";
  for (std::size_t index = 0; index < told; ++index) text += below[index] + "\n";
  if (page.has_keys) text += last_line(page, total, with_color);
  return text;
}

}  // namespace ipc0cp::cli
