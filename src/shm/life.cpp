// SPDX-License-Identifier: Apache-2.0
#include "shm/life.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "log_internal.hpp"
#include "platform/clock.hpp"
#include "platform/limits.hpp"
#include "platform/liveness.hpp"
#include "shm/joining.hpp"

namespace ipc0cp::shm {
namespace {

using platform::File;
using platform::FileIdentity;
using platform::LockKind;
using platform::LockResult;

std::string quoted(const std::string& name) { return "ring '" + name + "'"; }

[[noreturn]] void fail_system(const std::string& what, int error) {
  throw Error(ErrorCode::system_error,
              what + ": " + std::strerror(error) + platform::limit_behind(error), error);
}

[[noreturn]] void fail_no_space(const OpenOptions& options, std::uint64_t needed_bytes) {
  throw Error(ErrorCode::no_space,
              quoted(options.name) + " needs " + std::to_string(needed_bytes) +
                  " bytes of /dev/shm, only " + std::to_string(platform::free_shared_memory()) +
                  " are free; ask for less, remove old rings (`ipc0cp rm --stale`), or give the "
                  "container more (--shm-size)",
              ENOSPC);
}

/// The files of one attempt to open: all of one inode, each an open file description of its own.
struct OpenFiles {
  File mapped;  ///< Mapped, so it must hold no lock.
  File token;   ///< Holds life, claim and token.
  File probe;   ///< Looks at the locks of others.
};

/// What an attempt to open an existing ring came to.
enum class Attempt { joined, absent, again };

class Opening {
 public:
  Opening(const OpenOptions& options, std::int64_t deadline_ns)
      : options_(options), deadline_ns_(deadline_ns), path_(path_of(options.name)) {}

  std::unique_ptr<Membership> run() {
    while (true) {
      switch (open_or_give_way()) {
        case Attempt::joined:
          return std::move(membership_);
        case Attempt::again:
          pause("is being removed or attached to by others");
          continue;
        case Attempt::absent:
          break;
      }
      if (options_.total_data_bytes == 0) {
        pause("does not exist, and without total_data_bytes it cannot be created");
      } else if (create()) {
        return std::move(membership_);
      }
    }
  }

 private:
  /// Throws if there is no time left or the user wants no more; else waits a little.
  void pause(const char* state) {
    if (options_.interrupt_check != nullptr && options_.interrupt_check()) {
      throw Error(ErrorCode::interrupted, "interrupted while opening " + quoted(options_.name));
    }
    if (platform::now_ns() >= deadline_ns_) {
      throw Error(ErrorCode::timeout, "time-out: " + quoted(options_.name) + " " + state);
    }
    const std::chrono::nanoseconds left(deadline_ns_ - platform::now_ns());
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(pause_, left));
    pause_ = std::min(2 * pause_, std::chrono::milliseconds(20));
  }

  Attempt open_or_give_way() {
    try {
      const Attempt attempt = open_existing();
      if (attempt == Attempt::again) check_removed(give_way());
      return attempt;
    } catch (...) {
      give_way();
      throw;
    }
  }

  /// Who has held life and does not join: a consumer that closed meanwhile could not remove the
  /// name, and has left it to us. @return 0, or why the name could not be removed.
  int give_way() {
    membership_.reset();
    File file;
    Geometry geometry;
    std::string what_is_wrong;
    if (std::exchange(held_life_, false) && platform::open_existing(path_, file) == 0 &&
        Segment::read_geometry(file, geometry, what_is_wrong) == ErrorCode::ok) {
      return remove_if_retired(file.get(), options_.name);
    }
    return 0;
  }

  /// Where only its owner may remove a file, as in /dev/shm, to try again would never end.
  void check_removed(int error) const {
    FileIdentity named;
    if ((error != EPERM && error != EACCES) || platform::identity_of(path_, named) != 0) return;
    throw Error(ErrorCode::permission_denied,
                path_ + " is left over from a ring that has ended, and only user " +
                    std::to_string(named.owner) + " may remove it (`ipc0cp rm " + options_.name +
                    "`); or choose another name",
                error);
  }

