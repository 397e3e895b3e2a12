// SPDX-License-Identifier: Apache-2.0
// What an endpoint asks of a way to carry messages. One transport is one header transport_*.hpp
// with one class: its name, what it can do, a Sender and a Receiver; and one line in endpoint.cpp.
#pragma once

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace bench {

/// One stream of messages, as one of its endpoints sees it. Ends meet by a name that all know, or
/// by descriptors that they inherit; whoever comes first makes what is needed.
struct Link {
  std::string name;      ///< Of this stream, unique; usable as a file name.
  std::string scenario;  ///< The same in both streams of a ping-pong.
  int input = -1;        ///< Descriptors; -1: none.
  int output = -1;
  unsigned index = 0;  ///< Of this endpoint among the producers, or among the consumers.
  unsigned producers = 1;
  unsigned consumers = 1;
  std::size_t max_bytes = 0;  ///< Of one message.
};

/// `Sender::send` copies the message and blocks until there is room; the destructor ends the
/// stream. `Receiver::receive` blocks; its view is valid until the next call, and one without data
/// is the end of the stream. `kMaxBytes`: 0, any size.
template <class T>
concept Transport = requires(typename T::Sender& sender, typename T::Receiver& receiver,
                             std::span<const std::byte> message) {
  { T::kName } -> std::convertible_to<std::string_view>;
  { T::kManyToMany } -> std::convertible_to<bool>;
  { T::kMaxBytes } -> std::convertible_to<std::size_t>;
  requires std::constructible_from<typename T::Sender, const Link&>;
  requires std::constructible_from<typename T::Receiver, const Link&>;
  { sender.send(message) } -> std::same_as<void>;
  { receiver.receive() } -> std::same_as<std::span<const std::byte>>;
};

/// A Sender that also lends its memory, to be written in place.
template <class Sender>
concept Lends = requires(Sender& sender, std::size_t bytes) {
  { sender.lend(bytes) } -> std::same_as<std::span<std::byte>>;
  { sender.publish() } -> std::same_as<void>;
};

/// A Sender that keeps messages back until there are enough.
template <class Sender>
concept Finishes = requires(Sender& sender) {
  sender.finish();
};

/// An end that wants to know when all endpoints have opened theirs, for example to remove the name
/// by which they met: a killed endpoint then leaves nothing behind.
template <class End>
concept Meets = requires(End& end) {
  end.all_have_come();
};

/// The operating system refused; the message says what and why.
[[noreturn]] inline void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// A library that is installed does not run here.
class Unavailable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace bench
