// SPDX-License-Identifier: Apache-2.0
#include "shm/opening.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include "platform/clock.hpp"
#include "platform/limits.hpp"
#include "platform/log.hpp"
#include "platform/memory_limit.hpp"
#include "platform/process_identity.hpp"
#include "platform/ring_directory.hpp"
#include "shm/joining.hpp"
#include "shm/open_errors.hpp"
#include "shm/ring_file.hpp"
#include "shm/similar_names.hpp"

namespace ipc0cp::shm {
namespace {

using open_errors::quoted;
using platform::File;
using platform::FileIdentity;

/// What an attempt to open an existing ring came to.
enum class Attempt { joined, absent, again };

/// Who waits for so long is told once what for.
constexpr std::int64_t kLongOpenNs = 5 * platform::kSecond;

/// One call of open_ring.
class Opening {
 public:
  Opening(const OpenOptions& options, std::int64_t deadline_ns)
      : options_(options), deadline_ns_(deadline_ns), path_(path_of(options.name)) {}

  std::unique_ptr<AttachedRing> run() {
    open_errors::check_directory();
    while (true) {
      switch (open_or_give_way()) {
        case Attempt::joined:
          return std::move(ring_);
        case Attempt::again:
          pause("is being removed or attached to by others");
          continue;
        case Attempt::absent:
          break;
      }
      if (options_.total_data_bytes == 0) {
        pause("does not exist: start the process that makes it, or give total_data_bytes");
      } else if (create()) {
        return std::move(ring_);
      }
    }
  }

 private:
  /// Throws if there is no time left or the user wants no more; else waits a little.
  void pause(const std::string& state) {
    if (options_.interrupt_check != nullptr && options_.interrupt_check()) {
      throw Error(ErrorCode::interrupted, "interrupted while opening " + quoted(options_.name));
    }
    if (options_.given_up != nullptr && options_.given_up->load()) {
      throw Error(ErrorCode::closed, quoted(options_.name) + ": closed while it was being opened");
    }
    const std::int64_t now_ns = platform::now_ns();
    if (now_ns >= deadline_ns_) {
      throw Error(ErrorCode::timeout, "time-out: " + quoted(options_.name) + " " + state +
                                          similar_names(options_.name));
    }
    if (!logged_ && now_ns - start_ns_ > kLongOpenNs) {
      logged_ = true;
      log(LogLevel::warning, quoted(options_.name) + ": opening it is blocked for " +
                                 std::to_string((now_ns - start_ns_) / platform::kSecond) +
                                 " s, it " + state + similar_names(options_.name));
    }
    const std::chrono::nanoseconds left(deadline_ns_ - now_ns);
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(pause_, left));
    pause_ = std::min(2 * pause_, std::chrono::milliseconds(20));
  }

  // ---- what has the name ----------------------------------------------------------------------

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
    ring_.reset();
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
    open_errors::cannot_remove(path_, named.owner, error);
  }

  Attempt open_existing() {
    RingFile file;
    if (const int error = file.open(path_)) {
      if (error == ENOENT) return Attempt::absent;
      open_errors::cannot_open(path_, error);
    }
    check_file(file);
    if (!file.begin_joining()) return Attempt::again;
    held_life_ = true;
    if (!file.has_name(path_)) return Attempt::again;
    const Geometry geometry = read_geometry(file);
    if (!file.anyone_lives() && !revive_orphan(file, geometry)) return Attempt::again;
    return join(std::move(file), geometry);
  }

  void check_file(const RingFile& file) const {
    FileIdentity identity;
    if (const int error = platform::identity_of(file.token.get(), identity)) {
      open_errors::system_failure(path_, error);
    }
    if (!identity.regular) open_errors::not_a_regular_file(path_);
    if (identity.links > 1) open_errors::has_many_names(path_, identity.links);
    const auto& trusted = options_.trusted_owners;
    if (identity.owner != platform::effective_user() &&
        std::find(trusted.begin(), trusted.end(), identity.owner) == trusted.end()) {
      open_errors::foreign_owner(path_, identity.owner);
    }
  }

