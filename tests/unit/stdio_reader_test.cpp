// SPDX-License-Identifier: Apache-2.0
// The reading half of the STDIO format: pieces of any size, garbage, lies and ends.
#include "stdio/reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "platform/buffer_pool.hpp"
#include "stdio_frames.hpp"

namespace ipc0cp::testing {
namespace {

using stdio::FrameReader;

constexpr const char* kText = R"({"type":"text","version":"1.0"})";

/// Feeds at most `piece` bytes at once and keeps what comes out.
class Feeder {
 public:
  explicit Feeder(std::size_t piece) : piece_(piece) {}

  void feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto parts = reader.wanted();
      if (reader.is_whole()) {
        messages.push_back(reader.take());
        continue;
      }
      ASSERT_FALSE(reader.has_ended()) << "bytes behind the closing frame were asked for";
      std::size_t count = 0;
      for (const auto part : parts) {
        const std::size_t here = std::min({part.size(), bytes.size(), piece_ - count});
        if (here > 0) std::memcpy(part.data(), bytes.data(), here);
        bytes.remove_prefix(here);
        count += here;
      }
      ASSERT_GT(count, 0U) << "nothing was asked for";
      reader.advance(count);
    }
    if (reader.is_whole()) messages.push_back(reader.take());
  }

  FrameReader reader{"the stream"};
  std::vector<Message> messages;

 private:
  std::size_t piece_;
};

TEST(StdioReader, TakesPiecesOfAnySize) {
  const std::string large = pattern(5000);
  const std::string stream = frame_of(kText, "hello") + frame_of("", "") + frame_of(kText, "") +
                             frame_of("", large) + closing_frame();
  for (const std::size_t piece : {1U, 2U, 3U, 19U, 20U, 21U, 52U, 64U, 1000U, 1U << 20U}) {
    SCOPED_TRACE(piece);
    Feeder feeder(piece);
    feeder.feed(stream);
    EXPECT_TRUE(feeder.reader.has_ended());
    EXPECT_EQ(feeder.reader.stream_bytes(), stream.size());
    ASSERT_EQ(feeder.messages.size(), 4U);
    EXPECT_EQ(feeder.messages[0].metadata(), kText);
    EXPECT_EQ(text_of(feeder.messages[0].payload()), "hello");
    EXPECT_TRUE(feeder.messages[1].active());
    EXPECT_EQ(feeder.messages[1].metadata(), "");
    EXPECT_TRUE(feeder.messages[1].payload().empty());
    EXPECT_EQ(feeder.messages[2].metadata(), kText);
    EXPECT_EQ(text_of(feeder.messages[3].payload()), large);
    for (std::size_t index = 0; index < feeder.messages.size(); ++index) {
      EXPECT_EQ(feeder.messages[index].id(), index);
      EXPECT_EQ(feeder.messages[index].deliveries(), 1U);
      EXPECT_FALSE(feeder.messages[index].is_view());
      const auto address =
          reinterpret_cast<std::uintptr_t>(feeder.messages[index].payload().data());
      EXPECT_EQ(address % 64, 0U);
    }
  }
}

TEST(StdioReader, AsksForNothingBehindTheFrame) {
  FrameReader reader("the stream");
  const std::string frame = frame_of(kText, "hello");
  std::size_t asked = 0;
  for (std::string_view left = frame; !left.empty();) {
    const auto parts = reader.wanted();
    std::size_t count = 0;
    for (const auto part : parts) {
      ASSERT_LE(part.size(), left.size());
      std::memcpy(part.data(), left.data(), part.size());
      left.remove_prefix(part.size());
      count += part.size();
    }
    asked += count;
    reader.advance(count);
  }
  EXPECT_EQ(asked, frame.size());
  EXPECT_TRUE(reader.is_whole());
  EXPECT_TRUE(reader.wanted().empty());
}

// ---- garbage ------------------------------------------------------------------------------------

/// Feeds it behind a good frame and returns the error, which has to stay.
std::string error_behind_a_frame(ErrorCode code, const std::string& bytes) {
  Feeder feeder(7);
  const std::string good = frame_of(kText, "hello");
  feeder.feed(good);
  const std::string text = error_of(code, [&] { feeder.feed(bytes); });
  expect_contains(text, "offset " + std::to_string(good.size()));
  const std::string again = error_of(code, [&] { feeder.reader.wanted(); });
  expect_contains(again, "broken for good");
  error_of(code, [&] { feeder.reader.cut_off(); });
  EXPECT_EQ(feeder.messages.size(), 1U);
  return text;
}

FrameClaim claim_of_sizes(std::uint32_t metadata_bytes, std::uint64_t payload_bytes) {
  FrameClaim claim;
  claim.metadata_bytes = metadata_bytes;
  claim.payload_bytes = payload_bytes;
  return claim;
}

TEST(StdioReader, RefusesGarbageAtItsFirstByte) {
  expect_contains(error_behind_a_frame(ErrorCode::corrupt_payload, "h"), "\"h\" (68)");
  expect_contains(error_behind_a_frame(ErrorCode::corrupt_payload, "\x89x"), "\".x\" (89 78)");
  std::string text = header_of({});
  text[3] = 'Q';
  error_behind_a_frame(ErrorCode::corrupt_payload, text.substr(0, 4));
}

