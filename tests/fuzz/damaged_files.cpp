// SPDX-License-Identifier: Apache-2.0
// The file of a ring with any bytes in it, also cut off, looked at: there is a sentence or there
// are figures that can be shown, and this process stays whole.
//
// An input is a list of words to write into a sound file of a ring in use, and of lengths to cut it
// to; the file is sound again before the next input.
#include "ipc0cp/inspect.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "fuzz_input.hpp"
#include "ipc0cp/log.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "platform/liveness.hpp"
#include "shm/ring_name.hpp"
#include "shm/segment.hpp"

namespace ipc0cp::fuzz {
namespace {

constexpr std::size_t kRingBytes = 16 << 10;
constexpr std::uint32_t kMaxMessages = 16;

/// What the file of a ring holds while a loan, a view and three messages are out, which a
/// subscriber has still to read.
std::vector<std::byte> content_of_a_ring(const std::string& name) {
  ProducerOptions options;
  options.max_messages = kMaxMessages;
  SharedRingBufferProducer producer(name, kRingBytes, options);
  SharedRingBufferConsumer consumer(name, kRingBytes);
  ConsumerOptions subscribing;
  subscribing.subscribe = true;
  const SharedRingBufferConsumer subscriber(name, kRingBytes, subscribing);
  const std::vector<std::byte> payload(4200, std::byte{7});
  static_cast<void>(producer.push_raw({}, payload));
  const auto view = consumer.pop_raw();
  const Loan loan = producer.loan(500);
  for (std::size_t number = 1; number < 4; ++number) {
    static_cast<void>(producer.push_raw({}, std::span(payload).first(100 * number)));
  }
  const int file = open(shm::path_of(name).c_str(), O_RDONLY | O_CLOEXEC);
  require(file >= 0, "the ring can be read");
  std::vector<std::byte> content(static_cast<std::size_t>(lseek(file, 0, SEEK_END)));
  require(pread(file, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()),
          "all of it");
  close(file);
  return content;
}

class Target {
 public:
  Target() : content_(content_of_a_ring(name_)), path_(shm::path_of(name_)) {
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    require(file_ >= 0, "the file can be made");
    // Three of its handles live, as far as can be seen.
    platform::lock_byte(file_, shm::kTokenByte + 1, platform::LockKind::write);
    platform::lock_byte(file_, shm::kTokenByte + 2, platform::LockKind::write);
    platform::lock_byte(file_, shm::kTokenByte + 3, platform::LockKind::write);
    write(0, content_);
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  ~Target() {
    unlink(path_.c_str());
    close(file_);
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  void damage(Input& input) {
    const unsigned kind = input.byte();
    if (kind % 16 == 15) {
      length_ = input.number<std::uint32_t>() % (content_.size() + 1);
      require(ftruncate(file_, static_cast<off_t>(length_)) == 0, "the file can be cut");
      return;
    }
    const std::size_t place = place_of(kind, input.number<std::uint16_t>());
    const auto value = value_of(kind / 16, input.number<std::uint16_t>());
    if (place + sizeof value > length_) return;
    write(place, std::as_bytes(std::span(&value, 1)));
    damaged_.push_back(place);
  }

  void restore() {
    if (length_ != content_.size()) {
      write(length_, std::span(content_).subspan(length_));
      length_ = content_.size();
    }
    for (const std::size_t place : damaged_) write(place, std::span(content_).subspan(place, 8));
    damaged_.clear();
  }

 private:
  void write(std::size_t place, std::span<const std::byte> bytes) const {
    const auto written = pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(place));
    require(written == static_cast<ssize_t>(bytes.size()), "the file can be written");
  }

  [[nodiscard]] std::size_t place_of(unsigned kind, std::size_t place) const {
    const shm::Geometry geometry = shm::Geometry::of(kRingBytes, kMaxMessages);
    switch (kind % 4) {
      case 0:
        return place % sizeof(shm::Header) / 4 * 4;
      case 1:
        return geometry.slots_offset + place % (6 * sizeof(shm::Slot)) / 4 * 4;
      case 2:
        return geometry.records_offset + place % bytes_for_subscribers(geometry) / 4 * 4;
      default:
        return geometry.descriptors_offset +
               place % (geometry.descriptor_count * sizeof(shm::Descriptor)) / 4 * 4;
    }
  }
  /// Of records and order.
  static std::size_t bytes_for_subscribers(const shm::Geometry& geometry) {
    const std::size_t order_bytes = (geometry.order_mask + 1) * sizeof(std::uint32_t);
    return geometry.order_offset + order_bytes - geometry.records_offset;
  }
  static std::uint64_t value_of(unsigned kind, std::uint64_t word) {
    constexpr std::uint64_t kAll = ~std::uint64_t{0};
    const std::array<std::uint64_t, 6> values = {word % 32,  word,        word << 10,
                                                 word << 48, kAll - word, word << 32 | word};
    return values[kind % values.size()];
  }

  std::string name_ = "fuzz-inspect-" + std::to_string(getpid());
  std::vector<std::byte> content_;
  std::string path_;
  std::size_t length_ = content_.size();
  int file_ = -1;
  std::vector<std::size_t> damaged_;
};

void require_printable(const std::string& text) {
  require(std::ranges::all_of(text, [](char one) { return one >= ' ' && one <= '~'; }),
          "what is shown is printable, not", text);
}

void require_sensible(const inspect::Ring& ring) {
  require_printable(ring.name);
  require_printable(ring.problem);
  const bool is_readable = ring.state < inspect::RingState::damaged;
  require(is_readable || !ring.problem.empty(), "there is a sentence");
  require(ring.depth >= 0 && ring.depth <= 1, "the depth is a share");
  require(ring.queue.size() <= kMaxMessages + 9, "as many messages as descriptors");
  require(ring.participants.size() < shm::kSlotCount, "as many participants as slots");
  for (const inspect::Participant& one : ring.participants) require_printable(one.process_name);
  require(ring.memory.hole_bytes <= ring.memory.main_bytes, "holes lie in the main part");
  require(ring.memory.largest_that_fits_bytes <= kRingBytes, "what fits is no more than the ring");
}

void look(const std::string& name) {
  const inspect::Ring ring = inspect::ring(name);
  require_sensible(ring);
  require(inspect::summary(name).state == ring.state, "a summary tells the same state");
  try {
    for (const auto& message : inspect::preview(name)) {
      require(message.payload.size() <= 64, "no more is shown than was asked for");
      require(message.payload.size() <= message.payload_bytes, "nor than there is");
    }
  } catch (const Error& error) {
    require(!ring.has_figures() && error.code() != ErrorCode::ok, "why it shows nothing");
  }
}

}  // namespace
}  // namespace ipc0cp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ipc0cp::set_log_level(ipc0cp::LogLevel::off);
  static ipc0cp::fuzz::Target target;
  ipc0cp::fuzz::Input input(data, size);
  for (int step = 0; step < 64 && !input.empty(); ++step) target.damage(input);
  ipc0cp::fuzz::look(target.name());
  target.restore();
  return 0;
}
