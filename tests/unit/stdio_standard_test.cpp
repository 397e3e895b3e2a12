// SPDX-License-Identifier: Apache-2.0
// Taking standard output and input, and descriptors that cannot be opened once more.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstring>
#include <iostream>
#include <thread>

#include "stdio_frames.hpp"

namespace ipc0cp::testing {
namespace {

constexpr const char* kText = R"({"type":"text","version":"1.0"})";

/// What a process wrote, and how it ended.
struct Outcome {
  std::string output;
  std::string errors;
  int status = -1;
};

/// Runs `body` in a child whose standard streams are pipes; `input` is all there is to read.
template <class Body>
Outcome run_with_pipes(const std::string& input, Body body) {
  Ends in = Ends::pipe();
  Ends out = Ends::pipe();
  Ends err = Ends::pipe();
  in.write(input);
  in.close_writer();
  std::cout.flush();
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    dup2(in.reader(), 0);
    dup2(out.writer(), 1);
    dup2(err.writer(), 2);
    for (Ends* ends : {&in, &out, &err}) {
      ends->close_reader();
      ends->close_writer();
    }
    bool has_thrown = false;
    try {
      body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      has_thrown = true;
    }
    std::cout.flush();
    std::fflush(stdout);
    _exit(::testing::Test::HasFailure() || has_thrown ? 1 : 0);
  }
  out.close_writer();
  err.close_writer();
  Outcome outcome;
  outcome.output = out.read_all();
  outcome.errors = err.read_all();
  waitpid(child, &outcome.status, 0);
  return outcome;
}

TEST(StdioStandardOutput, BelongsToTheStreamUntilItIsClosed) {
  const Outcome outcome = run_with_pipes("", [] {
    std::printf("printed before; ");
    StdioProducer producer;
    std::printf("printed meanwhile; ");
    std::cout << "by C++ too; " << std::flush;
    producer.push(TextData("hello"));
    std::fflush(stdout);
    std::printf("still in a buffer; ");
    producer.close();
    std::printf("printed after");
  });
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, frame_of(kText, "hello") + closing_frame() + "printed after");
  EXPECT_EQ(outcome.errors, "printed before; printed meanwhile; by C++ too; still in a buffer; ");
}

TEST(StdioStandardOutput, GoesNowhereIfThereIsNoStandardError) {
  const Outcome outcome = run_with_pipes("", [] {
    ::close(2);
    StdioProducer producer;
    std::printf("to nobody");
    producer.push(TextData("hello"));
  });
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.output, frame_of(kText, "hello") + closing_frame());
}

TEST(StdioStandardOutput, IsHeldByOneProducer) {
  const Outcome outcome = run_with_pipes("", [] {
    {
      StdioProducer producer;
      const std::string text = error_of(ErrorCode::invalid_argument, [] { StdioProducer another; });
      expect_contains(text, "standard output is taken by another stream");
      producer.push(TextData("hello"));
    }
    const StdioProducer another;
  });
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, frame_of(kText, "hello") + closing_frame() + closing_frame());
}

TEST(StdioStandardOutput, MustNotBeStandardErrorToo) {
  const Outcome outcome = run_with_pipes("", [] {
    dup2(1, 2);
    const std::string text = error_of(ErrorCode::invalid_argument, [] { StdioProducer producer; });
    expect_contains(text, "2>&1");
    const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nothing, 1);
    dup2(nothing, 2);
    EXPECT_NO_THROW(StdioProducer producer);
  });
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.output, "");
}

TEST(StdioStandardOutput, IsRefusedIfItIsATerminalOrClosed) {
  const Outcome outcome = run_with_pipes("", [] {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    for (const int number : {0, 1}) dup2(terminal, number);
    const auto refusal = [](auto open) { return error_of(ErrorCode::invalid_argument, open); };
    expect_contains(refusal([] { StdioProducer producer; }), "standard output is a terminal");
    expect_contains(refusal([] { StdioConsumer consumer; }), "standard input is a terminal");
    for (const int number : {0, 1}) ::close(number);
    expect_contains(refusal([] { StdioProducer producer; }), "standard output is not open");
    expect_contains(refusal([] { StdioConsumer consumer; }), "standard input is not open");
  });
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

/// What a program that is started now has open, apart from the pipe it answers through.
std::string descriptors_of_a_program() {
  FILE* listing = popen("ls /proc/self/fd", "r");
  std::string text(1000, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), listing));
  pclose(listing);
  return text;
}

