// SPDX-License-Identifier: Apache-2.0
#include "shm/removal.hpp"

#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "platform/clock.hpp"
#include "platform/liveness.hpp"
#include "shm/attached_ring.hpp"
#include "shm/open_errors.hpp"
#include "shm/ring_file.hpp"
#include "shm/ring_name.hpp"
#include "shm/snapshot.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::int64_t kPatienceNs = platform::kSecond;

/// One call of remove_ring.
class Removing {
 public:
  Removing(const std::string& name, const RemovalOptions& options)
      : name_(name), options_(options), path_(path_of(name)) {}

  RemovalReport run() {
    const std::int64_t deadline_ns = platform::deadline_after(kPatienceNs);
    while (true) {
      RingFile file;
      if (const int error = file.open(path_)) {
        if (error == ENOENT) return {};
        open_errors::cannot_open(path_, error);
      }
      check_regular(file);
      {
        const NameLock lock(file.token.get(), path_);
        if (lock.held()) return remove(file, lock);
      }
      if (platform::now_ns() >= deadline_ns) {
        throw Error(ErrorCode::timeout, "time-out: " + open_errors::quoted(name_) +
                                            " is being joined or removed by others");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

 private:
  void check_regular(const RingFile& file) {
    if (const int error = platform::identity_of(file.token.get(), identity_)) {
      open_errors::system_failure(path_, error);
    }
    if (!identity_.regular) open_errors::not_a_regular_file(path_);
  }

  RemovalReport remove(const RingFile& file, const NameLock& lock) {
    RemovalReport report;
    const bool in_use = file.anyone_lives();
    Geometry geometry;
    const ErrorCode read = Segment::read_geometry(file.token, geometry, report.detail);
    if (read != ErrorCode::ok) {
      report.outcome = in_use ? Removal::in_use : Removal::unreadable;
      if (!options_.force) return report;
    } else {
      const auto ring = map_ring(file, geometry);
      describe(*ring, file, report);
      if (in_use && !options_.force) {
        report.outcome = Removal::in_use;
        return report;
      }
      if (report.messages > 0 && options_.keep_messages && !options_.force) {
        report.outcome = Removal::holds_messages;
        return report;
      }
      retire(*ring);
    }
    if (const int error = lock.remove_name()) {
      open_errors::cannot_remove(path_, identity_.owner, error);
    }
    report.outcome = Removal::removed;
    return report;
  }

  [[nodiscard]] std::unique_ptr<AttachedRing> map_ring(const RingFile& file,
                                                       const Geometry& geometry) const {
    auto segment = std::make_unique<Segment>();
    if (const int error = segment->map(file.mapped, geometry, false)) {
      open_errors::system_failure("cannot map " + path_, error);
    }
    return std::make_unique<AttachedRing>(name_, std::move(segment));
  }

  static void describe(const AttachedRing& ring, const RingFile& file, RemovalReport& report) {
    const inspect::Ring seen = take_snapshot(ring.segment(), file.probe.get());
    report.messages = seen.queue.size();
    for (const inspect::Participant& one : seen.participants) {
      const bool takes_part =
          one.role == inspect::Role::producer || one.role == inspect::Role::consumer;
      if (!takes_part || !one.lives()) continue;
      report.detail += report.detail.empty() ? "" : ", ";
      report.detail += std::string(to_string(one.role)) + " pid " + std::to_string(one.process_id) +
                       " (" + one.process_name + ")";
    }
  }

  /// One store of the one word that says so; who decides under the lock sees it there. Nobody joins
  /// meanwhile, since that needs life for reading, and no lock of a stopped process is waited for.
  static void retire(AttachedRing& ring) {
    ring.header().retired.store(1, std::memory_order_release);
    ring.wake_everybody();
  }

  const std::string& name_;
  const RemovalOptions& options_;
  std::string path_;
  platform::FileIdentity identity_;
};

}  // namespace

RemovalReport remove_ring(const std::string& name, const RemovalOptions& options) {
  return Removing(name, options).run();
}

}  // namespace ipc0cp::shm