  Attempt open_existing() {
    OpenFiles files;
    if (!open_files(files)) return Attempt::absent;
    FileIdentity identity;
    if (const int error = platform::identity_of(files.token.get(), identity))
      fail_system(path_, error);
    check_file(identity);
    if (platform::lock_byte(files.token.get(), kLifeByte, LockKind::read) != LockResult::taken) {
      return Attempt::again;
    }
    held_life_ = true;
    if (!still_named(files)) return Attempt::again;
    Geometry geometry;
    std::string what_is_wrong;
    const ErrorCode read = Segment::read_geometry(files.token, geometry, what_is_wrong);
    if (read != ErrorCode::ok) {
      throw Error(read, path_ + " cannot be used as a ring: " + what_is_wrong +
                            (read == ErrorCode::version_mismatch
                                 ? "; end its users and remove it with `ipc0cp rm --force`"
                                 : "; remove the file or choose another name"));
    }
    if (!anyone_lives(files)) {
      const Attempt settled = settle_orphan(files, geometry);
      if (settled != Attempt::joined) return settled;
    }
    return join(std::move(files), geometry);
  }

  /// Three descriptions of one and the same inode; false if the name is absent.
  bool open_files(OpenFiles& files) {
    for (File* file : {&files.token, &files.probe, &files.mapped}) {
      const int error = platform::open_existing(path_, *file);
      if (error == ENOENT) return false;
      if (error == EACCES || error == EPERM) {
        throw Error(ErrorCode::permission_denied,
                    path_ +
                        " belongs to another user or may not be opened; ask its owner for "
                        "mode=, or choose another name",
                    error);
      }
      if (error == ELOOP || error == EISDIR || error == ENXIO || error == ENODEV) {
        throw Error(ErrorCode::not_a_ring,
                    path_ + " is not a regular file; remove it or choose another name", error);
      }
      if (error != 0) fail_system("cannot open " + path_, error);
    }
    return true;
  }

  void check_file(const FileIdentity& identity) const {
    if (!identity.regular) {
      throw Error(ErrorCode::not_a_ring,
                  path_ + " is not a regular file; remove it or choose another name");
    }
    if (identity.links > 1) {
      throw Error(ErrorCode::not_a_ring,
                  path_ + " has " + std::to_string(identity.links) +
                      " names (hard links), a ring has one; remove the others");
    }
    const auto& trusted = options_.trusted_owners;
    if (identity.owner == platform::effective_user() ||
        std::find(trusted.begin(), trusted.end(), identity.owner) != trusted.end()) {
      return;
    }
    throw Error(ErrorCode::permission_denied,
                path_ + " belongs to user " + std::to_string(identity.owner) + ", this is user " +
                    std::to_string(platform::effective_user()) +
                    "; name its owner in trusted_owners if you trust it",
                EPERM);
  }

  bool still_named(const OpenFiles& files) const {
    FileIdentity named;
    FileIdentity token;
    FileIdentity probe;
    FileIdentity mapped;
    if (platform::identity_of(path_, named) != 0) return false;
    if (platform::identity_of(files.token.get(), token) != 0 ||
        platform::identity_of(files.probe.get(), probe) != 0 ||
        platform::identity_of(files.mapped.get(), mapped) != 0) {
      return false;
    }
    return named.same_file(token) && token.same_file(probe) && token.same_file(mapped) &&
           token.links == 1;
  }

  static bool anyone_lives(const OpenFiles& files) noexcept {
    return platform::range_is_held(files.probe.get(), kTokenByte, kSlotCount) ||
           platform::range_is_held(files.probe.get(), kClaimByte, kSlotCount);
  }

