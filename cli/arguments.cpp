// SPDX-License-Identifier: Apache-2.0
#include "arguments.hpp"

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "failure.hpp"
#include "ipc0cp/error.hpp"
#include "shm/ring_name.hpp"

namespace ipc0cp::cli {
namespace {

struct Unit {
  const char* name;
  double factor;
};
constexpr std::array kTimes{Unit{"", 1.0},    Unit{"s", 1.0},  Unit{"ms", 1e-3},
                            Unit{"us", 1e-6}, Unit{"m", 60.0}, Unit{"h", 3600.0}};
constexpr double kKi = 1024.0;
constexpr std::array kSizes{
    Unit{"", 1.0},       Unit{"b", 1.0},           Unit{"k", kKi},
    Unit{"m", kKi* kKi}, Unit{"g", kKi* kKi* kKi}, Unit{"t", kKi* kKi* kKi* kKi}};

/// A number and a unit; NaN if it is something else.
template <std::size_t N>
double parse(const std::string& text, const std::array<Unit, N>& units, bool binary) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return NAN;
  std::string unit;
  for (const char* place = rest; place != end; ++place) {
    unit += static_cast<char>(*place >= 'A' && *place <= 'Z' ? *place - 'A' + 'a' : *place);
  }
  // 64K, 64KB and 64KiB are the same number: memory comes in powers of two.
  if (binary && unit.size() > 1) unit.resize(1);
  for (const Unit& known : units) {
    if (unit == known.name) return number * known.factor;
  }
  return NAN;
}

std::string checked_ring(std::string& name) {
  try {
    name = shm::checked_name(name);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

/// What CLI11 calls before a value is stored; a text that comes back is what is wrong with it.
template <class Function>
auto checked(Function function) {
  return [function](std::string& text) -> std::string {
    try {
      function(text);
    } catch (const Failure& failure) {
      return failure.what();
    }
    return {};
  };
}

}  // namespace

double parse_seconds(const std::string& text) {
  const double seconds = parse(text, kTimes, false);
  if (std::isfinite(seconds)) return seconds;
  throw Failure(kWrongUsage, "'" + text + "' is no time; write seconds (2, 0.5) or 500ms, 3m, 1h");
}

/// CLI11 itself takes -3 for 2^64 - 3.
std::uint64_t parse_count(const std::string& text) {
  std::uint64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error == std::errc() && rest == end) return count;
  throw Failure(kWrongUsage, "'" + text + "' is no number; write a whole one, 0 or more");
}

std::uint64_t parse_bytes(const std::string& text) {
  const double bytes = parse(text, kSizes, true);
  if (bytes >= 0 && bytes < 0x1p63) return static_cast<std::uint64_t>(bytes);
  throw Failure(kWrongUsage, "'" + text + "' is no size; write bytes (4096) or 64K, 256M, 1G");
}

void Arguments::ring(std::string& name, const std::string& help) { ring_at("ring", name, help); }

void Arguments::ring_at(const std::string& place, std::string& name, const std::string& help) {
  app_.add_option(place, name, help)
      ->required()
      ->type_name(kRingKind)
      ->check(CLI::Validator(checked_ring, "", "ring"));
}

void Arguments::rings(std::vector<std::string>& names, const std::string& help) {
  app_.add_option("ring", names, help)
      ->type_name(kRingKind)
      ->check(CLI::Validator(checked_ring, "", "ring"));
}

void Arguments::flag(const std::string& names, bool& value, const std::string& help) {
  app_.add_flag(names, value, help);
}

void Arguments::text(const std::string& names, std::string& value, const char* kind,
                     const std::string& help) {
  app_.add_option(names, value, help)->type_name(kind);
}

void Arguments::required_text(const std::string& names, std::string& value, const char* kind,
                              const std::string& help) {
  app_.add_option(names, value, help)->type_name(kind)->required();
}

void Arguments::one_of(const std::string& names, std::string& value,
                       const std::vector<std::string>& words, const std::string& help) {
  std::string kind;
  for (const std::string& word : words) kind += (kind.empty() ? "" : "|") + word;
  CLI::Option* option = app_.add_option(names, value, help)->check(CLI::IsMember(words));
  option->type_name(kind);
  // Without the list of words, which the kind already is.
  option->get_validator(0)->description("");
  if (value.empty()) option->required();
}

void Arguments::texts(const std::string& names, std::vector<std::string>& values, const char* kind,
                      const std::string& help) {
  app_.add_option(names, values, help)->type_name(kind);
}

void Arguments::number(const std::string& names, std::optional<std::uint64_t>& value,
                       const std::string& help) {
  app_.add_option_function<std::string>(
          names, [&value](const std::string& text) { value = parse_count(text); }, help)
      ->type_name("N")
      ->check(CLI::Validator(checked(parse_count), "", "number"));
}

void Arguments::bytes(const std::string& names, std::optional<std::uint64_t>& value,
                      const std::string& help) {
  app_.add_option_function<std::string>(
          names, [&value](const std::string& text) { value = parse_bytes(text); }, help)
      ->type_name("SIZE")
      ->check(CLI::Validator(checked(parse_bytes), "", "size"));
}

void Arguments::seconds(const std::string& names, std::optional<double>& value,
                        const std::string& help) {
  app_.add_option_function<std::string>(
          names, [&value](const std::string& text) { value = parse_seconds(text); }, help)
      ->type_name("SECONDS")
      ->check(CLI::Validator(checked(parse_seconds), "", "time"));
}

void Arguments::seconds_or(const std::string& names, std::optional<double>& value, double otherwise,
                           const std::string& help) {
  app_.add_option_function<std::string>(
          names,
          [&value, otherwise](const std::string& text) {
            value = text.empty() ? otherwise : parse_seconds(text);
          },
          help)
      ->type_name("SECONDS")
      ->expected(0, 1)
      ->check(CLI::Validator(
          [](std::string& text) { return text.empty() ? "" : checked(parse_seconds)(text); }, "",
          "time"));
}

}  // namespace ipc0cp::cli