TEST(StdioReader, RefusesAnotherVersionAndUnknownFlags) {
  FrameClaim claim;
  claim.version = 2;
  expect_contains(error_behind_a_frame(ErrorCode::version_mismatch, header_of(claim)),
                  "has version 2, this reader knows 1");
  claim = {};
  claim.flags = 2;
  expect_contains(error_behind_a_frame(ErrorCode::corrupt_payload, header_of(claim)), "flags 2");
}

TEST(StdioReader, RefusesSizesOverTheLimits) {
  const auto too_much_metadata = claim_of_sizes(kMaxMetadataBytes + 1, 0);
  expect_contains(error_behind_a_frame(ErrorCode::corrupt_payload, header_of(too_much_metadata)),
                  "1073741825 bytes of metadata, the limit is 1073741824");
  const auto too_much_payload = claim_of_sizes(0, std::uint64_t{1} << 63U);
  expect_contains(error_behind_a_frame(ErrorCode::corrupt_payload, header_of(too_much_payload)),
                  "9223372036854775808 bytes of payload");
  for (FrameClaim claim : {claim_of_sizes(1, 0), claim_of_sizes(0, 1)}) {
    claim.flags = 1;
    expect_contains(error_behind_a_frame(ErrorCode::corrupt_payload, header_of(claim)), "closes");
  }
}

TEST(StdioReader, TakesLittleMemoryOnTheWordOfAHeader) {
  for (const auto& claim :
       {claim_of_sizes(0, std::uint64_t{1} << 62U), claim_of_sizes(std::uint32_t{1} << 30U, 0),
        claim_of_sizes(std::uint32_t{1} << 30U, std::uint64_t{1} << 46U)}) {
    Feeder feeder(1000);
    feeder.feed(header_of(claim));
    std::size_t asked = 0;
    for (const auto part : feeder.reader.wanted()) asked += part.size();
    EXPECT_GT(asked, 0U);
    EXPECT_LE(asked, platform::buffer_pool::kTrustedBytes);
    feeder.feed(std::string(3000, 'x'));
    const std::uint64_t whole = 20 + std::uint64_t{claim.metadata_bytes} + claim.payload_bytes;
    expect_contains(error_of(ErrorCode::corrupt_payload, [&] { feeder.reader.cut_off(); }),
                    "cut off after 3020 of " + std::to_string(whole) + " bytes of frame 0");
  }
}

// ---- ends ---------------------------------------------------------------------------------------

TEST(StdioReader, AStreamThatStopsAnywhereWasCutOff) {
  const std::string first = frame_of(kText, "hello");
  const std::string stream = first + frame_of("", pattern(100)) + closing_frame();
  for (std::size_t length = 0; length < stream.size(); ++length) {
    SCOPED_TRACE(length);
    Feeder feeder(13);
    feeder.feed(std::string_view(stream).substr(0, length));
    ASSERT_FALSE(feeder.reader.has_ended());
    const std::string text = error_of(ErrorCode::corrupt_payload, [&] { feeder.reader.cut_off(); });
    expect_contains(text, "cut off after ");
    if (length == first.size() + 30) expect_contains(text, "30 of 120 bytes of frame 1, at offset");
    error_of(ErrorCode::corrupt_payload, [&] { feeder.reader.wanted(); });
  }
}

// ---- large payloads -----------------------------------------------------------------------------

TEST(StdioReader, GrowsWithoutLosingWhatIsThere) {
  const std::size_t bytes = 3 * platform::buffer_pool::kTrustedBytes + 12345;
  const std::string payload = pattern(bytes);
  Feeder feeder(std::size_t{1} << 20U);
  feeder.feed(frame_of(kText, payload));
  ASSERT_EQ(feeder.messages.size(), 1U);
  EXPECT_TRUE(text_of(feeder.messages[0].payload()) == payload);
  // The memory is kept and used for the next one.
  const auto* address = feeder.messages[0].payload().data();
  feeder.messages.clear();
  feeder.feed(frame_of(kText, payload.substr(0, bytes / 2 + 1000)));
  EXPECT_EQ(feeder.messages[0].payload().data(), address);
}

TEST(StdioReader, CarriesMoreThanFourGibibytes) {
  // The bytes are only counted as arrived, so that the memory is never touched.
  constexpr std::uint64_t kBytes = (std::uint64_t{4} << 30U) + (100 << 20U);
  Feeder feeder(20);
  feeder.feed(header_of(claim_of_sizes(0, kBytes)));
  std::uint64_t arrived = 0;
  while (true) {
    const auto parts = feeder.reader.wanted();
    if (feeder.reader.is_whole()) break;
    feeder.reader.advance(parts[1].size());
    arrived += parts[1].size();
  }
  EXPECT_EQ(arrived, kBytes);
  const Message message = feeder.reader.take();
  EXPECT_EQ(message.payload().size(), kBytes);
  EXPECT_EQ(message.payload().back(), std::byte{});
  EXPECT_EQ(feeder.reader.stream_bytes(), kBytes + 20);
}

}  // namespace
}  // namespace ipc0cp::testing