  /// Nobody lives here: an empty ring is removed so that it starts anew, one with messages stays.
  Attempt settle_orphan(const OpenFiles& files, const Geometry& geometry) {
    if (platform::lock_byte(files.token.get(), kLifeByte, LockKind::write) != LockResult::taken) {
      return Attempt::again;
    }
    if (!still_named(files) || anyone_lives(files)) return Attempt::again;
    auto membership = map_membership(files, geometry);
    membership->recovery.run(nullptr);
    const bool retired = membership->header().retired.load(std::memory_order_acquire) != 0;
    if (membership->queue.size() == 0 || retired) {
      check_removed(platform::remove_name(path_));
      return Attempt::again;
    }
    return platform::lock_byte(files.token.get(), kLifeByte, LockKind::read) == LockResult::taken
               ? Attempt::joined
               : Attempt::again;
  }

  void check_sizes(const Geometry& geometry) const {
    const std::uint64_t wanted = options_.total_data_bytes;
    if (wanted != 0 && wanted != geometry.total_data_bytes) {
      throw Error(ErrorCode::size_mismatch,
                  quoted(options_.name) +
                      " has total_data_bytes=" + std::to_string(geometry.total_data_bytes) +
                      ", asked for " + std::to_string(wanted) +
                      "; use the same number everywhere, or let consumers take what is there");
    }
    if (options_.max_messages != 0 && options_.max_messages != geometry.max_messages) {
      throw Error(ErrorCode::option_mismatch,
                  quoted(options_.name) +
                      " has max_messages=" + std::to_string(geometry.max_messages) +
                      ", asked for " + std::to_string(options_.max_messages) +
                      "; start the producer that names it first, or leave it out");
    }
  }

  std::unique_ptr<Membership> map_membership(const OpenFiles& files, const Geometry& geometry) {
    auto segment = std::make_unique<Segment>();
    const bool arena_writable = options_.role == Role::kProducer;
    if (const int error = segment->map(files.mapped, geometry, arena_writable)) {
      fail_system("cannot map " + path_ + " (" + std::to_string(geometry.file_bytes) + " bytes)",
                  error);
    }
    return std::make_unique<Membership>(options_.name, std::move(segment));
  }

  void claim_slot(OpenFiles& files) {
    const ErrorCode claimed =
        membership_->participants.claim(std::move(files.token), std::move(files.probe));
    if (claimed == ErrorCode::too_many_participants) {
      throw Error(claimed, quoted(options_.name) + " has " + std::to_string(kMaxParticipants) +
                               " handles already, the most there can be; close some");
    }
    if (claimed != ErrorCode::ok) fail_system("cannot lock bytes of " + path_, errno);
  }

  Attempt join(OpenFiles files, const Geometry& geometry) {
    membership_ = map_membership(files, geometry);
    // A ring that is given up is about to make room for one of any size.
    const bool retired = membership_->header().retired.load(std::memory_order_acquire) != 0;
    if (!retired) check_sizes(geometry);
    claim_slot(files);
    Membership& ring = *membership_;
    const ErrorCode entered = enter_patiently(ring);
    if (entered != ErrorCode::ok) {
      throw Error(
          entered,
          entered == ErrorCode::timeout
              ? "time-out: " + quoted(options_.name) + " is locked by a process that is stopped"
              : quoted(options_.name) + " is damaged; end its users and remove " + path_);
    }
    // The slot's word shows the newcomer already, so this death has to be counted here.
    if (ring.participants.predecessor_died()) ring.recover(1);
    ring.participants.predecessor_is_recovered();
    ring.repair_if_anyone_is_gone();
    if (ring.header().retired.load(std::memory_order_acquire) != 0) {
      ring.leave();
      return Attempt::again;
    }
    std::string option_conflict;
    if (!agree_on_options(ring, options_, option_conflict)) {
      ring.leave();
      throw Error(ErrorCode::option_mismatch, option_conflict);
    }
    const std::string note = settle_leftovers(ring, options_);
    take_role(ring, options_);
    ring.leave();
    platform::unlock_byte(ring.participants.token_file(), kLifeByte);
    remove_if_retired(ring.participants.token_file(), options_.name);
    ring.wake_everybody();
    if (!note.empty()) log(LogLevel::warning, note);
    return Attempt::joined;
  }

