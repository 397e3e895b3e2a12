// SPDX-License-Identifier: Apache-2.0
// Any bytes as a stream: messages, then the end, or an error that stays. The same messages whatever
// the pieces are in which the bytes come, and written again they are the same bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fuzz_input.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/stdio.hpp"

namespace ipc0cp::fuzz {
namespace {

class Memory final : public ByteStream {
 public:
  Memory(std::span<const std::byte> input, std::size_t piece) : input_(input), piece_(piece) {}
  explicit Memory(std::string& output) : output_(&output) {}

  std::optional<std::size_t> read_some(std::span<std::byte> target) override {
    const std::size_t count = std::min({input_.size(), target.size(), piece_});
    std::copy_n(input_.begin(), count, target.begin());
    input_ = input_.subspan(count);
    return count;
  }
  std::optional<std::size_t> write_some(std::span<const std::byte> source) override {
    output_->append(reinterpret_cast<const char*>(source.data()), source.size());
    return source.size();
  }

 private:
  std::span<const std::byte> input_;
  std::size_t piece_ = 0;
  std::string* output_ = nullptr;
};

/// How a stream went.
struct Course {
  std::vector<std::pair<std::string, std::string>> messages;  ///< Metadata and payload.
  ErrorCode end = ErrorCode::ok;
  std::string text;
  bool operator==(const Course&) const = default;
};

Course read_stream(std::span<const std::byte> input, std::size_t piece) {
  StdioConsumer consumer(std::make_unique<Memory>(input, piece));
  Course course;
  try {
    while (const auto message = consumer.pop_raw()) {
      const auto payload = message->payload();
      course.messages.emplace_back(
          message->metadata(),
          std::string(reinterpret_cast<const char*>(payload.data()), payload.size()));
    }
  } catch (const Error& error) {
    course.end = error.code();
    course.text = error.what();
    const bool names_it =
        course.end == ErrorCode::corrupt_payload || course.end == ErrorCode::version_mismatch;
    require(names_it, "bad input is answered as corrupt, or as another version");
    require(course.text.find("offset ") != std::string::npos, "an error names its place");
  }
  try {
    require(!consumer.pop_raw() && course.end == ErrorCode::ok, "an error stays");
  } catch (const Error& error) {
    require(error.code() == course.end, "an error stays the same");
  }
  require(consumer.messages() == course.messages.size(), "messages are counted");
  return course;
}

/// The stream with the same messages, unless a producer refuses one.
std::optional<std::string> write_stream(const Course& course) {
  std::string output;
  StdioProducer producer(std::make_unique<Memory>(output));
  for (const auto& [metadata, payload] : course.messages) {
    try {
      producer.push_raw(metadata, std::as_bytes(std::span(payload)));
    } catch (const Error& error) {
      // A frame carries any metadata, a producer only takes what a reader of objects does.
      require(error.code() == ErrorCode::invalid_argument, "only bad metadata is refused");
      return std::nullopt;
    }
  }
  if (course.end == ErrorCode::ok) {
    producer.close();
  } else {
    producer.abandon();
  }
  return output;
}

void check(std::span<const std::byte> input) {
  if (input.empty()) return;
  const std::size_t piece = std::to_integer<std::size_t>(input[0]) + 2;
  const std::span<const std::byte> stream = input.subspan(1);
  const Course course = read_stream(stream, stream.size() + 1);
  // What an error shows of garbage depends on how much of it has come.
  Course byte_by_byte = read_stream(stream, 1);
  Course in_pieces = read_stream(stream, piece);
  byte_by_byte.text = in_pieces.text = course.text;
  require(byte_by_byte == course, "single bytes make no difference");
  require(in_pieces == course, "pieces make no difference");
  if (const std::optional<std::string> again = write_stream(course)) {
    const bool is_same = again->size() <= stream.size() &&
                         std::memcmp(again->data(), stream.data(), again->size()) == 0;
    require(is_same, "what was read is written the same way");
  }
}

}  // namespace
}  // namespace ipc0cp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ipc0cp::fuzz::check(std::as_bytes(std::span(data, size)));
  return 0;
}