  [[nodiscard]] Geometry read_geometry(const RingFile& file) const {
    Geometry geometry;
    std::string what_is_wrong;
    const ErrorCode read = Segment::read_geometry(file.token, geometry, what_is_wrong);
    if (read == ErrorCode::ok) return geometry;
    throw Error(read, path_ + " cannot be used as a ring: " + what_is_wrong +
                          (read == ErrorCode::version_mismatch
                               ? "; end its users and remove the file"
                               : "; remove the file or choose another name"));
  }

  /// Nobody lives here: a ring with messages, or with an answer for a late consumer, is made ready
  /// for us to join; any other is removed, so that it starts anew. @return whether to join.
  bool revive_orphan(const RingFile& file, const Geometry& geometry) {
    NameLock lock(file.token.get(), path_);
    if (!lock.held() || file.anyone_lives()) return false;
    const auto orphan = map_ring(file, geometry);
    orphan->recover_orphan();
    const bool retired = orphan->header().retired.load(std::memory_order_acquire) != 0;
    if (!retired && (orphan->blocks().queued() > 0 || has_answer(*orphan))) {
      return lock.join_instead();
    }
    check_removed(lock.remove_name());
    return false;
  }

  /// An empty ring is of use to a late consumer only, and not if it asks for another size.
  [[nodiscard]] bool has_answer(const AttachedRing& ring) const {
    const std::uint64_t wanted = options_.total_data_bytes;
    return answer_is_kept(ring.header(), options_) &&
           (wanted == 0 || wanted == ring.geometry().total_data_bytes);
  }

  // ---- joining --------------------------------------------------------------------------------

  Attempt join(RingFile file, const Geometry& geometry) {
    ring_ = map_ring(file, geometry);
    AttachedRing& ring = *ring_;
    // A ring that is given up is about to make room for one of any size.
    if (ring.header().retired.load(std::memory_order_acquire) == 0) check_sizes(geometry);
    claim_slot(file);
    back_records(ring);
    lock_patiently(ring);
    // The slot's word shows the newcomer already, so this death has to be counted here.
    if (ring.participants().predecessor_died()) ring.recover(1);
    ring.participants().predecessor_is_recovered();
    ring.repair_if_anyone_is_gone();
    if (ring.header().retired.load(std::memory_order_acquire) != 0) {
      ring.unlock();
      return Attempt::again;
    }
    std::string option_conflict;
    if (!agree_on_options(ring, options_, option_conflict)) {
      ring.unlock();
      throw Error(ErrorCode::option_mismatch, option_conflict);
    }
    const std::string note = keep_or_discard_leftovers(ring, options_);
    const int not_kept = keep_ring(ring);
    bool has_place = not_kept != 0 || take_role(ring, options_);
    if (!has_place) {  // An entry may be left of somebody who has gone.
      ring.recover();
      has_place = take_role(ring, options_);
    }
    ring.unlock();
    if (not_kept != 0) open_errors::system_failure("cannot keep " + path_, not_kept);
    if (!has_place) open_errors::too_many_subscribers(options_.name);
    platform::unlock_byte(ring.participants().token_file(), kLifeByte);
    remove_if_retired(ring.participants().token_file(), options_.name);
    ring.wake_everybody();
    if (!note.empty()) log(LogLevel::warning, note);
    return Attempt::joined;
  }

  void check_sizes(const Geometry& geometry) const {
    const std::uint64_t wanted = options_.total_data_bytes;
    if (wanted != 0 && wanted != geometry.total_data_bytes) {
      open_errors::other_size(options_.name, geometry.total_data_bytes, wanted);
    }
    if (options_.max_messages != 0 && options_.max_messages != geometry.max_messages) {
      open_errors::other_max_messages(options_.name, geometry.max_messages, options_.max_messages);
    }
  }

