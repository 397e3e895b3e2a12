// SPDX-License-Identifier: Apache-2.0
// What carries the bytes of a stream: a descriptor, a standard stream, or an object of the user's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ipc0cp/stdio.hpp"
#include "platform/stream_descriptor.hpp"

namespace ipc0cp::stdio {

using Parts = std::span<const std::span<std::byte>>;
using ConstParts = std::span<const std::span<const std::byte>>;

/// One direction of a byte stream. One thread at a time.
class Transport {
 public:
  virtual ~Transport() = default;
  /// At least one byte; 0: the end of the file; empty: nothing to be had now.
  virtual std::optional<std::size_t> read_some(Parts parts) = 0;
  /// @throws Error no_consumers: nobody reads any more.
  virtual std::optional<std::size_t> write_some(ConstParts parts) = 0;
  virtual void flush() {}
  /// Sleeps until another attempt may do better, at most `wait_ns`.
  virtual void wait(std::int64_t wait_ns) = 0;
  /// In a forked child: lets go of descriptors that would keep the stream open.
  virtual void forget() noexcept {}
};

/// A transport and what errors call its stream.
struct NamedTransport {
  std::unique_ptr<Transport> transport;
  std::string name;
};

using platform::Direction;

/// @throws Error as documented at the public constructors.
NamedTransport open_descriptor(int descriptor, Ownership ownership, Direction direction);
/// Standard input or output, taken away from the rest of the process until the transport goes.
NamedTransport take_standard_stream(Direction direction, void (*hook)(bool taken));
NamedTransport wrap_stream(std::unique_ptr<ByteStream> stream, Direction direction);

}  // namespace ipc0cp::stdio
