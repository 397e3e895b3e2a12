// SPDX-License-Identifier: Apache-2.0
// What the process tests' programs share: the ledger, the pattern of a payload, options.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <stdexcept>
#include <string>

namespace ipc0cp_process_test {

/// What a worker did, in a file of its own outside the ring, so that it survives a kill.
/// python/tests/process/ledger.py reads the same words.
class Ledger {
 public:
  enum Word : std::size_t {
    kAttempted = 0,     ///< Producer: messages it began to push.
    kAcknowledged = 1,  ///< Producer: messages whose push returned true.
    kHeld = 2,          ///< Consumer: messages it holds, at least.
    kCount = 3,         ///< Consumer: entries written.
    kReady = 4,         ///< 1 once the worker has attached, 2 once its fate has come.
    kStop = 5,          ///< Set by the test: finish.
    kRefused = 6,       ///< Pushes that returned false or found no consumer.
    kEnded = 7,         ///< 1 once a consumer takes no more.
    kFirstEntry = 8,
  };
  static constexpr std::size_t kWords = std::size_t{1} << 20;

  explicit Ledger(const std::string& path) {
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) throw std::runtime_error("cannot open the ledger " + path);
    void* memory = mmap(nullptr, kWords * 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) throw std::runtime_error("cannot map the ledger " + path);
    words_ = static_cast<std::atomic<std::uint64_t>*>(memory);
  }
  std::atomic<std::uint64_t>& operator[](Word word) const { return words_[word]; }
  /// Notes a message: the entry first, then the count that makes it count.
  void note(std::uint64_t producer, std::uint64_t sequence) const {
    const std::uint64_t count = words_[kCount].load();
    if (kFirstEntry + count >= kWords) throw std::runtime_error("the ledger is full");
    words_[kFirstEntry + count].store(producer << 40 | sequence);
    words_[kCount].store(count + 1);
  }

 private:
  std::atomic<std::uint64_t>* words_ = nullptr;
};

/// A payload tells who sent it, and every byte follows from that:
/// producer, sequence, bytes, then word i = (key + i) * odd constant.
struct PayloadHeader {
  std::uint64_t producer;
  std::uint64_t sequence;
  std::uint64_t bytes;
};

inline std::uint64_t pattern_word(const PayloadHeader& header, std::uint64_t index) {
  const std::uint64_t key = header.producer << 40 | header.sequence;
  return (key + index) * 0x9E3779B97F4A7C15U;
}

inline void fill(std::span<std::byte> payload, std::uint64_t producer, std::uint64_t sequence) {
  const PayloadHeader header{producer, sequence, payload.size()};
  std::memcpy(payload.data(), &header, sizeof header);
  for (std::size_t at = sizeof header; at < payload.size(); at += 8) {
    const std::uint64_t word = pattern_word(header, at / 8);
    std::memcpy(payload.data() + at, &word, std::min<std::size_t>(8, payload.size() - at));
  }
}

inline PayloadHeader header_of(std::span<const std::byte> payload) {
  PayloadHeader header{};
  if (payload.size() < sizeof header) throw std::runtime_error("a payload without its header");
  std::memcpy(&header, payload.data(), sizeof header);
  if (header.bytes != payload.size()) throw std::runtime_error("a payload of the wrong size");
  return header;
}

/// @throws std::runtime_error naming the first wrong byte.
inline PayloadHeader check(std::span<const std::byte> payload) {
  const PayloadHeader header = header_of(payload);
  for (std::size_t at = sizeof header; at < payload.size(); at += 8) {
    const std::uint64_t word = pattern_word(header, at / 8);
    if (std::memcmp(payload.data() + at, &word, std::min<std::size_t>(8, payload.size() - at))) {
      throw std::runtime_error("byte " + std::to_string(at) + " or later of message " +
                               std::to_string(header.sequence) + " of producer " +
                               std::to_string(header.producer) + " is wrong");
    }
  }
  return header;
}

/// `key=value` arguments.
class Options {
 public:
  Options(int count, char** arguments) {
    for (int index = 1; index < count; ++index) {
      const std::string argument = arguments[index];
      const std::size_t equals = argument.find('=');
      if (equals == std::string::npos) throw std::runtime_error("key=value wanted: " + argument);
      values_[argument.substr(0, equals)] = argument.substr(equals + 1);
    }
  }
  [[nodiscard]] std::string text(const std::string& key, const std::string& otherwise = {}) const {
    const auto found = values_.find(key);
    return found == values_.end() ? otherwise : found->second;
  }
  [[nodiscard]] std::uint64_t number(const std::string& key, std::uint64_t otherwise) const {
    const auto found = values_.find(key);
    return found == values_.end() ? otherwise : std::stoull(found->second);
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace ipc0cp_process_test