  [[nodiscard]] std::unique_ptr<AttachedRing> map_ring(const RingFile& file,
                                                       const Geometry& geometry) const {
    auto segment = std::make_unique<Segment>();
    const bool arena_writable = options_.role == Role::kProducer;
    if (const int error = segment->map(file.mapped, geometry, arena_writable)) {
      open_errors::system_failure(
          "cannot map " + path_ + " (" + std::to_string(geometry.file_bytes) + " bytes)", error);
    }
    return std::make_unique<AttachedRing>(options_.name, std::move(segment),
                                          options_.interrupt_check);
  }

  void claim_slot(RingFile& file) {
    const ErrorCode claimed =
        ring_->participants().claim(std::move(file.token), std::move(file.probe));
    if (claimed == ErrorCode::too_many_participants) open_errors::too_many_handles(options_.name);
    if (claimed != ErrorCode::ok) {
      open_errors::system_failure("cannot lock bytes of " + path_, errno);
    }
  }

  /// The first subscriber backs what subscribers share; others cost a ring nothing.
  void back_records(AttachedRing& ring) const {
    if (options_.role != Role::kSubscriber || ring.segment().has_records()) return;
    if (ring.segment().reserve_records(ring.participants().probe_file()) != 0) {
      open_errors::no_space(options_.name,
                            ring.geometry().arena_offset - ring.geometry().records_offset);
    }
    ring.header().records_backed.store(1, std::memory_order_release);
  }

  /// Does what `keep` asks for, if it does. Before the role: the ring is never there unkept.
  /// @return 0 or an errno.
  [[nodiscard]] int keep_ring(AttachedRing& ring) const noexcept {
    return !options_.keep || ring.participants().keep_ring() ? 0 : errno;
  }

  /// Takes the lock in slices, so that Ctrl-C is heard and a dead holder is seen.
  void lock_patiently(AttachedRing& ring) {
    const std::int64_t end_ns =
        std::min(deadline_ns_, platform::deadline_after(60 * platform::kSecond));
    while (true) {
      const std::int64_t now_ns = platform::now_ns();
      const ErrorCode locked = ring.lock(std::min(end_ns, now_ns + 40 * platform::kMillisecond));
      if (locked == ErrorCode::ok) return;
      if (locked != ErrorCode::timeout) {
        throw Error(locked,
                    quoted(options_.name) + " is damaged; end its users and remove " + path_);
      }
      const std::string state = describe_lock(ring);
      if (now_ns >= end_ns) throw Error(locked, "time-out: " + quoted(options_.name) + " " + state);
      ring.sweep(now_ns, 10 * platform::kMillisecond);
      pause(state);
    }
  }

  /// Why the lock is not to be had. Of many who open a ring at once each asks the kernel about all
  /// others while it has the lock, so that a thousand take a while, on a busy machine a minute.
  static std::string describe_lock(const AttachedRing& ring) {
    const Header& header = ring.header();
    const Owner holder = header.lock.load(std::memory_order_relaxed) & ~kLockWaiters;
    const Slot& slot = ring.segment().slot(slot_of(holder));
    platform::ProcessIdentity process;
    process.process_id = slot.process_id;
    process.start_time_ticks = slot.start_time_ticks;
    process.pid_namespace_inode = slot.pid_namespace_inode;
    const char state = platform::process_state(process, platform::own_pid_namespace());
    if (holder != 0 && (state == 'T' || state == 't')) {
      return "is locked by process " + std::to_string(process.process_id) +
             ", which is stopped: let it go on (kill -CONT " + std::to_string(process.process_id) +
             "), or end it";
    }
    return "is kept busy by others, with " + std::to_string(header.producers + header.consumers) +
           " handles on it: open fewer at a time, or allow more time for it (open_timeout)";
  }

  // ---- making ---------------------------------------------------------------------------------

