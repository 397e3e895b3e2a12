// SPDX-License-Identifier: Apache-2.0
// Bad arguments of the public handles: the error names the value, the limit and the way out.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr const char* kTotalLimits = "1024..35184372088832";

struct Refusal {
  const char* what;
  std::function<void(const std::string& name)> call;
  std::vector<std::string> texts;
};

void expect_refused(const Refusal& refusal) {
  SCOPED_TRACE(refusal.what);
  const RingName name;
  const std::string text =
      expect_code(ErrorCode::invalid_argument, [&] { refusal.call(name.get()); });
  for (const std::string& part : refusal.texts) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
  }
  EXPECT_FALSE(name.exists());
}

Refusal total(const char* what, std::size_t bytes, const std::string& shown) {
  return {
      what,
      [bytes](const std::string& name) { const SharedRingBufferProducer producer(name, bytes); },
      {"total_data_bytes", kTotalLimits, shown, "0 takes"}};
}

template <class Member, class Value>
Refusal option(const char* what, Member member, Value value, std::vector<std::string> texts) {
  return {what,
          [=](const std::string& name) {
            ProducerOptions options;
            options.*member = value;
            const SharedRingBufferProducer producer(name, kMebi, options);
          },
          std::move(texts)};
}

TEST(Arguments, SizesAndOptionsOutsideTheirRange) {
  const std::vector<Refusal> refusals = {
      total("too small", 1023, "not 1023"),
      total("too large", (std::size_t{1} << 45) + 1, "not 35184372088833"),
      total("negative", static_cast<std::size_t>(-1), "not 18446744073709551615"),
      {"consumer",
       [](const std::string& name) { const SharedRingBufferConsumer consumer(name, 1); },
       {"total_data_bytes", kTotalLimits, "not 1;"}},
      option("too many messages", &ProducerOptions::max_messages, kMaxMaxMessages + 1,
             {"max_messages", "1..1048576", "not 1048577", "0 takes the default"}),
      option("negative messages", &ProducerOptions::max_messages, static_cast<std::uint32_t>(-1),
             {"max_messages", "not 4294967295"}),
      option("no owner", &ProducerOptions::mode, 0U, {"mode", "0o600..0o777", "not 0o0"}),
      option("read-only", &ProducerOptions::mode, 0444U, {"not 0o444", "reads and writes"}),
      option("sticky", &ProducerOptions::mode, 01600U, {"not 0o1600"}),
  };
  for (const Refusal& refusal : refusals) expect_refused(refusal);
}

/// What is lent can be published, and what is published every reader accepts.
TEST(Arguments, ShapesOfLoans) {
  const std::size_t huge = std::size_t{1} << 62;
  const std::vector<std::pair<std::vector<std::size_t>, std::string>> shapes = {
      {std::vector<std::size_t>(65, 1), "65 dimensions; at most 64"},
      {{huge, huge}, "9223372036854775807 bytes"},
      {{0, huge, huge}, "9223372036854775807 bytes, also where a dimension is 0"},
      {{huge, huge, 0}, "9223372036854775807 bytes, also where a dimension is 0"},
  };
  Pair pair;
  for (const auto& [shape, text] : shapes) {
    const std::string refusal = expect_code(ErrorCode::invalid_argument, [&, &shape = shape] {
      pair.producer.loan_array<float>(shape);
    });
    EXPECT_NE(refusal.find(text), std::string::npos) << refusal;
  }
  std::vector<std::size_t> most(64, 1);
  EXPECT_TRUE(pair.producer.loan_array<float>(most).publish());
  EXPECT_TRUE(pair.producer.loan_array<float>({0, huge / 4}).publish());
  EXPECT_EQ(pair.consumer.stats().messages, 2U);
}

TEST(Arguments, Names) {
  const std::string too_long(201, 'a');
  const std::vector<std::pair<std::string, std::string>> names = {
      {"", "not 0: ''"},
      {"/", "not 0: '/'"},
      {too_long, "not 201: 'aaa"},
      {"a/b", "not 'a/b'"},
      {"//a", "not '//a'"},
      {"a b", "not 'a b'"},
      {"\xc3\xa9",
       "not '?"
       "?'"},
      {std::string("a\0b", 3), "not 'a?b'"},
      {"a\nb", "not 'a?b'"},
  };
  for (const auto& [name, shown] : names) {
    for (const bool produces : {true, false}) {
      const std::string text = expect_code(ErrorCode::invalid_argument, [&, &bad = name] {
        if (produces) SharedRingBufferProducer(bad, kMebi).close();
        SharedRingBufferConsumer(bad, kMebi).close();
      });
      EXPECT_NE(text.find("1..200 characters of [A-Za-z0-9._-]"), std::string::npos) << text;
      EXPECT_NE(text.find(shown), std::string::npos) << shown << " is not in: " << text;
    }
  }
}

TEST(Arguments, TimeOutsThatAreNone) {
  const std::vector<std::pair<std::function<Timeout()>, std::string>> timeouts = {
      {[] { return Timeout(std::chrono::duration<double>(NAN)); }, "nan"},
      {[] { return Timeout(std::chrono::seconds(-1)); }, "-1.0"},
      {[] { return Timeout(std::chrono::nanoseconds(-1)); }, "-0.0"},
      {[] { return Timeout(std::chrono::duration<float>(-INFINITY)); }, "-inf"},
      {[] { return Timeout(std::chrono::hours::min()); }, "-"},
  };
  for (const auto& [make, shown] : timeouts) {
    const std::string text =
        expect_code(ErrorCode::invalid_argument, [&make = make] { (void)make(); });
    EXPECT_NE(text.find("0 (does not wait) or more seconds"), std::string::npos) << text;
    EXPECT_NE(text.find("not " + shown), std::string::npos) << shown << " is not in: " << text;
    EXPECT_NE(text.find("leave it out"), std::string::npos) << text;
  }
}

TEST(Arguments, UnusualButGood) {
  const RingName name;
  ProducerOptions options;
  options.consumer_wait_timeout = std::chrono::hours::max();
  options.mode = 0777;
  options.max_messages = 1;
  SharedRingBufferProducer producer("/" + name.get(), kMinTotalDataBytes, options);
  ConsumerOptions none_expected;
  none_expected.expected_producers = 0;
  SharedRingBufferConsumer consumer(name.get(), 0, none_expected);
  EXPECT_EQ(producer.name(), consumer.name());
  EXPECT_TRUE(producer.push(TextData("x"), std::chrono::duration<double>(INFINITY)));
  EXPECT_EQ(consumer.pop(std::chrono::hours::max())->as<TextData>().text(), "x");
  producer.close();
  EXPECT_FALSE(consumer.pop());
}

}  // namespace
}  // namespace ipc0cp::testing
