// SPDX-License-Identifier: Apache-2.0
// Streams that have to wait: time-outs, full pipes, slow peers, signals, closing meanwhile.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "stdio_frames.hpp"

namespace ipc0cp::testing {
namespace {

constexpr const char* kText = R"({"type":"text","version":"1.0"})";

/// More than any pipe or socket buffer holds.
const std::string& large() {
  static const std::string text = pattern(8 << 20);
  return text;
}

void wait_until_readable(int descriptor) {
  pollfd question{descriptor, POLLIN, 0};
  ASSERT_EQ(::poll(&question, 1, 60'000), 1);
}

/// Fills what is between the two ends, so that not one byte more goes in.
void fill(int writer) {
  fcntl(writer, F_SETPIPE_SZ, 1 << 20);  // As large as a producer would make it.
  fcntl(writer, F_SETFL, O_NONBLOCK);
  const std::string zeros(1 << 16, '\0');
  while (::write(writer, zeros.data(), zeros.size()) > 0) {
  }
  while (::write(writer, zeros.data(), 1) > 0) {
  }
  fcntl(writer, F_SETFL, 0);
}

class StdioWaiting : public ::testing::TestWithParam<EndsKind> {
 protected:
  /// What was there before, up to the closing frame.
  std::string read_to_the_end() const {
    std::string all;
    while (!all.ends_with(closing_frame())) all += ends_.read_some(1 << 16);
    return all;
  }
  Ends ends_ = GetParam().open();
};

TEST_P(StdioWaiting, PopTimesOut) {
  StdioConsumer consumer(ends_.reader());
  for (const auto timeout : {0ms, 20ms}) {
    const auto before = std::chrono::steady_clock::now();
    error_of(ErrorCode::timeout, [&] { consumer.pop(timeout); });
    EXPECT_GE(std::chrono::steady_clock::now() - before, timeout);
  }
}

TEST_P(StdioWaiting, AFrameThatComesInPartsIsNotLostByTimeOuts) {
  const std::string stream = frame_of(kText, "hello") + closing_frame();
  StdioConsumer consumer(ends_.reader());
  std::optional<Message> message;
  for (std::size_t index = 0; index < stream.size(); ++index) {
    ends_.write(stream.substr(index, 1));
    wait_until_readable(ends_.reader());
    if (index + 21 == stream.size()) {
      message = consumer.pop_raw(0s);
    } else if (index + 1 == stream.size()) {
      EXPECT_FALSE(consumer.pop_raw(0s));
    } else {
      const std::string text = error_of(ErrorCode::timeout, [&] { consumer.pop_raw(0s); });
      if (index == 9) expect_contains(text, "there are 10 of 20 bytes of frame 0");
    }
  }
  ASSERT_TRUE(message);
  EXPECT_EQ(text_of(message->payload()), "hello");
}

TEST_P(StdioWaiting, PushTimesOutWithoutATrace) {
  fill(ends_.writer());
  StdioProducer producer(ends_.writer());
  EXPECT_FALSE(producer.push(TextData("no room"), 0s));
  EXPECT_FALSE(producer.push(TextData("no room"), 20ms));
  EXPECT_EQ(producer.stream_bytes(), 0U);
  EXPECT_EQ(producer.messages(), 0U);
  producer.abandon();  // Closing would wait for a reader.
}

TEST_P(StdioWaiting, CloseWaitsForASlowReader) {
  fill(ends_.writer());
  StdioProducer producer(ends_.writer());
  std::thread closer([&] { producer.close(); });
  while (!producer.closed()) std::this_thread::yield();
  read_to_the_end();
  closer.join();
}

TEST_P(StdioWaiting, AFrameThatHasBegunIsFinished) {
  StdioProducer producer(ends_.writer());
  std::thread reader([&] {
    StdioConsumer consumer(ends_.reader());
    wait_until_readable(ends_.reader());
    EXPECT_TRUE(text_of(consumer.pop_raw()->payload()) == large());
    EXPECT_FALSE(consumer.pop_raw());
  });
  EXPECT_TRUE(producer.push_raw("", bytes_of(large()), 0s)) << "there was room for its beginning";
  producer.close();
  reader.join();
}

// ---- closing ------------------------------------------------------------------------------------

TEST_P(StdioWaiting, CloseEndsAPopOfAnotherThread) {
  StdioConsumer consumer(ends_.reader());
  std::thread reader([&] { error_of(ErrorCode::closed, [&] { consumer.pop(); }); });
  ends_.write(frame_of("", "x").substr(0, 5));
  while (consumer.stream_bytes() < 5) std::this_thread::yield();
  consumer.close();
  reader.join();
}

TEST_P(StdioWaiting, CloseEndsAPushOfAnotherThreadThatHasWrittenNothing) {
  fill(ends_.writer());
  StdioProducer producer(ends_.writer());
  std::atomic<bool> is_pushing{false};
  std::thread writer([&] {
    is_pushing = true;
    error_of(ErrorCode::closed, [&] { producer.push(TextData("no room")); });
  });
  while (!is_pushing) std::this_thread::yield();
  std::thread closer([&] { producer.close(); });
  writer.join();
  const std::string all = read_to_the_end();
  EXPECT_EQ(all.find('\x89'), all.size() - 20) << "the frame of the push has not begun";
  closer.join();
}

TEST_P(StdioWaiting, CloseInsideAFrameCutsTheStreamOff) {
  StdioProducer producer(ends_.take_writer(), Ownership::owned);
  std::thread writer(
      [&] { error_of(ErrorCode::closed, [&] { producer.push_raw("", bytes_of(large())); }); });
  while (producer.stream_bytes() == 0) std::this_thread::yield();
  producer.close();
  writer.join();
  StdioConsumer consumer(ends_.reader());
  expect_contains(error_of(ErrorCode::corrupt_payload, [&] { consumer.pop(); }), "cut off after");
}

TEST_P(StdioWaiting, ThreadsTakeTurns) {
  constexpr int kThreads = 3;
  constexpr int kEach = 50;
  StdioProducer producer(ends_.writer());
  StdioConsumer consumer(ends_.reader());
  std::atomic<int> popped{0};
  std::vector<std::thread> writers;
  std::vector<std::thread> readers;
  for (int thread = 0; thread < kThreads; ++thread) {
    writers.emplace_back([&, thread] {
      for (int count = 0; count < kEach; ++count) {
        const std::string text = pattern(static_cast<std::size_t>(count) * 1000, thread);
        const std::string metadata = R"({"type":")" + std::to_string(thread) + "\"}";
        EXPECT_TRUE(producer.push_raw(metadata, bytes_of(text), 60s));
      }
    });
    readers.emplace_back([&] {
      while (const auto message = consumer.pop_raw(60s)) {
        const std::size_t number_at = std::string_view(R"({"type":")").size();
        const int sender = std::stoi(std::string(message->metadata().substr(number_at)));
        EXPECT_TRUE(text_of(message->payload()) == pattern(message->payload().size(), sender));
        ++popped;
      }
    });
  }
  for (auto& thread : writers) thread.join();
  producer.close();
  for (auto& thread : readers) thread.join();
  EXPECT_EQ(popped, kThreads * kEach);
}

TEST_P(StdioWaiting, AThreadThatGetsNoTurnTimesOut) {
  StdioProducer producer(ends_.writer());
  std::thread writer(
      [&] { error_of(ErrorCode::closed, [&] { producer.push_raw("", bytes_of(large())); }); });
  while (producer.stream_bytes() == 0) std::this_thread::yield();
  EXPECT_FALSE(producer.push(TextData("not my turn"), 0s));
  EXPECT_FALSE(producer.push(TextData("not my turn"), 60ms));
  producer.close();
  writer.join();
}

// ---- signals ------------------------------------------------------------------------------------

std::atomic<bool> g_interrupt{false};
bool interrupt_once() { return g_interrupt.exchange(false); }

TEST_P(StdioWaiting, AnInterruptEndsAPopAndLosesNothing) {
  StdioConsumer consumer(ends_.reader(), Ownership::borrowed, {.interrupt_check = interrupt_once});
  const std::string frame = frame_of(kText, "hello");
  ends_.write(frame.substr(0, 30));
  g_interrupt = true;
  error_of(ErrorCode::interrupted, [&] { consumer.pop(); });
  ends_.write(frame.substr(30));
  EXPECT_EQ(consumer.pop()->as<TextData>().text(), "hello");
}

TEST_P(StdioWaiting, AnInterruptInsideAFrameCutsTheStreamOff) {
  StdioProducer producer(ends_.writer(), Ownership::borrowed, {.interrupt_check = interrupt_once});
  g_interrupt = true;
  error_of(ErrorCode::interrupted, [&] { producer.push_raw("", bytes_of(large())); });
  expect_contains(error_of(ErrorCode::corrupt_buffer, [&] { producer.push(TextData("more")); }),
                  "inside message 0");
  const std::uint64_t before = producer.stream_bytes();
  producer.close();
  EXPECT_EQ(producer.stream_bytes(), before) << "a closing frame would make it look whole";
}

/// Signals every 200 us, whose handler does nothing and restarts nothing.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action {};
    action.sa_handler = [](int) { ++count; };
    sigaction(SIGALRM, &action, &before_);
    const itimerval often{{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &often, nullptr);
  }
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;
  ~SignalStorm() {
    const itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }
  static inline std::atomic<int> count{0};

 private:
  struct sigaction before_ {};
};

TEST_P(StdioWaiting, SignalsDisturbNothing) {
  const SignalStorm storm;
  std::thread writer([&] {
    StdioProducer producer(ends_.writer());
    for (int count = 0; count < 5; ++count) producer.push_raw("", bytes_of(large()));
  });
  StdioConsumer consumer(ends_.reader());
  int messages = 0;
  while (const auto message = consumer.pop_raw()) {
    EXPECT_TRUE(text_of(message->payload()) == large());
    ++messages;
  }
  writer.join();
  EXPECT_EQ(messages, 5);
  EXPECT_GT(SignalStorm::count, 0);
}

INSTANTIATE_TEST_SUITE_P(Over, StdioWaiting, ::testing::ValuesIn(kEndsKinds),
                         ::testing::PrintToStringParamName());

TEST(StdioSignals, SigpipeStaysWhatItIs) {
  sigset_t sigpipe;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
  Ends ends = Ends::pipe();
  ends.close_reader();
  StdioProducer producer(ends.writer());
  sigset_t pending;

  error_of(ErrorCode::no_consumers, [&] { producer.push(TextData("x")); });
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0) << "the signal of our own write is taken away";

  raise(SIGPIPE);
  StdioProducer another(ends.writer());
  error_of(ErrorCode::no_consumers, [&] { another.push(TextData("x")); });
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 1) << "one that was pending before is the program's";
  int taken = 0;
  sigwait(&sigpipe, &taken);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  struct sigaction action {};
  sigaction(SIGPIPE, nullptr, &action);
  EXPECT_EQ(action.sa_handler, SIG_DFL);
}

}  // namespace
}  // namespace ipc0cp::testing