  /// False if somebody else was faster to take the name.
  bool create() {
    const std::uint32_t max_messages = options_.max_messages != 0
                                           ? options_.max_messages
                                           : default_max_messages(options_.total_data_bytes);
    const Geometry geometry = Geometry::of(options_.total_data_bytes, max_messages);
    check_room(geometry);
    RingFile file;
    if (const int error = file.make(options_.mode)) open_errors::cannot_make(error);
    if (const int error = file.prepare(options_.mode, geometry.file_bytes)) {
      open_errors::cannot_prepare(path_, error);
    }
    initialise(file, geometry);
    const int error = file.give_name(path_);
    if (error == 0) return true;
    ring_.reset();
    if (error != EEXIST) open_errors::system_failure("cannot create " + path_, error);
    return false;
  }

  /// Limits that are better met now than in the middle of a stream.
  void check_room(const Geometry& geometry) const {
    // The room for subscribers before the arena is not backed.
    const std::uint64_t needed = geometry.records_offset + geometry.main_bytes;
    if (platform::free_shared_memory() < needed) open_errors::no_space(options_.name, needed);
    const std::uint64_t max_file_bytes = platform::max_file_bytes();
    if (geometry.file_bytes > max_file_bytes) {
      open_errors::file_too_large(options_.name, geometry.file_bytes, max_file_bytes);
    }
    const platform::MemoryLimit limit = platform::memory_limit();
    const std::uint64_t most = options_.reserve ? geometry.file_bytes : needed;
    if (most <= limit.room_bytes) return;
    const std::string text = open_errors::beyond_memory_limit(options_.name, most, limit);
    if (options_.reserve) throw Error(ErrorCode::no_space, text, ENOSPC);
    log(LogLevel::warning, text);
  }

  /// A whole ring with us in it, before anybody can see it.
  void initialise(RingFile& file, const Geometry& geometry) {
    ring_ = map_ring(file, geometry);
    AttachedRing& ring = *ring_;
    const std::uint32_t descriptors = geometry.relief_descriptor();
    const std::uint32_t mark =
        options_.reserve ? descriptors : std::min(descriptors, kDescriptorsAtATime);
    if (ring.segment().reserve_control_pages(file.mapped.get(), mark) != 0) {
      open_errors::no_space(options_.name, geometry.offset_of_descriptor(mark));
    }
    const bool producer = options_.role == Role::kProducer;
    const std::uint32_t reserved = options_.reserve ? kOptionReserved : 0;
    ring.initialise(producer ? fixed_options(options_) | reserved : 0, mark);
    if (options_.reserve) reserve_everything(ring, file.mapped);
    ring.recover_orphan();
    claim_slot(file);
    if (const int error = keep_ring(ring)) {
      open_errors::system_failure("cannot keep " + path_, error);
    }
    back_records(ring);
    take_role(ring, options_);
  }

  void reserve_everything(AttachedRing& ring, const File& file) const {
    const Geometry& geometry = ring.geometry();
    if (platform::reserve(file.get(), geometry.arena_offset, ring.segment().arena(),
                          geometry.arena_bytes()) != 0) {
      open_errors::no_space(options_.name, geometry.file_bytes);
    }
    ring.header().main_mark.store(geometry.main_bytes, std::memory_order_relaxed);
    ring.header().relief_mark.store(geometry.relief_bytes, std::memory_order_relaxed);
  }

  const OpenOptions& options_;
  std::int64_t deadline_ns_;
  std::string path_;
  std::int64_t start_ns_ = platform::now_ns();
  bool logged_ = false;
  std::chrono::milliseconds pause_{1};
  bool held_life_ = false;
  std::unique_ptr<AttachedRing> ring_;
};

}  // namespace

std::unique_ptr<AttachedRing> open_ring(const OpenOptions& options, std::int64_t deadline_ns) {
  return Opening(options, deadline_ns).run();
}

}  // namespace ipc0cp::shm
