// SPDX-License-Identifier: Apache-2.0
// A ring whose control pages are written over between any two calls: every call answers with a
// result or an error, and this process stays whole.
//
// An input is a program: each byte is a step, followed by what the step needs.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fuzz_input.hpp"
#include "ipc0cp/log.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "shm/channel.hpp"
#include "shm/ring_name.hpp"
#include "shm/snapshot.hpp"

namespace ipc0cp::fuzz {
namespace {

constexpr std::size_t kRingBytes = 16 << 10;
constexpr std::uint32_t kMaxMessages = 16;
constexpr std::size_t kMostSteps = 96;
constexpr std::size_t kMostHandles = 4;

/// Bytes of the input, one after the other; zeros behind its end.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool at_end() const noexcept { return next_ >= bytes_.size(); }
  std::uint8_t byte() noexcept { return at_end() ? std::uint8_t{0} : bytes_[next_++]; }
  std::uint16_t word() noexcept {
    const unsigned low = byte();
    return static_cast<std::uint16_t>(low | unsigned{byte()} << 8);
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t next_ = 0;
};

class Victim {
 public:
  Victim(const std::string& name, bool broadcast) : name_(name), broadcast_(broadcast) {
    ProducerOptions options;
    options.max_messages = kMaxMessages;
    options.broadcast = broadcast;
    producers_.push_back(std::make_unique<SharedRingBufferProducer>(name_, kRingBytes, options));
    add_consumer(broadcast, false);
    segment_ = &consumers_.front()->channel().ring().segment();
    const auto pages = control_pages();
    sound_pages_.assign(pages.begin(), pages.end());
  }

  /// Makes the ring sound and empty again, which is much faster than a new one.
  /// @return false if it has lost its name, or a handle has given up for good.
  bool restore() {
    kept_.clear();
    producers_.resize(1);
    consumers_.resize(1);
    if (segment_->header().retired.load() != 0) return false;
    std::ranges::copy(sound_pages_, control_pages().begin());
    return works(producers_.front()->channel()) && works(consumers_.front()->channel());
  }

  void step(Reader& input) {
    switch (input.byte() % 10) {
      case 0:
        static_cast<void>(producer(input).try_push_raw({}, payload(input.byte())));
        break;
      case 1:
        static_cast<void>(producer(input).try_push_raw({}, payload(input.word() % kRingBytes)));
        break;
      case 2:
        pop(consumer(input));
        break;
      case 3:
        if (!kept_.empty()) kept_.erase(kept_.begin() + input.byte() % kept_.size());
        break;
      case 4:
        borrow(producer(input), input);
        break;
      case 5:
        static_cast<void>(consumer(input).stats());
        static_cast<void>(shm::take_snapshot(*segment_, -1));
        break;
      case 6:
        join_or_leave(input);
        break;
      case 7:
        pop_several(consumer(input), input.byte());
        break;
      default:
        scribble(input);
    }
  }

 private:
  SharedRingBufferProducer& producer(Reader& input) {
    return *producers_[input.byte() % producers_.size()];
  }
  SharedRingBufferConsumer& consumer(Reader& input) {
    return *consumers_[input.byte() % consumers_.size()];
  }

  static std::span<const std::byte> payload(std::size_t bytes) {
    static const std::array<std::byte, kRingBytes> kZeros{};
    return std::span(kZeros).first(bytes);
  }

  void pop(SharedRingBufferConsumer& consumer) {
    std::optional<Message> message = consumer.try_pop_raw();
    if (!message) return;
    // Reads every byte, as a user would; the mapping must hold them.
    unsigned sum = 0;
    for (const std::byte byte : message->payload()) sum += std::to_integer<unsigned>(byte);
    require(sum <= 255U * message->payload().size(), "bytes add up");
    kept_.push_back(std::move(*message));
  }

  static void pop_several(SharedRingBufferConsumer& consumer, unsigned how) {
    if (how >= 128) {
      static_cast<void>(consumer.pop_latest_raw(Timeout::none()));
    } else {
      static_cast<void>(consumer.pop_many_raw(1 + how % 8, Timeout::none()));
    }
  }

  static void borrow(SharedRingBufferProducer& producer, Reader& input) {
    Loan loan = producer.loan(input.word() % kRingBytes, Timeout::none());
    std::ranges::fill(loan.bytes(), std::byte{1});
    if (input.byte() % 2 == 0) static_cast<void>(loan.publish({}, Timeout::none()));
  }

  void add_consumer(bool subscribes, bool drops) {
    ConsumerOptions options;
    options.subscribe = subscribes;
    if (subscribes && drops) options.overflow = Overflow::drop_oldest;
    consumers_.push_back(std::make_unique<SharedRingBufferConsumer>(name_, kRingBytes, options));
  }

