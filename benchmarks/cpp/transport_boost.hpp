// SPDX-License-Identifier: Apache-2.0
// Boost.Interprocess message_queue: a priority queue in shared memory behind one mutex, one copy in
// and one copy out.
#pragma once

#include <algorithm>
#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "stream_account.hpp"
#include "transport.hpp"

namespace bench {

/// The queue, which both ends make or find.
class BoostEnd {
 public:
  explicit BoostEnd(const Link& link)
      : account_(link),
        name_("bench-" + link.name),
        queue_(boost::interprocess::open_or_create, name_.c_str(), slots(link), link.max_bytes) {}
  BoostEnd(const BoostEnd&) = delete;
  BoostEnd& operator=(const BoostEnd&) = delete;
  ~BoostEnd() { boost::interprocess::message_queue::remove(name_.c_str()); }

  void all_have_come() {
    account_.all_have_come();
    boost::interprocess::message_queue::remove(name_.c_str());
  }

 protected:
  /// Enough that nobody waits for small ones, few enough that large ones stay in the cache.
  static std::size_t slots(const Link& link) {
    constexpr std::size_t kHotBytes = 16 << 20;
    return std::clamp<std::size_t>(kHotBytes / link.max_bytes, 4, 1024);
  }

  StreamAccount account_;
  std::string name_;
  boost::interprocess::message_queue queue_;
};

struct BoostTransport {
  static constexpr std::string_view kName = "boost";
  static constexpr bool kManyToMany = true;
  static constexpr std::size_t kMaxBytes = 0;

  class Sender : public BoostEnd {
   public:
    using BoostEnd::BoostEnd;
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    ~Sender() { account_.end_of_producer(); }
    void send(std::span<const std::byte> message) {
      queue_.send(message.data(), message.size(), 0);
      account_.count_sent();
    }
  };

  class Receiver : public BoostEnd {
   public:
    explicit Receiver(const Link& link) : BoostEnd(link), buffer_(link.max_bytes) {}
    std::span<const std::byte> receive() {
      boost::interprocess::message_queue::size_type bytes = 0;
      unsigned priority = 0;
      // A time-out makes each call look at the clock, so it is only for an empty queue.
      if (!queue_.try_receive(buffer_.data(), buffer_.size(), bytes, priority)) {
        while (!queue_.timed_receive(buffer_.data(), buffer_.size(), bytes, priority, soon())) {
          if (account_.is_over()) return {};
        }
      }
      account_.count_received();
      return {buffer_.data(), bytes};
    }

   private:
    static boost::posix_time::ptime soon() {
      return boost::posix_time::microsec_clock::universal_time() +
             boost::posix_time::milliseconds(20);
    }
    std::vector<std::byte> buffer_;
  };
};

}  // namespace bench
