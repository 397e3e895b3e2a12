// SPDX-License-Identifier: Apache-2.0
// A stream socket of the Unix domain: the length, then the payload, as over a pipe.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <optional>
#include <thread>

#include "transport.hpp"
#include "transport_pipe.hpp"

namespace bench {

/// The address by which both ends meet: an abstract one, which leaves no file.
class SocketAddress {
 public:
  explicit SocketAddress(const Link& link) {
    const std::string name = "bench-" + link.name;
    if (name.size() + 1 > sizeof address_.sun_path) throw std::invalid_argument("a long address");
    address_.sun_family = AF_UNIX;
    std::memcpy(address_.sun_path + 1, name.data(), name.size());
    bytes_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  [[nodiscard]] socklen_t bytes() const { return bytes_; }

  static int open_socket() {
    const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0) throw_errno("cannot make a socket");
    return file;
  }

 private:
  sockaddr_un address_{};
  socklen_t bytes_ = 0;
};

struct SocketTransport {
  static constexpr std::string_view kName = "socket";
  static constexpr bool kManyToMany = false;
  static constexpr std::size_t kMaxBytes = 0;

  struct Sender : StreamSender {
    explicit Sender(const Link& link) : StreamSender(connect_to(SocketAddress(link))) {}

   private:
    /// The receiver may not be there yet; the watchdog ends this if it never comes.
    static int connect_to(const SocketAddress& address) {
      const int file = SocketAddress::open_socket();
      while (connect(file, address.get(), address.bytes()) != 0) {
        if (errno != ECONNREFUSED) throw_errno("cannot connect");
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      return file;
    }
  };

  class Receiver {
   public:
    explicit Receiver(const Link& link) : listener_(SocketAddress::open_socket()) {
      const SocketAddress address(link);
      if (bind(listener_, address.get(), address.bytes()) != 0 || listen(listener_, 1) != 0) {
        throw_errno("cannot listen");
      }
    }
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;
    ~Receiver() { close(listener_); }
    /// Not before: in a ping-pong each side connects once both listen.
    void all_have_come() {
      const int file = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (file < 0) throw_errno("cannot accept");
      stream_.emplace(file);
    }
    std::span<const std::byte> receive() { return stream_->receive(); }

   private:
    int listener_;
    std::optional<StreamReceiver> stream_;
  };
};

}  // namespace bench