  /// The first two handles stay, so that there is always one of each.
  void join_or_leave(Reader& input) {
    const unsigned kind = input.byte();
    const bool produces = kind % 2 == 0;
    if (produces && producers_.size() < kMostHandles) {
      ProducerOptions options;
      options.broadcast = broadcast_;
      options.overflow = static_cast<Overflow>(kind / 2 % 3);
      if (options.overflow == Overflow::drop_oldest) options.depth = kind / 8 % 4;
      producers_.push_back(std::make_unique<SharedRingBufferProducer>(name_, kRingBytes, options));
    } else if (!produces && consumers_.size() < kMostHandles) {
      add_consumer(broadcast_ || kind / 2 % 2 != 0, kind / 4 % 2 != 0);
    } else {
      producers_.resize(1);
      consumers_.resize(1);
    }
  }

  /// Another process writes a word where it has no business.
  void scribble(Reader& input) {
    const shm::Geometry& geometry = segment_->geometry();
    const unsigned where = input.byte();
    const std::size_t place = input.word();
    std::size_t offset = 0;
    if (where % 4 == 0) {
      offset = geometry.slots_offset + place % (6 * sizeof(shm::Slot));
    } else if (where % 4 == 1) {
      offset = sizeof(std::uint32_t) * 33 + place % (sizeof(shm::Header) - 136);
    } else if (where % 8 == 2) {
      offset = geometry.records_offset + place % bytes_for_subscribers(geometry);
    } else {
      const std::size_t bytes = geometry.descriptor_count * sizeof(shm::Descriptor);
      offset = geometry.descriptors_offset + place % bytes;
    }
    write_word(offset / 4 * 4, value(input), where >= 128);
  }

  /// Of records and order.
  static std::size_t bytes_for_subscribers(const shm::Geometry& geometry) {
    const std::size_t order_bytes = (geometry.order_mask + 1) * sizeof(std::uint32_t);
    return geometry.order_offset + order_bytes - geometry.records_offset;
  }

  std::uint64_t value(Reader& input) {
    const unsigned kind = input.byte() % 6;
    const std::uint64_t word = input.word();
    constexpr std::uint64_t kAll = ~std::uint64_t{0};
    const std::array<std::uint64_t, 6> values = {
        word % 32, word, word << 10, word << 48, kAll - word, word << 32 | word,
    };
    return values[kind];
  }

  void write_word(std::size_t offset, std::uint64_t word, bool wide) {
    // A lock that a living process holds only makes all others wait, for ever where they may.
    constexpr std::size_t kLock = offsetof(shm::Header, lock);
    if (offset <= kLock && offset + sizeof word > kLock) return;
    std::memcpy(segment_->control_mapping().data() + offset, &word, wide ? 8 : 4);
  }

  [[nodiscard]] std::span<std::byte> control_pages() const {
    return {segment_->control_mapping().data(), segment_->geometry().arena_offset};
  }

  static bool works(shm::Channel& channel) { return channel.ring().refusal() == ErrorCode::ok; }

  std::string name_;
  bool broadcast_;
  std::vector<std::byte> sound_pages_;
  std::vector<std::unique_ptr<SharedRingBufferProducer>> producers_;
  std::vector<std::unique_ptr<SharedRingBufferConsumer>> consumers_;
  const shm::Segment* segment_ = nullptr;
  std::vector<Message> kept_;
};

/// One victim for all inputs of a kind. A damaged ring may not remove its file, so that is done
/// here.
class Place {
 public:
  explicit Place(bool broadcast) : broadcast_(broadcast) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { clear(); }
  Victim& sound_victim() {
    if (!victim_ || !victim_->restore()) {
      clear();
      victim_.emplace(name_, broadcast_);
    }
    return *victim_;
  }

 private:
  void clear() {
    victim_.reset();
    unlink(shm::path_of(name_).c_str());
  }

  bool broadcast_;
  std::string name_ = (broadcast_ ? "fuzz-broadcast-" : "fuzz-") + std::to_string(getpid());
  std::optional<Victim> victim_;
};

void run(Reader input) {
  static Place queue(false);
  static Place broadcast(true);
  // Every fourth length, so that the steps of an input mean the same on either kind of ring.
  Victim& victim = (input.size() % 4 == 3 ? broadcast : queue).sound_victim();
  for (std::size_t steps = 0; steps < kMostSteps && !input.at_end(); ++steps) {
    try {
      victim.step(input);
    } catch (const Error& error) {
      require(error.code() != ErrorCode::ok, "an error says which one it is");
    }
  }
}

}  // namespace
}  // namespace ipc0cp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    ipc0cp::set_log_level(ipc0cp::LogLevel::off);  // Damage is no news here.
    return true;
  }();
  (void)quiet;
  ipc0cp::fuzz::run(ipc0cp::fuzz::Reader({data, size}));
  return 0;
}
