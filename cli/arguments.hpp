// SPDX-License-Identifier: Apache-2.0
// The options of a command, declared once: parsing, --help, completion and the man page read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 calls itself so.
class App;
}  // namespace CLI

namespace ipc0cp::cli {

// What values are called in help texts; completion offers what fits.
inline constexpr const char* kRingKind = "RING";
inline constexpr const char* kFileKind = "FILE";
inline constexpr const char* kDirectoryKind = "DIR";

/// Declares options. A name is "-n,--count", or a bare word for what stands at its place. Values
/// are checked while the command line is read; what is wrong with one ends the program with 64.
class Arguments {
 public:
  explicit Arguments(CLI::App& app) noexcept : app_(app) {}

  /// The ring a command is about, its first word.
  void ring(std::string& name, const std::string& help = "Name of the ring");
  /// The same at any place.
  void ring_at(const std::string& place, std::string& name, const std::string& help);
  void rings(std::vector<std::string>& names, const std::string& help);
  void flag(const std::string& names, bool& value, const std::string& help);
  void text(const std::string& names, std::string& value, const char* kind,
            const std::string& help);
  /// A text that has to be given.
  void required_text(const std::string& names, std::string& value, const char* kind,
                     const std::string& help);
  void one_of(const std::string& names, std::string& value, const std::vector<std::string>& words,
              const std::string& help);
  void texts(const std::string& names, std::vector<std::string>& values, const char* kind,
             const std::string& help);
  void number(const std::string& names, std::optional<std::uint64_t>& value,
              const std::string& help);
  /// Bytes: 4096, 64K, 256M, 1GiB.
  void bytes(const std::string& names, std::optional<std::uint64_t>& value,
             const std::string& help);
  /// A time in seconds: 2, 0.5, 500ms, 3m, 1h.
  void seconds(const std::string& names, std::optional<double>& value, const std::string& help);
  /// The same, but the value may be left out.
  void seconds_or(const std::string& names, std::optional<double>& value, double otherwise,
                  const std::string& help);

 private:
  CLI::App& app_;
};

/// @throws Failure wrong usage: no such time.
double parse_seconds(const std::string& text);
/// 0 or more, in digits. @throws Failure for anything else.
std::uint64_t parse_count(const std::string& text);
/// @throws Failure wrong usage: no such size.
std::uint64_t parse_bytes(const std::string& text);

}  // namespace ipc0cp::cli
