// SPDX-License-Identifier: Apache-2.0
#include "ring_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <utility>

#include "handles.hpp"
#include "shm/blocks.hpp"
#include "shm/ring_name.hpp"
#include "structure.hpp"

namespace ipc0cp::crash {
namespace {

/// Handles take the lowest free slot, so the few of a test all lie in here.
constexpr std::uint32_t kWatchedSlots = 16;

void require_system(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

struct Range {
  std::uint64_t begin;
  std::uint64_t bytes;
};

/// The parts of the control pages that can change.
std::vector<Range> changing_parts(const shm::Segment& segment) {
  const shm::Geometry& geometry = segment.geometry();
  std::vector<Range> parts = {
      {0, sizeof(shm::Header)},
      {geometry.slots_offset, kWatchedSlots * sizeof(shm::Slot)},
      {geometry.descriptors_offset, geometry.descriptor_count * sizeof(shm::Descriptor)}};
  // Looked at before, it would get the memory that the first subscriber has to get.
  if (segment.has_records()) {
    const std::uint64_t order_bytes = (std::uint64_t{geometry.order_mask} + 1) * 4;
    parts.push_back(
        {geometry.records_offset, geometry.order_offset + order_bytes - geometry.records_offset});
  }
  return parts;
}

}  // namespace

std::string to_text(const Observation& observation) {
  if (observation.absent) return "no ring";
  return "messages " + to_text(observation.queue) + ", lost " + std::to_string(observation.lost) +
         ", dropped " + std::to_string(observation.dropped) + ", given up " +
         std::to_string(observation.overflowed) + (observation.retired ? ", retired" : "");
}

std::unique_ptr<RingFile> RingFile::open(const std::string& name) {
  auto ring = std::make_unique<RingFile>();
  if (platform::open_existing(shm::path_of(name), ring->file_) != 0) return nullptr;
  shm::Geometry geometry;
  std::string what_is_wrong;
  if (shm::Segment::read_geometry(ring->file_, geometry, what_is_wrong) != ErrorCode::ok) {
    throw std::runtime_error("a ring is not whole: " + what_is_wrong);
  }
  require_system(ring->segment_.map(ring->file_, geometry, true) == 0, "map");
  return ring;
}

bool RingFile::changed() {
  const std::byte* control = segment_.control_mapping().data();
  const auto parts = changing_parts(segment_);
  bool differs = backing_changed();
  std::size_t watched_bytes = 0;
  for (const Range& part : parts) watched_bytes += part.bytes;
  if (last_seen_.size() != watched_bytes) {
    last_seen_.clear();
    for (const Range& part : parts) {
      last_seen_.insert(last_seen_.end(), control + part.begin, control + part.begin + part.bytes);
    }
    return true;
  }
  std::byte* seen = last_seen_.data();
  for (const Range& part : parts) {
    if (std::memcmp(seen, control + part.begin, part.bytes) != 0) {
      std::memcpy(seen, control + part.begin, part.bytes);
      differs = true;
    }
    seen += part.bytes;
  }
  return differs;
}

bool RingFile::backing_changed() {
  struct stat status {};
  require_system(fstat(file_.get(), &status) == 0, "fstat");
  return std::exchange(last_blocks_, status.st_blocks) != status.st_blocks;
}

void RingFile::copy_control_to(const shm::Segment& target) const {
  for (const Range& part : changing_parts(segment_)) {
    std::memcpy(target.control_mapping().data() + part.begin,
                segment_.control_mapping().data() + part.begin, part.bytes);
  }
}

void RingFile::copy_as(const std::string& name) const {
  const shm::Geometry& geometry = segment_.geometry();
  platform::File copy(
      ::open(shm::path_of(name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  require_system(copy.is_open(), "copy");
  require_system(platform::set_size(copy, geometry.file_bytes) == 0, "size of a copy");
  const auto write = [&](std::uint64_t offset, const std::byte* source, std::uint64_t bytes) {
    require_system(pwrite(copy.get(), source, bytes, static_cast<off_t>(offset)) ==
                       static_cast<ssize_t>(bytes),
                   "write a copy");
  };
  for (const Range& part : changing_parts(segment_)) {
    write(part.begin, segment_.control_mapping().data() + part.begin, part.bytes);
  }
  const auto& header = segment_.header();
  write(geometry.arena_offset, segment_.arena(),
        std::min(header.main_mark.load(), geometry.main_bytes));
  write(geometry.arena_offset + geometry.main_bytes, segment_.arena() + geometry.main_bytes,
        std::min(header.relief_mark.load(), geometry.relief_bytes));
}

bool RingFile::is_backed(std::uint64_t begin, std::uint64_t end) const {
  if (begin >= end) return true;
  return lseek(file_.get(), static_cast<off_t>(begin), SEEK_DATA) == static_cast<off_t>(begin) &&
         lseek(file_.get(), static_cast<off_t>(begin), SEEK_HOLE) >= static_cast<off_t>(end);
}

void RingFile::check_backing(Violations& violations) const {
  const shm::Geometry& geometry = segment_.geometry();
  const auto& header = segment_.header();
  const std::uint64_t main = geometry.arena_offset;
  const std::uint64_t relief = main + geometry.main_bytes;
  if (!is_backed(main, main + header.main_mark.load())) {
    violations.emplace_back("memory below the mark is not backed: a store there is SIGBUS");
  }
  if (!is_backed(relief, relief + header.relief_mark.load())) {
    violations.emplace_back("memory below the relief mark is not backed");
  }
}

CopyChecker::CopyChecker(const shm::Geometry& geometry)
    : memory_(memfd_create("crash-copy", MFD_CLOEXEC)) {
  require_system(platform::set_size(memory_, geometry.file_bytes) == 0, "size of a copy");
  require_system(segment_.map(memory_, geometry, true) == 0, "map a copy");
  recovery_ = std::make_unique<shm::Recovery>(segment_);
}

Observation CopyChecker::observe(const RingFile& ring, Violations& violations) const {
  const shm::Header& header = segment_.header();
  Observation observation;
  observation.retired = header.retired.load() != 0;
  observation.queue = read_queue(segment_, ring.segment().arena(), violations);
  observation.lost = header.lost;
  observation.dropped = header.dropped;
  observation.overflowed = header.overflowed;
  return observation;
}

Observation CopyChecker::check(const RingFile& ring, Violations& violations) {
  ring.copy_control_to(segment_);
  const std::uint32_t lock = segment_.header().lock.load() & ~shm::kLockWaiters;
  const std::uint32_t holder = shm::slot_of(lock);
  if (lock != 0 &&
      (holder == 0 || shm::incarnation_of_slot(segment_.slot(holder).word.load()) == 0)) {
    violations.emplace_back("the lock names nobody, so it can never be taken over");
  }
  const shm::RecoveryReport report = recovery_->run(nullptr);
  if (report.damaged || report.quarantined > 0) {
    violations.emplace_back("recovery found the ring damaged or a block impossible");
  }
  check_structure(segment_, Inhabitants::none, violations);
  Observation first = observe(ring, violations);
  recovery_->run(nullptr);
  Violations again;
  if (observe(ring, again) != first) {
    violations.emplace_back("recovering twice is not the same as once");
  }
  ring.check_backing(violations);
  return first;
}

std::vector<MessageId> CopyChecker::check_beside_the_living(const RingFile& ring,
                                                            const shm::AttachedRing& living,
                                                            const shm::AttachedRing& reader,
                                                            pid_t dead, Violations& violations) {
  ring.copy_control_to(segment_);
  for (std::uint32_t index = 1; index < kWatchedSlots; ++index) {
    shm::Slot& slot = segment_.slot(index);
    const std::uint64_t word = slot.word.load();
    if (slot.process_id != static_cast<std::uint32_t>(dead)) continue;
    if (shm::role_of(word) == shm::Role::kNobody) continue;
    slot.word.store(shm::make_slot_word(shm::incarnation_of_slot(word), shm::Role::kVoided));
  }
  const shm::RecoveryReport report = recovery_->run(&living.participants());
  shm::Blocks blocks(segment_, living.participants());
  blocks.recount_front();
  if (report.damaged || report.quarantined > 0) {
    violations.emplace_back("recovery beside the living found damage");
  }
  check_structure(segment_, Inhabitants::some, violations);
  const shm::Shares shares(segment_);
  std::vector<MessageId> unread;
  std::uint64_t cursor = segment_.slot(shm::slot_of(reader.participants().self())).cursor;
  for (std::uint32_t index = 0;; ++cursor) {
    cursor = shares.first_unread(reader.subscription().bit(), cursor, index);
    if (index == shm::kNone) return unread;
    unread.push_back(read_block(segment_, ring.segment().arena(), index).value_or(0));
  }
}

void CopyChecker::check_as_is(const RingFile& ring, Violations& violations) {
  ring.copy_control_to(segment_);
  check_structure(segment_, Inhabitants::some, violations);
  ring.check_backing(violations);
}

void check_by_attaching(const RingFile& ring, const std::string& copy_name,
                        const Observation& expected, Violations& violations) {
  ring.copy_as(copy_name);
  const shm::Geometry& geometry = ring.segment().geometry();
  try {
    const bool redeliver = (ring.segment().header().options.load() & shm::kOptionRedeliver) != 0;
    const bool broadcast = (ring.segment().header().options.load() & shm::kOptionBroadcast) != 0;
    RingOptions options{copy_name, geometry.total_data_bytes, geometry.max_messages, redeliver,
                        broadcast};
    Handle consumer = open_consumer(options);
    Handle producer = open_producer(options);
    const auto rest = drain(*consumer, violations);
    if (rest != (expected.retired ? std::vector<MessageId>{} : expected.queue)) {
      violations.push_back("who attaches to the dead ring gets " + to_text(rest));
    }
    exercise(*producer, *consumer, nullptr, violations);
  } catch (const Error& error) {
    violations.push_back(std::string("attaching to the dead ring failed: ") + error.what());
  }
  if (platform::remove_name(shm::path_of(copy_name)) == 0) {
    violations.emplace_back("the last consumer of the copy has not removed its name");
  }
}

}  // namespace ipc0cp::crash
