// SPDX-License-Identifier: Apache-2.0
// A ring in an unnamed file, for tests that write states straight into its memory.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "platform/ring_directory.hpp"
#include "platform/shared_memory.hpp"
#include "shm/attached_ring.hpp"
#include "shm/red_zone.hpp"

namespace ipc0cp::testing {

using namespace ipc0cp::shm;  // NOLINT: a header of tests about nothing else.

/// A name that no other test, process or run uses.
inline std::string unique_name() {
  static std::atomic<int> counter{0};
  return "test-" + std::to_string(getpid()) + "-" + std::to_string(counter++);
}

/// A unique name whose file is gone when the test ends, however it ends.
class RingName {
 public:
  RingName() : name_(unique_name()) {}
  RingName(const RingName&) = delete;
  RingName& operator=(const RingName&) = delete;
  ~RingName() { platform::remove_name(path()); }

  [[nodiscard]] const std::string& get() const noexcept { return name_; }
  [[nodiscard]] std::string path() const { return platform::ring_directory() + "/ipc0cp." + name_; }
  [[nodiscard]] bool exists() const { return access(path().c_str(), F_OK) == 0; }

 private:
  std::string name_;
};

[[noreturn]] inline void die() {
  raise(SIGKILL);
  _exit(4);
}

/// Runs `body` in a child, which has to end in `die()` while its handles still live.
template <class Body>
void run_and_die(Body body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
      _exit(3);
    }
    _exit(5);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended with " << status;
}

/// A mapped ring without a name. The arena is reserved up to its end unless `reserved` is false.
class BareRing {
 public:
  explicit BareRing(std::uint64_t total_data_bytes = 64 << 10, std::uint32_t max_messages = 16,
                    std::uint32_t options = 0, bool reserved = true)
      : geometry(Geometry::of(total_data_bytes, max_messages)) {
    EXPECT_EQ(platform::open_unnamed(0600, file), 0);
    EXPECT_EQ(platform::set_size(file, geometry.file_bytes), 0);
    auto segment = std::make_unique<Segment>();
    EXPECT_EQ(segment->map(file, geometry, true), 0);
    attached = std::make_unique<AttachedRing>("bare", std::move(segment));
    attached->initialise(options, geometry.relief_descriptor());
    if (reserved) {
      header().main_mark.store(geometry.main_bytes);
      header().relief_mark.store(geometry.relief_bytes);
    }
    attached->recover_orphan();
    EXPECT_EQ(claim(attached->participants()), ErrorCode::ok);
    attached->participants().set_role(Role::kConsumer);
    header().consumers = 1;
    header().slots_end = 2;
  }

  ErrorCode claim(Participants& participants) const {
    platform::File token;
    platform::File probe;
    EXPECT_EQ(platform::open_again(file, token), 0);
    EXPECT_EQ(platform::open_again(file, probe), 0);
    return participants.claim(std::move(token), std::move(probe));
  }
  /// Another handle of the ring, with a token of its own.
  [[nodiscard]] std::unique_ptr<Participants> join(Role role) const {
    auto other = std::make_unique<Participants>(segment());
    EXPECT_EQ(claim(*other), ErrorCode::ok);
    EXPECT_TRUE(other->set_role(role));
    header().slots_end = std::max<std::uint32_t>(header().slots_end, slot_of(other->self()) + 1);
    return other;
  }
  /// What a kill does: the locks go, the words stay.
  static void kill(Participants& participants) { participants.close_inherited(); }
  /// The owner word of somebody who has died.
  [[nodiscard]] Owner dead_owner(Role role = Role::kProducer) const {
    const auto other = join(role);
    const Owner owner = other->self();
    kill(*other);
    return owner;
  }

  /// Writes a block as a death may leave it.
  Descriptor& put(std::uint32_t index, State state, Owner owner, std::uint64_t offset,
                  std::uint64_t payload_bytes, std::uint64_t sequence = 0,
                  std::uint32_t deliveries = 0) const {
    Descriptor& block = descriptor(index);
    block.offset = offset;
    block.extent_bytes = BlockPlan{payload_bytes, 0}.block_bytes();
    block.payload_bytes = payload_bytes;
    block.metadata_bytes = 0;
    block.sequence = sequence;
    block.returned_next = kNone;
    block.state.store(make_state(state, owner, deliveries, 7));
    return block;
  }

  [[nodiscard]] const Segment& segment() const { return attached->segment(); }
  [[nodiscard]] Header& header() const { return attached->header(); }
  [[nodiscard]] Descriptor& descriptor(std::uint32_t index) const {
    return segment().descriptor(index);
  }
  [[nodiscard]] State state(std::uint32_t index) const {
    return state_of(descriptor(index).state.load());
  }
  [[nodiscard]] Owner self() const { return attached->participants().self(); }
  RecoveryReport recover() const { return Recovery(segment()).run(&attached->participants()); }

  Geometry geometry;
  platform::File file;
  std::unique_ptr<AttachedRing> attached;
};

}  // namespace ipc0cp::testing
