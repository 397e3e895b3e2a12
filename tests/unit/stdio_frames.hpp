// SPDX-License-Identifier: Apache-2.0
// Frames put together byte by byte, independently of the library, and pipes to send them through.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "ipc0cp/stdio.hpp"

namespace ipc0cp::testing {

using namespace std::chrono_literals;

/// What a header says, true or not.
struct FrameClaim {
  std::string magic =
      "\x89"
      "0CP";
  std::uint16_t version = 1;
  std::uint16_t flags = 0;
  std::uint32_t metadata_bytes = 0;
  std::uint64_t payload_bytes = 0;
};

inline void append_number(std::string& bytes, std::uint64_t number, int count) {
  for (int index = 0; index < count; ++index) {
    bytes += static_cast<char>(number >> (8 * index) & 0xFFU);
  }
}

inline std::string header_of(const FrameClaim& claim) {
  std::string bytes = claim.magic;
  append_number(bytes, claim.version, 2);
  append_number(bytes, claim.flags, 2);
  append_number(bytes, claim.metadata_bytes, 4);
  append_number(bytes, claim.payload_bytes, 8);
  return bytes;
}

inline std::string frame_of(std::string_view metadata, std::string_view payload) {
  FrameClaim claim;
  claim.metadata_bytes = static_cast<std::uint32_t>(metadata.size());
  claim.payload_bytes = payload.size();
  return header_of(claim) + std::string(metadata) + std::string(payload);
}

inline std::string closing_frame() {
  FrameClaim claim;
  claim.flags = 1;
  return header_of(claim);
}

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// A pattern that no shift or swap of pieces leaves as it is.
inline std::string pattern(std::size_t bytes, std::uint64_t seed = 1) {
  std::string text(bytes, '\0');
  std::uint64_t word = seed * 0x9E3779B97F4A7C15U + 1;
  for (char& character : text) {
    word = word * 6364136223846793005U + 1442695040888963407U;
    character = static_cast<char>(word >> 56U);
  }
  return text;
}

/// Two ends that are closed with it; pipe or stream socket.
class Ends {
 public:
  static Ends pipe() {
    Ends ends;
    EXPECT_EQ(pipe2(ends.numbers_.data(), O_CLOEXEC), 0);
    return ends;
  }
  static Ends socket() {
    Ends ends;
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.numbers_.data()), 0);
    return ends;
  }
  Ends(Ends&& other) noexcept : numbers_(std::exchange(other.numbers_, {-1, -1})) {}
  Ends& operator=(Ends&&) = delete;
  ~Ends() {
    close_reader();
    close_writer();
  }

  [[nodiscard]] int reader() const { return numbers_[0]; }
  [[nodiscard]] int writer() const { return numbers_[1]; }
  /// For a handle that closes it itself.
  int take_reader() { return std::exchange(numbers_[0], -1); }
  int take_writer() { return std::exchange(numbers_[1], -1); }
  void close_reader() { close_number(0); }
  void close_writer() { close_number(1); }

  /// Only for what fits into the pipe.
  void write(std::string_view bytes) const {
    ASSERT_EQ(::write(writer(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  /// What there is, up to `most` bytes; empty at the end of the file.
  [[nodiscard]] std::string read_some(std::size_t most) const {
    std::string bytes(most, '\0');
    const ssize_t count = ::read(reader(), bytes.data(), most);
    EXPECT_GE(count, 0);
    bytes.resize(static_cast<std::size_t>(count < 0 ? 0 : count));
    return bytes;
  }
  /// Until the end of the file.
  [[nodiscard]] std::string read_all() const {
    std::string all;
    while (true) {
      const std::string some = read_some(1 << 16);
      if (some.empty()) return all;
      all += some;
    }
  }

 private:
  Ends() = default;
  void close_number(std::size_t index) {
    const int number = std::exchange(numbers_[index], -1);
    if (number >= 0) ::close(number);
  }
  std::array<int, 2> numbers_{-1, -1};
};

/// What tests are run over.
struct EndsKind {
  const char* name;
  Ends (*open)();
  friend std::ostream& operator<<(std::ostream& stream, const EndsKind& kind) {
    return stream << kind.name;
  }
};
inline constexpr std::array<EndsKind, 2> kEndsKinds{
    {{"pipe", Ends::pipe}, {"socket", Ends::socket}}};

/// The error of a call that has to fail with this code.
inline std::string error_of(ErrorCode code, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "no error, expected " << to_string(code);
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    return error.what();
  }
  return {};
}

inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << '"' << part << "\" is not in: " << text;
}

}  // namespace ipc0cp::testing