TEST(StdioStandardOutput, IsNotKeptByProgramsThatAreStarted) {
  const Outcome outcome = run_with_pipes("", [] {
    const std::string before = descriptors_of_a_program();
    StdioProducer producer;
    EXPECT_EQ(descriptors_of_a_program(), before);
    EXPECT_EQ(std::system("echo from a program"), 0);
    producer.push(TextData("hello"));
  });
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, frame_of(kText, "hello") + closing_frame());
  EXPECT_EQ(outcome.errors, "from a program\n");
}

TEST(StdioStandardOutput, AForkedChildHasNoPartInIt) {
  const Outcome outcome = run_with_pipes("", [] {
    StdioProducer producer;
    const pid_t child = fork();
    if (child == 0) {
      const std::string text = error_of(ErrorCode::invalid_argument, [] { StdioProducer another; });
      std::printf("printed by the child");
      std::fflush(stdout);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
    producer.push(TextData("hello"));
  });
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
  EXPECT_EQ(outcome.output, frame_of(kText, "hello") + closing_frame());
  EXPECT_EQ(outcome.errors, "printed by the child");
}

TEST(StdioStandardInput, BelongsToTheStreamUntilItIsClosed) {
  const std::string stream = frame_of(kText, "hello") + closing_frame() + "behind it";
  const Outcome outcome = run_with_pipes(stream, [] {
    StdioConsumer consumer;
    EXPECT_EQ(std::getchar(), EOF) << "nobody else reads there meanwhile";
    std::clearerr(stdin);
    error_of(ErrorCode::invalid_argument, [] { StdioConsumer another; });
    EXPECT_EQ(consumer.pop()->as<TextData>().text(), "hello");
    EXPECT_FALSE(consumer.pop());
    consumer.close();
    char rest[64] = {};
    EXPECT_NE(std::fgets(rest, sizeof rest, stdin), nullptr);
    EXPECT_STREQ(rest, "behind it");
  });
  EXPECT_EQ(outcome.status, 0) << outcome.errors;
}

// ---- a pipe of somebody else's ------------------------------------------------------------------

/// Runs `body` as a user who may use the pipe but not open it once more.
template <class Body>
void run_as_nobody(Body body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);
    constexpr uid_t kNobody = 65534;
    if (setuid(kNobody) != 0) _exit(77);
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "needs root";
  EXPECT_EQ(status, 0);
}

TEST(StdioForeignPipe, NeverSleepsInATransfer) {
  Ends ends = Ends::pipe();
  run_as_nobody([&] {
    const std::string path = "/proc/self/fd/" + std::to_string(ends.writer());
    EXPECT_EQ(open(path.c_str(), O_WRONLY | O_CLOEXEC), -1) << "the test is about refusal";
    StdioConsumer consumer(ends.reader());
    error_of(ErrorCode::timeout, [&] { consumer.pop(0s); });
    error_of(ErrorCode::timeout, [&] { consumer.pop(20ms); });
    const std::string large = pattern(3 << 20);
    StdioProducer producer(ends.writer());
    std::thread writer([&] { EXPECT_TRUE(producer.push_raw("", bytes_of(large))); });
    EXPECT_TRUE(text_of(consumer.pop_raw()->payload()) == large);
    writer.join();
    // A push that is stuck in the middle can still be ended.
    const std::uint64_t before = producer.stream_bytes();
    std::thread stuck(
        [&] { error_of(ErrorCode::closed, [&] { producer.push_raw("", bytes_of(large)); }); });
    while (producer.stream_bytes() == before) std::this_thread::yield();
    producer.close();
    stuck.join();
  });
}

}  // namespace
}  // namespace ipc0cp::testing
