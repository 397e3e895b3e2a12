// SPDX-License-Identifier: Apache-2.0
// A ring's file seen from outside, and copies of it in which everybody is dead.
#pragma once

#include <memory>
#include <string>

#include "ledger.hpp"
#include "platform/shared_memory.hpp"
#include "shm/attached_ring.hpp"
#include "shm/recovery.hpp"
#include "shm/segment.hpp"

namespace ipc0cp::crash {

/// What is left of a ring once everybody is dead and recover() has run.
struct Observation {
  bool absent = false;   ///< The name does not exist.
  bool retired = false;  ///< The name is given up; its messages are nobody's.
  std::vector<MessageId> queue;
  std::uint64_t lost = 0;
  std::uint64_t dropped = 0;
  std::uint64_t overflowed = 0;

  bool operator==(const Observation&) const = default;
};
std::string to_text(const Observation& observation);

/// The file under a name, mapped for looking at while others use it.
class RingFile {
 public:
  /// Null while the name is absent.
  static std::unique_ptr<RingFile> open(const std::string& name);

  /// Whether the control pages, or how much of the file is backed by memory, differ from what they
  /// were at the last call.
  bool changed();
  [[nodiscard]] const shm::Segment& segment() const noexcept { return segment_; }

  /// Makes `target`'s control pages those of this file.
  void copy_control_to(const shm::Segment& target) const;
  /// Makes a file of another name with the same bytes; nobody holds a lock in it.
  void copy_as(const std::string& name) const;
  /// Everything below the two marks must be backed by memory, or a store there is SIGBUS.
  void check_backing(Violations& violations) const;

 private:
  bool backing_changed();
  [[nodiscard]] bool is_backed(std::uint64_t begin, std::uint64_t end) const;

  platform::File file_;
  shm::Segment segment_;
  std::vector<std::byte> last_seen_;
  std::int64_t last_blocks_ = 0;
};

/// Recovers private copies of the control pages and checks what comes out.
///
/// The payload is read where it is, in the watched file: recover() never touches it.
class CopyChecker {
 public:
  explicit CopyChecker(const shm::Geometry& geometry);

  /// Copies, recovers with nobody alive, checks every invariant, recovers again (that must change
  /// nothing that counts) and says what is left.
  Observation check(const RingFile& ring, Violations& violations);
  /// The same with one process dead, and whom `living` sees alive is. @return what the subscriber
  /// `reader` has still to read then.
  std::vector<MessageId> check_beside_the_living(const RingFile& ring,
                                                 const shm::AttachedRing& living,
                                                 const shm::AttachedRing& reader, pid_t dead,
                                                 Violations& violations);
  /// Checks the derived state as it is, without recovery; nobody may be inside the ring.
  void check_as_is(const RingFile& ring, Violations& violations);

 private:
  Observation observe(const RingFile& ring, Violations& violations) const;

  platform::File memory_;
  shm::Segment segment_;
  std::unique_ptr<shm::Recovery> recovery_;
};

/// Attaches to a copy of the file through the front door, as the first survivor would: the messages
/// must be those of `expected`, and the ring must carry new ones of every size.
void check_by_attaching(const RingFile& ring, const std::string& copy_name,
                        const Observation& expected, Violations& violations);

}  // namespace ipc0cp::crash