  /// Takes the lock in slices, so that Ctrl-C is heard and a dead holder is seen.
  ErrorCode enter_patiently(Membership& ring) {
    const std::int64_t end_ns =
        std::min(deadline_ns_, platform::deadline_after(60 * platform::kSecond));
    while (true) {
      const std::int64_t now_ns = platform::now_ns();
      const ErrorCode entered = ring.enter(std::min(end_ns, now_ns + 40 * platform::kMillisecond));
      if (entered != ErrorCode::timeout || now_ns >= end_ns) return entered;
      ring.sweep(now_ns, 10 * platform::kMillisecond);
      pause("is locked by a process that is stopped");
    }
  }

  /// False if somebody else was faster to take the name.
  bool create() {
    const std::uint32_t max_messages = options_.max_messages != 0
                                           ? options_.max_messages
                                           : default_max_messages(options_.total_data_bytes);
    const Geometry geometry = Geometry::of(options_.total_data_bytes, max_messages);
    const std::uint64_t needed = geometry.arena_offset + geometry.main_bytes;
    if (platform::free_shared_memory() < needed) fail_no_space(options_, needed);
    OpenFiles files;
    if (const int error = platform::open_unnamed(options_.mode, files.mapped)) {
      fail_system("cannot create a file in " + std::string(platform::kSharedMemoryDirectory),
                  error);
    }
    int error = platform::set_mode(files.mapped.get(), options_.mode);
    if (error == 0) error = platform::set_size(files.mapped, geometry.file_bytes);
    if (error == 0) error = platform::open_again(files.mapped, files.token);
    if (error == 0) error = platform::open_again(files.mapped, files.probe);
    if (error != 0) fail_system("cannot prepare " + path_, error);
    return initialise(std::move(files), geometry);
  }

  bool initialise(OpenFiles files, const Geometry& geometry) {
    membership_ = map_membership(files, geometry);
    Membership& ring = *membership_;
    const platform::Mapping& control = ring.segment->control_mapping();
    if (platform::reserve(files.mapped.get(), 0, control.data(), control.size()) != 0) {
      fail_no_space(options_, control.size());
    }
    const bool producer = options_.role == Role::kProducer;
    ring.segment->initialise(
        !producer ? 0 : kOptionsFixed | (options_.redeliver ? kOptionRedeliver : 0));
    if (options_.reserve) reserve_everything(ring, files.mapped);
    ring.recovery.run(nullptr);
    claim_slot(files);
    take_role(ring, options_);
    const int error = platform::give_name(files.mapped, path_);
    if (error == 0) return true;
    membership_.reset();
    if (error != EEXIST) fail_system("cannot create " + path_, error);
    return false;
  }

  void reserve_everything(Membership& ring, const File& file) const {
    const Geometry& geometry = ring.segment->geometry();
    if (platform::reserve(file.get(), geometry.arena_offset, ring.segment->arena(),
                          geometry.arena_bytes()) != 0) {
      fail_no_space(options_, geometry.file_bytes);
    }
    ring.header().main_mark.store(geometry.main_bytes, std::memory_order_relaxed);
    ring.header().relief_mark.store(geometry.relief_bytes, std::memory_order_relaxed);
  }

  const OpenOptions& options_;
  std::int64_t deadline_ns_;
  std::string path_;
  std::chrono::milliseconds pause_{1};
  bool held_life_ = false;
  std::unique_ptr<Membership> membership_;
};

}  // namespace

std::unique_ptr<Membership> open_ring(const OpenOptions& options, std::int64_t deadline_ns) {
  return Opening(options, deadline_ns).run();
}

}  // namespace ipc0cp::shm
