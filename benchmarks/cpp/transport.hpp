// SPDX-License-Identifier: Apache-2.0
// What throughput.cpp asks of a way to carry messages from one process to another. A rival is one
// header like transport_pipe.hpp and one line in the table of throughput.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace bench {

/// How one process reaches the other: a name that both know, or a descriptor.
struct Link {
  std::string name;
  int file = -1;
};

/// Descriptors made before the second process starts; -1: none needed.
struct Files {
  int sender = -1;
  int receiver = -1;
};

/// Its destructor ends the stream.
class Sender {
 public:
  virtual ~Sender() = default;
  /// Copies the payload; blocks until there is room.
  virtual void send(std::span<const std::byte> payload) = 0;
};

class Receiver {
 public:
  virtual ~Receiver() = default;
  /// The next payload, valid until the next call; one without data at the end of the stream.
  virtual std::span<const std::byte> receive() = 0;
};

struct Transport {
  const char* name;
  Files (*open_files)();
  std::unique_ptr<Sender> (*make_sender)(const Link&);
  std::unique_ptr<Receiver> (*make_receiver)(const Link&);
};

/// One line of a table of transports.
template <class SomeSender, class SomeReceiver>
constexpr Transport transport(const char* name, Files (*open_files)()) {
  return {name, open_files,
          [](const Link& link) -> std::unique_ptr<Sender> {
            return std::make_unique<SomeSender>(link);
          },
          [](const Link& link) -> std::unique_ptr<Receiver> {
            return std::make_unique<SomeReceiver>(link);
          }};
}

}  // namespace bench
