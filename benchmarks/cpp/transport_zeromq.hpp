// SPDX-License-Identifier: Apache-2.0
// ZeroMQ: PUSH and PULL over `ipc:`. Every producer binds an address and every consumer connects to
// all of them.
#pragma once

#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string>

#include "stream_account.hpp"
#include "transport.hpp"

namespace bench {

/// A context with one socket.
class ZeromqSocket {
 public:
  ZeromqSocket(const Link& link, int type) : context_(zmq_ctx_new()) {
    socket_ = zmq_socket(context_, type);
    if (socket_ == nullptr) throw_zeromq("zmq_socket");
    // By default 1,000 messages of any size would be queued on each side.
    constexpr std::size_t kQueuedBytes = 64 << 20;
    const auto most =
        static_cast<int>(std::clamp<std::size_t>(kQueuedBytes / link.max_bytes, 2, 1000));
    set(ZMQ_SNDHWM, most);
    set(ZMQ_RCVHWM, most);
    set(ZMQ_RECONNECT_IVL, 1);
    set(ZMQ_RCVTIMEO, 20);
  }
  ZeromqSocket(const ZeromqSocket&) = delete;
  ZeromqSocket& operator=(const ZeromqSocket&) = delete;
  /// Waits until what was sent is on its way.
  ~ZeromqSocket() {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }

  [[nodiscard]] void* get() const { return socket_; }

  /// In the abstract namespace, which leaves no file.
  static std::string address(const Link& link, unsigned producer) {
    return "ipc://@bench-" + link.name + "-" + std::to_string(producer);
  }
  [[noreturn]] static void throw_zeromq(const char* what) {
    throw std::runtime_error(std::string(what) + ": " + zmq_strerror(zmq_errno()));
  }

 private:
  void set(int option, int value) {
    if (zmq_setsockopt(socket_, option, &value, sizeof value) != 0) throw_zeromq("zmq_setsockopt");
  }
  void* context_;
  void* socket_;
};

struct ZeromqTransport {
  static constexpr std::string_view kName = "zeromq";
  static constexpr bool kManyToMany = true;
  static constexpr std::size_t kMaxBytes = 0;

  class Sender {
   public:
    explicit Sender(const Link& link) : account_(link), socket_(link, ZMQ_PUSH) {
      const std::string address = ZeromqSocket::address(link, link.index);
      if (zmq_bind(socket_.get(), address.c_str()) != 0) ZeromqSocket::throw_zeromq("zmq_bind");
    }
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    ~Sender() { account_.end_of_producer(); }
    void all_have_come() { account_.all_have_come(); }
    void send(std::span<const std::byte> message) {
      if (zmq_send(socket_.get(), message.data(), message.size(), 0) < 0) {
        ZeromqSocket::throw_zeromq("zmq_send");
      }
      account_.count_sent();
    }

   private:
    StreamAccount account_;
    ZeromqSocket socket_;
  };

  class Receiver {
   public:
    explicit Receiver(const Link& link) : account_(link), socket_(link, ZMQ_PULL) {
      for (unsigned producer = 0; producer < link.producers; ++producer) {
        const std::string address = ZeromqSocket::address(link, producer);
        if (zmq_connect(socket_.get(), address.c_str()) != 0) {
          ZeromqSocket::throw_zeromq("zmq_connect");
        }
      }
      zmq_msg_init(&message_);
    }
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;
    ~Receiver() { zmq_msg_close(&message_); }
    void all_have_come() { account_.all_have_come(); }
    /// A view of the message of the library: nothing is copied out.
    std::span<const std::byte> receive() {
      while (zmq_msg_recv(&message_, socket_.get(), 0) < 0) {
        if (zmq_errno() != EAGAIN) ZeromqSocket::throw_zeromq("zmq_msg_recv");
        if (account_.is_over()) return {};
      }
      account_.count_received();
      return {static_cast<const std::byte*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
    }

   private:
    StreamAccount account_;
    ZeromqSocket socket_;
    zmq_msg_t message_;
  };
};

}  // namespace bench
