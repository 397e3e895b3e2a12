// SPDX-License-Identifier: Apache-2.0
// StdioProducer and StdioConsumer over pipes, sockets, files and streams of the user's.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "stdio_frames.hpp"

namespace ipc0cp::testing {
namespace {

constexpr const char* kText = R"({"type":"text","version":"1.0"})";

// ---- what goes over the wire --------------------------------------------------------------------

TEST(StdioProducer, WritesFramesAsTheFormatSays) {
  Ends ends = Ends::pipe();
  StdioProducer producer(ends.writer());
  EXPECT_TRUE(producer.push(TextData("hello")));
  EXPECT_TRUE(producer.push_raw("", bytes_of("raw")));
  ListData list;
  list.add(BytesData("abc"));
  EXPECT_TRUE(producer.push(list));
  EXPECT_EQ(producer.messages(), 3U);
  producer.close();
  ends.close_writer();
  const std::string expected = frame_of(kText, "hello") + frame_of("", "raw") +
                               frame_of(list.metadata_json(), "abc") + closing_frame();
  EXPECT_EQ(ends.read_all(), expected);
  EXPECT_EQ(producer.stream_bytes(), expected.size());
}

TEST(StdioProducer, WritesTheWorkedExampleOfTheDocument) {
  std::ifstream document(IPC0CP_TESTS_DIR "/../docs/stdio_format.md");
  std::string expected;
  std::string line;
  while (std::getline(document, line) && line != "```hex") {
  }
  while (std::getline(document, line) && line != "```") {
    std::istringstream numbers(line.substr(0, line.find("  ")));
    for (unsigned number = 0; numbers >> std::hex >> number;) expected += static_cast<char>(number);
  }
  Ends ends = Ends::pipe();
  StdioProducer producer(ends.take_writer(), Ownership::owned);
  producer.push(TextData("hi"));
  producer.push_raw("", bytes_of(std::string_view("\x00\x01\x02", 3)));
  producer.close();
  EXPECT_EQ(ends.read_all(), expected);
  EXPECT_EQ(expected.size(), 53U + 23U + 20U);
}

TEST(StdioConsumer, ReadsFramesUpToTheEndAndNoFurther) {
  Ends ends = Ends::pipe();
  ends.write(frame_of(kText, "hello") + frame_of("", "raw") + closing_frame() + "something else");
  StdioConsumer consumer(ends.reader());
  const auto text = consumer.pop();
  ASSERT_TRUE(text);
  EXPECT_EQ(text->as<TextData>().text(), "hello");
  EXPECT_EQ(text->metadata(), kText);
  EXPECT_EQ(text->id, 0U);
  const auto raw = consumer.pop_raw();
  ASSERT_TRUE(raw);
  EXPECT_EQ(raw->id(), 1U);
  EXPECT_EQ(text_of(raw->payload()), "raw");
  EXPECT_FALSE(consumer.pop());
  EXPECT_FALSE(consumer.pop_raw(0s)) << "the end is asked for again";
  consumer.close();
  EXPECT_EQ(ends.read_some(100), "something else");
}

TEST(StdioConsumer, BeginsWithWhatHasBeenReadBefore) {
  const std::string stream = frame_of(kText, "hello") + frame_of("", "raw") + closing_frame();
  for (const std::size_t before : {std::size_t{1}, std::size_t{30}, stream.size()}) {
    SCOPED_TRACE(before);
    Ends ends = Ends::pipe();
    ends.write(stream.substr(before));
    StdioConsumer consumer(ends.reader(), Ownership::borrowed,
                           {.already_read = stream.substr(0, before)});
    EXPECT_EQ(consumer.pop(1s)->as<TextData>().text(), "hello");
    EXPECT_EQ(text_of(consumer.pop_raw(1s)->payload()), "raw");
    EXPECT_FALSE(consumer.pop(1s));
    EXPECT_EQ(consumer.stream_bytes(), stream.size());
  }
}

// ---- whole streams ------------------------------------------------------------------------------

class StdioStream : public ::testing::TestWithParam<EndsKind> {};

TEST_P(StdioStream, CarriesMessagesOfAllSizes) {
  Ends ends = GetParam().open();
  const std::vector<std::size_t> sizes = {0,     1,     43,      44,      4096,          65535,
                                          65536, 65537, 1 << 20, 3000001, (17 << 20) + 1};
  std::thread writer([&] {
    StdioProducer producer(ends.take_writer(), Ownership::owned);
    for (const std::size_t bytes : sizes) {
      EXPECT_TRUE(producer.push(BytesData(pattern(bytes, bytes)), 60s));
    }
  });
  StdioConsumer consumer(ends.take_reader(), Ownership::owned);
  for (const std::size_t bytes : sizes) {
    SCOPED_TRACE(bytes);
    const auto object = consumer.pop(60s);
    ASSERT_TRUE(object);
    EXPECT_TRUE(text_of(object->as<BytesData>().bytes()) == pattern(bytes, bytes));
  }
  EXPECT_FALSE(consumer.pop(60s)) << "the destructor of the producer ends the stream";
  writer.join();
}

TEST_P(StdioStream, AReaderThatLeavesIsNoConsumer) {
  Ends ends = GetParam().open();
  StdioProducer producer(ends.writer());
  producer.push_raw("", bytes_of("unread"));
  ends.close_reader();
  // SIGPIPE would end this process by its default.
  const std::string text =
      error_of(ErrorCode::no_consumers, [&] { producer.push_raw("", bytes_of("more")); });
  expect_contains(text, "the stream to descriptor " + std::to_string(ends.writer()));
  error_of(ErrorCode::no_consumers, [&] { producer.push_raw("", bytes_of("more")); });
  EXPECT_NO_THROW(producer.close());
}

TEST_P(StdioStream, ANonBlockingDescriptorWorksTheSame) {
  Ends ends = GetParam().open();
  fcntl(ends.reader(), F_SETFL, O_NONBLOCK);
  fcntl(ends.writer(), F_SETFL, O_NONBLOCK);
  const std::string large = pattern(5 << 20);
  std::thread writer([&] {
    StdioProducer producer(ends.take_writer(), Ownership::owned);
    producer.push_raw("", bytes_of(large));
  });
  StdioConsumer consumer(ends.reader());
  EXPECT_TRUE(text_of(consumer.pop_raw(60s)->payload()) == large);
  EXPECT_FALSE(consumer.pop_raw(60s));
  writer.join();
}

TEST_P(StdioStream, LeavesTheFlagsOfTheDescriptorAlone) {
  Ends ends = GetParam().open();
  const StdioProducer producer(ends.writer());
  const StdioConsumer consumer(ends.reader());
  EXPECT_EQ(fcntl(ends.writer(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(fcntl(ends.reader(), F_GETFL) & O_NONBLOCK, 0);
}

INSTANTIATE_TEST_SUITE_P(Over, StdioStream, ::testing::ValuesIn(kEndsKinds),
                         ::testing::PrintToStringParamName());

TEST(StdioStreams, AFileKeepsAStream) {
  const auto path =
      std::filesystem::temp_directory_path() / ("ipc0cp-stdio-test-" + std::to_string(getpid()));
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  std::filesystem::remove(path);
  StdioProducer(file).push(TextData("kept"));
  ASSERT_EQ(lseek(file, 0, SEEK_SET), 0);
  StdioConsumer consumer(file, Ownership::owned);
  EXPECT_EQ(consumer.pop()->as<TextData>().text(), "kept");
  EXPECT_FALSE(consumer.pop());
}

TEST(StdioStreams, AFullFileSystemIsNoSpace) {
  const int file = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  StdioProducer producer(file, Ownership::owned);
  error_of(ErrorCode::no_space, [&] { producer.push(TextData("lost")); });
  error_of(ErrorCode::no_space, [&] { producer.push(TextData("another try")); });
  error_of(ErrorCode::no_space, [&] { producer.close(); });
  EXPECT_TRUE(producer.closed());
}

// ---- opening and closing ------------------------------------------------------------------------

TEST(StdioStreams, RefuseDescriptorsThatCannotDo) {
  Ends ends = Ends::pipe();
  const auto refusal = [](auto open) { return error_of(ErrorCode::invalid_argument, open); };
  expect_contains(refusal([&] { StdioProducer producer(ends.reader()); }), "not open for writing");
  expect_contains(refusal([&] { StdioConsumer consumer(ends.writer()); }), "not open for reading");
  const int closed = ends.reader();
  ends.close_reader();
  expect_contains(refusal([&] { StdioConsumer consumer(closed); }), "is not open");
  expect_contains(refusal([] { StdioConsumer consumer(-1); }), "descriptor -1 is not open");
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  expect_contains(refusal([&] { StdioProducer producer(terminal); }), "producer | consumer");
  expect_contains(refusal([&] { StdioConsumer consumer(terminal); }), "is a terminal");
  ::close(terminal);
  const int datagrams = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  expect_contains(refusal([&] { StdioProducer producer(datagrams, Ownership::owned); }), "records");
  EXPECT_EQ(fcntl(datagrams, F_GETFD), -1) << "owned, so closed also when it is refused";
}

TEST(StdioStreams, CloseOnlyWhatTheyOwn) {
  Ends borrowed = Ends::pipe();
  Ends owned = Ends::pipe();
  const int number = owned.take_writer();
  {
    StdioProducer first(borrowed.writer());
    StdioProducer second(number, Ownership::owned);
    StdioProducer moved(std::move(second));
    first = std::move(moved);
    EXPECT_EQ(borrowed.read_some(100), closing_frame()) << "assigning ends the former stream";
    first.close();
    EXPECT_TRUE(first.closed());
    EXPECT_EQ(fcntl(number, F_GETFD), -1);
  }
  EXPECT_GE(fcntl(borrowed.writer(), F_GETFD), 0);
  EXPECT_EQ(owned.read_all(), closing_frame()) << "all copies of the descriptor are closed";
}

TEST(StdioStreams, AreClosedForGood) {
  Ends ends = Ends::pipe();
  StdioProducer producer(ends.writer());
  producer.close();
  producer.close();
  error_of(ErrorCode::closed, [&] { producer.push(TextData("late")); });
  StdioConsumer consumer(ends.reader());
  consumer.close();
  consumer.close();
  error_of(ErrorCode::closed, [&] { consumer.pop(0s); });
  const StdioConsumer moved(std::move(consumer));
  error_of(ErrorCode::closed, [&] { consumer.pop(0s); });  // NOLINT(bugprone-use-after-move)
}

TEST(StdioProducer, AbandonedOrUnwoundLeavesAStreamThatWasCutOff) {
  Ends ends = Ends::pipe();
  StdioProducer(ends.writer()).abandon();
  try {
    const StdioProducer producer(ends.writer());
    throw std::runtime_error("of the program");
  } catch (const std::runtime_error&) {
    StdioProducer(ends.writer()).push_raw("", bytes_of("in a handler"));
  }
  ends.close_writer();
  EXPECT_EQ(ends.read_all(), frame_of("", "in a handler") + closing_frame());
}

TEST(StdioStreams, CloseAllEndsEveryStream) {
  Ends ends = Ends::pipe();
  StdioProducer producer(ends.writer());
  StdioConsumer consumer(ends.reader());
  close_all_streams(false);
  EXPECT_TRUE(producer.closed());
  EXPECT_TRUE(consumer.closed());
  EXPECT_EQ(ends.read_some(100), closing_frame());
  StdioProducer another(ends.writer());
  close_all_streams(true);
  EXPECT_TRUE(another.closed());
  ends.close_writer();
  EXPECT_EQ(ends.read_all(), "");
}

// ---- damage -------------------------------------------------------------------------------------

TEST(StdioConsumer, AMessageThatCannotBeDecodedHarmsNoOther) {
  Ends ends = Ends::pipe();
  ends.write(frame_of("not JSON", "x") + frame_of(kText, "\xFF") + frame_of(kText, "fine") +
             closing_frame());
  StdioConsumer consumer(ends.reader());
  error_of(ErrorCode::corrupt_payload, [&] { consumer.pop(); });
  error_of(ErrorCode::corrupt_payload, [&] { consumer.pop(); });
  EXPECT_EQ(consumer.pop()->as<TextData>().text(), "fine");
  EXPECT_FALSE(consumer.pop());
}

TEST(StdioConsumer, GarbageBreaksTheStreamForGood) {
  Ends ends = Ends::pipe();
  ends.write(frame_of(kText, "fine") + "Traceback" + frame_of(kText, "never seen"));
  StdioConsumer consumer(ends.reader());
  EXPECT_TRUE(consumer.pop());
  expect_contains(error_of(ErrorCode::corrupt_payload, [&] { consumer.pop(); }), "Traceback");
  expect_contains(error_of(ErrorCode::corrupt_payload, [&] { consumer.pop(); }), "for good");
}

TEST(StdioConsumer, AStreamWithoutItsEndWasCutOff) {
  Ends ends = Ends::pipe();
  ends.write(frame_of(kText, "fine"));
  ends.close_writer();
  StdioConsumer consumer(ends.reader());
  EXPECT_TRUE(consumer.pop());
  const std::string text = error_of(ErrorCode::corrupt_payload, [&] { consumer.pop(); });
  expect_contains(text, "cut off after 0 of 20 bytes of frame 1, at offset 55 of the stream");
  expect_contains(error_of(ErrorCode::corrupt_payload, [&] { consumer.pop_raw(0s); }), "cut off");
}

// ---- streams of the user's ----------------------------------------------------------------------

/// A queue of bytes that takes and gives them in odd pieces, and is not always ready.
class Pieces final : public ByteStream {
 public:
  explicit Pieces(std::shared_ptr<std::deque<char>> bytes) : bytes_(std::move(bytes)) {}

  std::optional<std::size_t> read_some(std::span<std::byte> target) override {
    if (++calls_ % 3 == 0) return std::nullopt;
    std::size_t count = 0;
    while (count < std::min<std::size_t>(target.size(), 7) && !bytes_->empty()) {
      target[count++] = static_cast<std::byte>(bytes_->front());
      bytes_->pop_front();
    }
    return count;
  }
  std::optional<std::size_t> write_some(std::span<const std::byte> source) override {
    if (++calls_ % 3 == 0) return std::nullopt;
    if (bytes_->size() > 400) throw std::runtime_error("of the byte stream");
    const std::string_view some = text_of(source).substr(0, 11);
    bytes_->insert(bytes_->end(), some.begin(), some.end());
    return some.size();
  }
  [[nodiscard]] std::string name() const override { return "a deque"; }

 private:
  std::shared_ptr<std::deque<char>> bytes_;
  int calls_ = 0;
};

TEST(StdioStreams, GoThroughStreamsOfTheUser) {
  auto bytes = std::make_shared<std::deque<char>>();
  StdioProducer producer(std::make_unique<Pieces>(bytes));
  EXPECT_EQ(producer.name(), "the stream to a deque");
  EXPECT_TRUE(producer.push(TextData("hello")));
  EXPECT_TRUE(producer.push(BytesData(pattern(100))));
  producer.close();
  StdioConsumer consumer(std::make_unique<Pieces>(bytes));
  EXPECT_EQ(consumer.pop()->as<TextData>().text(), "hello");
  EXPECT_EQ(text_of(consumer.pop()->as<BytesData>().bytes()), pattern(100));
  EXPECT_FALSE(consumer.pop());
  error_of(ErrorCode::invalid_argument, [] { StdioProducer(std::unique_ptr<ByteStream>()); });
}

TEST(StdioStreams, PassOnWhatAStreamOfTheUserThrows) {
  auto bytes = std::make_shared<std::deque<char>>();
  StdioProducer producer(std::make_unique<Pieces>(bytes));
  EXPECT_THROW(producer.push(BytesData(pattern(1000))), std::runtime_error);
  error_of(ErrorCode::corrupt_buffer, [&] { producer.push(TextData("more")); });
}

// ---- forks --------------------------------------------------------------------------------------

TEST(StdioStreams, BelongToTheProcessThatOpenedThem) {
  Ends ends = Ends::pipe();
  auto producer = std::make_unique<StdioProducer>(ends.take_writer(), Ownership::owned);
  StdioConsumer consumer(ends.reader());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    error_of(ErrorCode::forked_handle, [&] { producer->push(TextData("of the child")); });
    error_of(ErrorCode::forked_handle, [&] { consumer.pop(0s); });
    producer->close();
    producer.reset();
    _exit(HasFailure() ? 1 : 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  producer->push(TextData("of the parent"));
  EXPECT_EQ(consumer.pop(1s)->as<TextData>().text(), "of the parent");
  producer->close();
  EXPECT_FALSE(consumer.pop(1s));
}

TEST(StdioStreams, AreNotKeptOpenByAChildThatLivesOn) {
  Ends ends = Ends::pipe();
  Ends life = Ends::pipe();
  StdioProducer producer(ends.take_writer(), Ownership::owned);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    life.close_writer();
    static_cast<void>(life.read_some(1));  // Until the parent has looked.
    _exit(0);
  }
  producer.close();
  EXPECT_EQ(ends.read_all(), closing_frame());
  life.close_writer();
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace ipc0cp::testing
