// SPDX-License-Identifier: Apache-2.0
// The command line of an endpoint, the same in all languages.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "transport.hpp"

namespace bench {

enum class Role : std::uint8_t { produce, consume, ping, pong };

struct Options {
  Role role = Role::produce;
  std::string transport;
  std::string address;
  unsigned index = 0;
  unsigned producers = 1;
  unsigned consumers = 1;
  std::size_t min_bytes = 64;
  std::size_t max_bytes = 64;
  double seconds = 1;
  bool loans = false;    ///< Messages are written in place, not copied.
  bool touches = false;  ///< The consumer reads every cache line.
  bool checks_all = false;
  int core = -1;
  unsigned slow_us = 0;  ///< Work of the consumer per message.
  unsigned gap_us = 0;   ///< Sleep of the producer after each message.
};

/// The words behind ROLE: `--key value`, each key once, none but those that are asked for.
class KeyedWords {
 public:
  explicit KeyedWords(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size(); i += 2) {
      if (!words[i].starts_with("--") || i + 1 == words.size()) {
        throw std::invalid_argument("--key value is wanted, not " + words[i]);
      }
      if (!values_.emplace(words[i].substr(2), words[i + 1]).second) {
        throw std::invalid_argument(words[i] + " is there twice");
      }
    }
  }

  std::string text(const std::string& key) {
    const auto found = values_.find(key);
    if (found == values_.end()) throw std::invalid_argument("--" + key + " is missing");
    std::string value = found->second;
    values_.erase(found);
    return value;
  }
  template <class Number>
  Number number(const std::string& key) {
    const std::string value = text(key);
    Number number{};
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc{} || stop != end) throw_wrong(key, value, "a number");
    return number;
  }
  /// Whether it is the first of two words.
  bool choice(const std::string& key, std::string_view first, std::string_view second) {
    const std::string value = text(key);
    if (value == first) return true;
    if (value != second) throw_wrong(key, value, std::string(first) + " or " + std::string(second));
    return false;
  }
  void expect_no_more() const {
    if (!values_.empty()) throw std::invalid_argument("no such key: --" + values_.begin()->first);
  }

 private:
  [[noreturn]] static void throw_wrong(const std::string& key, const std::string& value,
                                       const std::string& wanted) {
    throw std::invalid_argument("--" + key + " is " + wanted + ", not " + value);
  }

  std::map<std::string, std::string> values_;
};

inline Role parse_role(const std::string& word) {
  static const std::map<std::string, Role> kRoles{{"produce", Role::produce},
                                                  {"consume", Role::consume},
                                                  {"ping", Role::ping},
                                                  {"pong", Role::pong}};
  const auto found = kRoles.find(word);
  if (found == kRoles.end()) {
    throw std::invalid_argument("a role is produce, consume, ping or pong, not " + word);
  }
  return found->second;
}

/// @throws std::invalid_argument naming the first word that is wrong.
inline Options parse_options(const std::vector<std::string>& arguments) {
  if (arguments.empty()) throw std::invalid_argument("ROLE --key value... or the word transports");
  Options options;
  options.role = parse_role(arguments[0]);
  KeyedWords words({arguments.begin() + 1, arguments.end()});
  options.transport = words.text("transport");
  options.address = words.text("address");
  options.index = words.number<unsigned>("index");
  options.producers = words.number<unsigned>("producers");
  options.consumers = words.number<unsigned>("consumers");
  options.min_bytes = words.number<std::size_t>("min-size");
  options.max_bytes = words.number<std::size_t>("max-size");
  options.seconds = words.number<double>("seconds");
  options.loans = words.choice("mode", "loan", "copy");
  options.touches = words.choice("touch", "yes", "no");
  options.checks_all = words.choice("check", "all", "sample");
  options.core = words.number<int>("core");
  options.slow_us = words.number<unsigned>("slow-us");
  options.gap_us = words.number<unsigned>("gap-us");
  words.expect_no_more();
  if (options.min_bytes < 64 || options.max_bytes < options.min_bytes) {
    throw std::invalid_argument("64 <= --min-size <= --max-size, not " +
                                std::to_string(options.min_bytes) + " and " +
                                std::to_string(options.max_bytes));
  }
  if (options.producers < 1 || options.consumers < 1) {
    throw std::invalid_argument("--producers and --consumers are at least 1");
  }
  const bool is_consumer = options.role == Role::consume;
  if (options.index >= (is_consumer ? options.consumers : options.producers)) {
    throw std::invalid_argument("--index " + std::to_string(options.index) +
                                " is not below the number of its role");
  }
  return options;
}

/// The stream of a scenario, or one of the two of a ping-pong.
/// @param direction appended to the name, so that both have one of their own.
inline Link make_link(const Options& options, const std::string& direction = {}) {
  Link link;
  link.index = options.index;
  link.producers = options.producers;
  link.consumers = options.consumers;
  link.max_bytes = options.max_bytes;
  link.scenario = options.address;
  link.name = options.address + direction;
  constexpr std::string_view kDescriptors = "fd:";
  if (options.address.starts_with(kDescriptors)) {
    const char* end = options.address.data() + options.address.size();
    const auto input =
        std::from_chars(options.address.data() + kDescriptors.size(), end, link.input);
    if (input.ec != std::errc{} || input.ptr == end || *input.ptr != ',' ||
        std::from_chars(input.ptr + 1, end, link.output).ptr != end) {
      throw std::invalid_argument("--address fd:IN,OUT is wanted, not " + options.address);
    }
  }
  return link;
}

}  // namespace bench
