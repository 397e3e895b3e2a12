// SPDX-License-Identifier: Apache-2.0
#include "platform/copy.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ipc0cp/copy.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/log.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::platform {
namespace {

constexpr std::array kKinds = {CopyKind::memcpy, CopyKind::stream, CopyKind::rep_movsb};

bool is_possible(CopyKind kind) {
  switch (kind) {
    case CopyKind::memcpy:
      return true;
    case CopyKind::stream:
      return copy_rule("stream", 0).from == 4096;
    case CopyKind::rep_movsb:
      return copy_rule("rep_movsb", 0).from == 4096;
  }
  return false;
}

/// Every way, from and to every alignment, with sizes around each step; nothing beside is touched.
TEST(Copy, CopiesWhateverTheAlignmentAndSize) {
  constexpr std::byte kUntouched{0xA5};
  std::mt19937 random(1);
  std::vector<std::byte> source(20'000);
  for (std::byte& byte : source) byte = static_cast<std::byte>(random());
  std::vector<std::byte> target(20'000);
  for (const CopyKind kind : kKinds) {
    if (!is_possible(kind)) continue;
    for (const std::size_t size : {0, 1, 31, 32, 33, 127, 128, 129, 160, 4095, 4096, 4097, 9'001}) {
      for (std::size_t to = 0; to < 66; to += 1 + to / 34 * 7) {
        for (const std::size_t from : {0, 1, 7, 16, 31, 32, 63}) {
          std::fill(target.begin(), target.end(), kUntouched);
          copy_by(kind, target.data() + 64 + to, source.data() + from, size);
          const auto begin = target.begin() + static_cast<std::ptrdiff_t>(64 + to);
          const auto end = begin + static_cast<std::ptrdiff_t>(size);
          ASSERT_TRUE(std::equal(begin, end, source.begin() + static_cast<std::ptrdiff_t>(from)))
              << "kind " << int(kind) << ", " << size << " bytes from " << from << " to " << to;
          ASSERT_TRUE(std::all_of(target.begin(), begin, [](auto b) { return b == kUntouched; }));
          ASSERT_TRUE(std::all_of(end, target.end(), [](auto b) { return b == kUntouched; }));
        }
      }
    }
  }
}

TEST(Copy, TheRuleFollowsTheCache) {
  constexpr std::size_t kMebi = std::size_t{1} << 20U;
  if (!is_possible(CopyKind::stream)) GTEST_SKIP() << "this processor has no streaming stores";
  EXPECT_EQ(copy_rule("", 32 * kMebi).kind, CopyKind::stream);
  EXPECT_EQ(copy_rule("", 32 * kMebi).from, 16 * kMebi);
  EXPECT_EQ(copy_rule("auto", 0).from, 16 * kMebi);
  EXPECT_EQ(copy_rule("", kMebi).from, 8 * kMebi) << "smaller ones are read from the cache";
  EXPECT_EQ(copy_rule("", 402'653'184).from, 64 * kMebi) << "a socket's cache";
  EXPECT_EQ(copy_rule("", 32 * kMebi).until, 96 * kMebi);
  EXPECT_EQ(copy_rule("memcpy", 32 * kMebi).kind, CopyKind::memcpy);
  EXPECT_EQ(copy_rule("memcpy", 32 * kMebi).from, SIZE_MAX);
}

TEST(Copy, AnUnknownWayIsNamedAndIgnored) {
  std::string said;
  set_log_sink([&](LogLevel, std::string_view text) { said = text; });
  const CopyRule rule = copy_rule("fastest", std::size_t{32} << 20U);
  set_log_sink({});
  EXPECT_NE(said.find("IPC0CP_COPY=fastest is unknown"), std::string::npos) << said;
  EXPECT_NE(said.find("possible are auto, memcpy"), std::string::npos) << said;
  EXPECT_EQ(rule.from, copy_rule("", std::size_t{32} << 20U).from);
}

/// Streaming stores are ordered only by a fence: the reader must never see the message before them.
TEST(Copy, WhatIsPublishedHasArrived) {
  constexpr std::size_t kBytes = 64 * 1024;
  std::vector<std::byte> slots(2 * kBytes);
  for (const CopyKind kind : kKinds) {
    if (!is_possible(kind)) continue;
    std::atomic<unsigned> written{0};
    std::atomic<unsigned> read{0};
    std::thread reader([&] {
      for (unsigned number = 1; number <= 2'000; ++number) {
        while (written.load(std::memory_order_acquire) < number) std::this_thread::yield();
        const std::byte* slot = slots.data() + number % 2 * kBytes;
        for (const std::size_t at : {std::size_t{0}, kBytes / 2, kBytes - 1}) {
          ASSERT_EQ(slot[at], static_cast<std::byte>(number)) << number << " at " << at;
        }
        read.store(number, std::memory_order_release);
      }
    });
    std::vector<std::byte> source(kBytes);
    for (unsigned number = 1; number <= 2'000; ++number) {
      std::fill(source.begin(), source.end(), static_cast<std::byte>(number));
      while (read.load(std::memory_order_acquire) + 2 < number) std::this_thread::yield();
      copy_by(kind, slots.data() + number % 2 * kBytes, source.data(), kBytes);
      written.store(number, std::memory_order_release);
    }
    reader.join();
  }
}

TEST(Copy, ATargetThatIsTooSmallIsRefused) {
  std::vector<std::byte> target(9, std::byte{1});
  const std::vector<std::byte> source(10, std::byte{2});
  try {
    copy_payload(target, source);
    FAIL() << "copied";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("10 bytes"), std::string::npos) << error.what();
  }
  EXPECT_EQ(target, std::vector(9, std::byte{1}));
  copy_payload({}, {});
  copy_payload(target, std::span(source).first(9));
  EXPECT_EQ(target, std::vector(9, std::byte{2}));
}

}  // namespace
}  // namespace ipc0cp::platform

namespace ipc0cp::testing {
namespace {

/// Of a size that streams on every processor that can.
TEST(Copy, ALargeMessageComesOutWhole) {
  constexpr std::size_t kBytes = 65 * kMebi;
  Pair pair(192 * kMebi);
  const auto bytes = bytes_of(kBytes, 7);
  ASSERT_TRUE(pair.producer.push_raw({}, bytes, 20s));
  const auto message = pair.consumer.pop_raw(20s);
  ASSERT_TRUE(message);
  EXPECT_TRUE(
      std::equal(bytes.begin(), bytes.end(), message->payload().begin(), message->payload().end()));
}

}  // namespace
}  // namespace ipc0cp::testing
