// SPDX-License-Identifier: Apache-2.0
// The life of a name: creating, joining, leaving, removing, and meeting what is not ours.
#include "shm/opening.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "platform/liveness.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator begin("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::uint64_t ring_id(shm::Channel& channel) { return channel.ring().header().ring_id; }

// ---- creating and removing
// ------------------------------------------------------------------------

TEST(Life, LastConsumerRemovesTheRing) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi);
  EXPECT_TRUE(name.exists());
  {
    SharedRingBufferConsumer first(name.get(), kMebi);
    { SharedRingBufferConsumer second(name.get(), kMebi); }
    EXPECT_TRUE(name.exists());
  }
  EXPECT_FALSE(name.exists());
}

TEST(Life, WithoutAutoUnlinkTheRingStays) {
  const RingName name;
  ConsumerOptions options;
  options.auto_unlink = false;
  { SharedRingBufferConsumer consumer(name.get(), kMebi, options); }
  EXPECT_TRUE(name.exists());
}

TEST(Life, ProducersNeverRemoveTheRing) {
  const RingName name;
  { SharedRingBufferProducer producer(name.get(), kMebi); }
  EXPECT_TRUE(name.exists());
}

TEST(Life, RaceToCreateEndsInOneRing) {
  for (int round = 0; round < 20; ++round) {
    const RingName name;
    std::vector<std::uint64_t> ids(8);
    std::atomic<int> attached{0};
    std::vector<std::thread> threads;
    for (std::size_t each = 0; each < ids.size(); ++each) {
      threads.emplace_back([&, each] {
        const auto wait_for_all = [&] {
          ++attached;
          while (attached < static_cast<int>(ids.size())) std::this_thread::yield();
        };
        if (each % 2 == 0) {
          SharedRingBufferProducer producer(name.get(), kMebi);
          ids[each] = ring_id(producer.channel());
          wait_for_all();
        } else {
          SharedRingBufferConsumer consumer(name.get(), kMebi);
          ids[each] = ring_id(consumer.channel());
          wait_for_all();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::uint64_t id : ids) EXPECT_EQ(id, ids[0]);
    EXPECT_FALSE(name.exists());
  }
}

TEST(Life, NewcomerThatGivesUpRemovesWhatAConsumerLeftToIt) {
  const RingName name;
  static SharedRingBufferConsumer* last = nullptr;
  SharedRingBufferConsumer consumer(name.get(), kMebi);
  last = &consumer;
  // The newcomer waits for the lock and has life read-locked, so that a consumer that closes now
  // cannot remove the name.
  ASSERT_EQ(consumer.channel().ring().try_lock(), ErrorCode::ok);
  ConsumerOptions options;
  options.interrupt_check = [] {
    AttachedRing& ring = last->channel().ring();
    ring.unlock();
    last->close();
    return true;
  };
  expect_code(ErrorCode::interrupted,
              [&] { SharedRingBufferConsumer newcomer(name.get(), kMebi, options); });
  EXPECT_FALSE(name.exists());
}

TEST(Life, ComingAndGoingInParallelLeavesNothingBehind) {
  const RingName name;
  std::vector<std::thread> threads;
  for (int each = 0; each < 4; ++each) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        SharedRingBufferConsumer consumer(name.get(), 64 * kKibi);
        EXPECT_EQ(consumer.stats().active_producers, 0U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(name.exists());
}

TEST(Life, ConsumerWithoutASizeWaitsForACreator) {
  const RingName name;
  std::optional<SharedRingBufferProducer> producer;
  std::thread creator([&] { producer.emplace(name.get(), 2 * kMebi); });
  SharedRingBufferConsumer consumer(name.get(), 0);
  creator.join();
  EXPECT_EQ(consumer.stats().total_data_bytes, 2 * kMebi);
}

TEST(Life, AttachGivesUpInTime) {
  const RingName name;
  ConsumerOptions options;
  options.auto_attach = false;
  SharedRingBufferConsumer consumer(name.get(), 0, options);
  expect_code(ErrorCode::closed, [&] { consumer.pop_raw(1ms); });
  expect_code(ErrorCode::timeout, [&] { consumer.attach(5ms); });
  EXPECT_FALSE(name.exists());
}

std::string text_of_a_time_out(const RingName& name) {
  ConsumerOptions options;
  options.open_timeout = 100ms;
  return expect_code(ErrorCode::timeout, [&] { SharedRingBufferConsumer(name.get(), 0, options); });
}

TEST(Life, ALockThatIsNotToBeHadIsExplained) {
  Pair pair;
  while (pair.ring().try_lock() != ErrorCode::ok) {
  }
  EXPECT_NE(text_of_a_time_out(pair.name).find("kept busy by others, with 2 handles"),
            std::string::npos);
  EXPECT_EQ(pair.ring().unlock(), ErrorCode::ok);
}

TEST(Life, AStoppedHolderOfTheLockIsNamed) {
  Pair pair;
  const pid_t child = fork();
  if (child == 0) {
    auto consumer = pair.another_consumer();
    while (consumer.channel().ring().try_lock() != ErrorCode::ok) {
    }
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  const std::string text = text_of_a_time_out(pair.name);
  EXPECT_NE(text.find("locked by process " + std::to_string(child) + ", which is stopped"),
            std::string::npos)
      << text;
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, &status, 0), child);
}

TEST(Life, ModeIsWhatWasAskedFor) {
  const RingName name;
  ProducerOptions options;
  options.mode = 0666;
  const mode_t before = umask(0077);
  SharedRingBufferProducer producer(name.get(), kMebi, options);
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat(name.path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0666U);
}

TEST(Life, FailedOpeningsLeaveNeitherFilesNorDescriptors) {
  Pair pair;
  const RingName other;
  const std::size_t before = open_descriptors();
  expect_code(ErrorCode::size_mismatch,
              [&] { SharedRingBufferProducer producer(pair.name.get(), 2 * kMebi); });
  expect_code(ErrorCode::invalid_argument,
              [&] { SharedRingBufferProducer producer(other.get(), kMinTotalDataBytes - 1); });
  expect_code(ErrorCode::invalid_argument,
              [&] { SharedRingBufferProducer producer(other.get(), kMaxTotalDataBytes + 1); });
  if (platform::free_shared_memory() < kMaxTotalDataBytes) {
    const std::string text = expect_code(ErrorCode::no_space, [&] {
      SharedRingBufferProducer producer(other.get(), kMaxTotalDataBytes);
    });
    EXPECT_NE(text.find("--shm-size"), std::string::npos) << text;
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_FALSE(other.exists());
}

TEST(Life, HandlesGiveTheirDescriptorsBack) {
  const std::size_t before = open_descriptors();
  for (int round = 0; round < 5; ++round) Pair pair;
  EXPECT_EQ(open_descriptors(), before);
}

// ---- what does not fit
// ----------------------------------------------------------------------------

TEST(Life, MismatchesNameBothValues) {
  ProducerOptions options;
  options.max_messages = 100;
  Pair pair(kMebi, options);
  const std::string size = expect_code(ErrorCode::size_mismatch, [&] {
    SharedRingBufferConsumer consumer(pair.name.get(), 2 * kMebi);
  });
  EXPECT_NE(size.find("1048576"), std::string::npos) << size;
  EXPECT_NE(size.find("2097152"), std::string::npos) << size;
  options.max_messages = 200;
  const std::string count =
      expect_code(ErrorCode::option_mismatch, [&] { pair.another_producer(options); });
  EXPECT_NE(count.find("100"), std::string::npos) << count;
  EXPECT_NE(count.find("200"), std::string::npos) << count;
  ProducerOptions redelivering;
  redelivering.redeliver = true;
  expect_code(ErrorCode::option_mismatch, [&] { pair.another_producer(redelivering); });
  EXPECT_EQ(pair.consumer.stats().active_producers, 1U);
}

class OtherLayoutVersion : public ::testing::TestWithParam<std::uint32_t> {};

/// An older program's ring as well as a newer one's.
TEST_P(OtherLayoutVersion, IsToldAndLeftAlone) {
  const RingName name;
  { SharedRingBufferProducer producer(name.get(), 64 * kKibi); }
  {
    std::fstream file(name.path(), std::ios::in | std::ios::out | std::ios::binary);
    const std::uint32_t version = GetParam();
    file.seekp(offsetof(shm::Header, layout_version));
    file.write(reinterpret_cast<const char*>(&version), sizeof version);
  }
  const std::string before = contents(name.path());
  const std::string by_consumer = expect_code(ErrorCode::version_mismatch, [&] {
    SharedRingBufferConsumer consumer(name.get(), 64 * kKibi);
  });
  const std::string by_producer = expect_code(ErrorCode::version_mismatch, [&] {
    SharedRingBufferProducer producer(name.get(), 64 * kKibi);
  });
  EXPECT_EQ(by_consumer, by_producer);
  for (const std::string& part : {name.path(), "version is " + std::to_string(GetParam()),
                                  std::string("knows version 2"), std::string("remove the file")}) {
    EXPECT_NE(by_consumer.find(part), std::string::npos) << by_consumer;
  }
  EXPECT_TRUE(contents(name.path()) == before) << "a store into a foreign file";
}
INSTANTIATE_TEST_SUITE_P(Life, OtherLayoutVersion,
                         ::testing::Values(0, 1, shm::kLayoutVersion + 1, 0xFFFF'FFFF));

class NotARing : public ::testing::TestWithParam<void (*)(const std::string& path)> {};

TEST_P(NotARing, IsRefusedAndLeftAlone) {
  const RingName name;
  GetParam()(name.path());
  const bool regular =
      std::filesystem::is_regular_file(std::filesystem::symlink_status(name.path()));
  const std::string before = regular ? contents(name.path()) : std::string();
  expect_code(ErrorCode::not_a_ring,
              [&] { SharedRingBufferConsumer consumer(name.get(), 64 * kKibi); });
  expect_code(ErrorCode::not_a_ring,
              [&] { SharedRingBufferProducer producer(name.get(), 64 * kKibi); });
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::symlink_status(name.path())));
  EXPECT_TRUE(!regular || contents(name.path()) == before);
  std::filesystem::remove(name.path());
}

void plant_ring(const std::string& path) {
  const std::string name = path.substr(path.find("ipc0cp.") + 7);
  SharedRingBufferProducer producer(name, 64 * kKibi);
}
void write_word(const std::string& path, std::size_t offset, std::uint64_t word) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(reinterpret_cast<const char*>(&word), sizeof word);
}

INSTANTIATE_TEST_SUITE_P(
    Life, NotARing,
    ::testing::Values(
        [](const std::string& path) { std::ofstream(path) << ""; },
        [](const std::string& path) { std::ofstream(path) << "something else"; },
        [](const std::string& path) { std::ofstream(path) << std::string(100000, 'x'); },
        [](const std::string& path) { std::filesystem::create_symlink("/etc/hostname", path); },
        [](const std::string& path) { std::filesystem::create_symlink("nowhere", path); },
        [](const std::string& path) { ASSERT_EQ(mkfifo(path.c_str(), 0600), 0); },
        [](const std::string& path) { std::filesystem::create_directory(path); },
        [](const std::string& path) {
          plant_ring(path);
          std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4096);
        },
        [](const std::string& path) {
          plant_ring(path);
          write_word(path, offsetof(shm::Header, total_data_bytes), 1);
        },
        [](const std::string& path) {
          plant_ring(path);
          write_word(path, offsetof(shm::Header, total_data_bytes), ~std::uint64_t{0});
        },
        [](const std::string& path) {
          plant_ring(path);
          write_word(path, offsetof(shm::Header, main_bytes), 1 << 30);
        },
        [](const std::string& path) {
          plant_ring(path);
          write_word(path, offsetof(shm::Header, max_messages), ~std::uint64_t{0});
        }));

TEST(Life, AnotherUsersRingNeedsTrust) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const RingName name;
  { SharedRingBufferProducer producer(name.get(), 64 * kKibi); }
  constexpr uid_t kSomebody = 4242;
  ASSERT_EQ(chown(name.path().c_str(), kSomebody, static_cast<gid_t>(-1)), 0);
  const std::string before = contents(name.path());
  const std::string text = expect_code(ErrorCode::permission_denied, [&] {
    SharedRingBufferConsumer consumer(name.get(), 64 * kKibi);
  });
  EXPECT_NE(text.find("4242"), std::string::npos) << text;
  EXPECT_TRUE(contents(name.path()) == before) << "a store into a foreign file";
  ConsumerOptions options;
  options.trusted_owners = {kSomebody};
  SharedRingBufferConsumer consumer(name.get(), 64 * kKibi, options);
}

TEST(Life, TooManyHandles) {
  Pair pair(64 * kKibi);
  platform::File stranger;
  ASSERT_EQ(platform::open_existing(pair.name.path(), stranger), 0);
  for (std::uint32_t slot = 1; slot < shm::kSlotCount; ++slot) {
    platform::lock_byte(stranger.get(), shm::kClaimByte + slot, platform::LockKind::write);
  }
  const std::string text =
      expect_code(ErrorCode::too_many_participants, [&] { pair.another_producer(); });
  EXPECT_NE(text.find("1023"), std::string::npos) << text;
}

}  // namespace
}  // namespace ipc0cp::testing
