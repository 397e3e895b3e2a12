// SPDX-License-Identifier: Apache-2.0
// Real deaths and stops in sight of the living, who must go on.
#include <algorithm>
#include <fstream>
#include <set>

#include "harness.hpp"
#include "platform/clock.hpp"
#include "readings.hpp"

namespace ipc0cp::crash {
namespace {

constexpr MessageId kFirstLivingId = 900;
constexpr std::size_t kLivingBytes = 64;
constexpr std::int64_t kShortNs = 20 * platform::kMillisecond;
constexpr std::int64_t kComingNs = 200 * platform::kMillisecond;
/// Far more than the promise, which is measured and printed: the machine may be busy.
constexpr std::int64_t kHangNs = 500 * platform::kMillisecond;

std::string text_of(ErrorCode code) { return std::string(to_string(code)); }

/// How long this thread was ready to run and had no processor: the machine's fault, not the ring's.
/// 0 where the kernel does not tell.
std::int64_t processor_delay_ns() {
  std::ifstream file("/proc/thread-self/schedstat");
  std::int64_t running_ns = 0;
  std::int64_t waiting_ns = 0;
  file >> running_ns >> waiting_ns;
  return file ? waiting_ns : 0;
}

/// What the living do while the victim is stopped, and after its end.
class Survivors {
 public:
  Survivors(const Scenario& scenario, Stage& stage, Violations& violations)
      : scenario_(scenario), stage_(stage), world_(*stage.world), violations_(violations) {}

  /// Short calls, while the victim may hold the lock: they succeed or time out, in time.
  void work_beside_the_stopped() {
    const MessageId id = next_id_++;
    const ErrorCode pushed = timed(
        "a push", kShortNs, [&] { return push(*world_.producer, id, kLivingBytes, kShortNs); });
    if (pushed == ErrorCode::ok) {
      pushed_.push_back(id);
    } else if (pushed != ErrorCode::buffer_full) {
      violations_.push_back("a push beside a stopped process: " + text_of(pushed));
    }
    MessageId taken = 0;
    Message message;
    const ErrorCode popped =
        timed("a pop", kShortNs, [&] { return pop(*world_.consumer, taken, message, kShortNs); });
    if (popped == ErrorCode::ok) {
      popped_.push_back(taken);
    } else if (popped != ErrorCode::timeout && popped != ErrorCode::buffer_empty) {
      violations_.push_back("a pop beside a stopped process: " + text_of(popped));
    }
    if (world_.subscriber) {
      Message shared;
      const ErrorCode read = timed("a subscriber's pop", kShortNs, [&] {
        return pop(*world_.subscriber, taken, shared, kShortNs);
      });
      if (read == ErrorCode::ok) {
        read_.push_back(taken);
      } else if (read != ErrorCode::timeout && read != ErrorCode::buffer_empty) {
        violations_.push_back("a subscriber's pop beside a stopped process: " + text_of(read));
      }
    }
    // To give a view back never waits, whoever is stopped with the lock in hand.
    timed("a release", 0, [&] {
      world_.views.clear();
      return ErrorCode::ok;
    });
    fill_up();
  }

  /// Everything that is free gets written to, so that a block freed too early shows.
  void fill_up() {
    static_cast<void>(world_.producer->stats());  // Repairs, if anybody seems to be gone.
    const std::size_t share = scenario_.ring.total_data_bytes / scenario_.ring.max_messages - 64;
    for (std::uint32_t message = 0; message < scenario_.ring.max_messages; ++message) {
      const MessageId id = next_id_++;
      if (push(*world_.producer, id, share, 0) != ErrorCode::ok) break;
      pushed_.push_back(id);
    }
    RingFile::open(world_.ring.name)->check_backing(violations_);
    const Board& board = stage_.victim->board();
    if (!scenario_.keeps_block || board.view_bytes == 0) return;
    const auto expected = payload_of(board.popped, board.view_bytes);
    const std::byte* block = world_.producer->ring().segment().arena() + board.view_offset;
    if (!std::equal(expected.begin(), expected.end(), block)) {
      violations_.emplace_back("the block of a living process was given to others");
    }
  }

  /// Takes all there is; ends with a message of its own, so it waits for nothing in vain.
  void take_everything() {
    world_.views.clear();
    if (!popped_.empty() || !pushed_.empty()) {
      static_cast<void>(world_.producer->stats());
      for (const MessageId id : drain(*world_.consumer, violations_)) popped_.push_back(id);
    }
    if (world_.subscriber) {  // It would keep the room that the marker needs.
      for (const MessageId id : drain(*world_.subscriber, violations_)) read_.push_back(id);
    }
    const MessageId marker = next_id_++;
    const ErrorCode pushed = push(*world_.producer, marker, kLivingBytes);
    if (pushed != ErrorCode::ok) {
      violations_.push_back("a survivor cannot push: " + text_of(pushed));
      return;
    }
    pop_until(marker, *world_.consumer, popped_);
    if (world_.subscriber) pop_until(marker, *world_.subscriber, read_);
  }

  void pop_until(MessageId marker, shm::Channel& consumer, std::vector<MessageId>& popped) {
    while (true) {
      MessageId id = 0;
      Message message;
      const ErrorCode result = pop(consumer, id, message);
      if (result != ErrorCode::ok) {
        violations_.push_back("a survivor cannot pop: " + text_of(result));
        return;
      }
      if (id == marker) return;
      if (id == 0) violations_.emplace_back("a survivor popped a torn message");
      popped.push_back(id);
    }
  }

  /// The last consumer is stopped on its way out: whoever comes now waits for it, or gets a ring of
  /// his own that the stopped one must not take away later.
  void come_beside_the_stopped() {
    try {
      world_.consumer = open_consumer(world_.ring, true, kComingNs);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::timeout) throw;
    }
  }

  /// A ring without a living consumer, or without anybody: come anew, as users would.
  void come_anew() {
    if (!world_.consumer) world_.consumer = open_consumer(world_.ring);
    if (world_.producer && world_.producer->ring().retired()) {
      const ErrorCode result = push(*world_.producer, next_id_++, kLivingBytes, kShortNs);
      if (result != ErrorCode::no_consumers) {
        violations_.push_back("a producer of a ring that was given up: " + text_of(result));
      }
      world_.producer.reset();
    }
    if (!world_.producer) world_.producer = open_producer(world_.ring);
  }

  /// After a kill without a stop before it the state is known exactly.
  void compare(const Observation& if_all_die) {
    Observation expected = if_all_die;
    const bool new_ring = expected.absent || expected.retired;
    if (new_ring) expected = {};
    expected.lost -= new_ring ? 0 : scenario_.held_by_world;
    const RingStats stats = world_.producer->stats();  // Looks for deaths, as any call soon does.
    if (scenario_.ring.redeliver) {
      // Messages of the dead come back when the death is noticed, behind those popped meanwhile.
      for (const MessageId id : drain(*world_.consumer, violations_)) popped_.push_back(id);
      std::sort(popped_.begin(), popped_.end());
    }
    Observation found;
    found.queue = popped_;
    found.lost = stats.lost;
    found.dropped = stats.dropped;
    found.overflowed = stats.overflowed;
    // An empty orphan is replaced, and its counters with it.
    const bool orphan = scenario_.outcomes.front().lost == 0 && !had_living_;
    if (orphan && expected.queue.empty()) found.dropped = expected.dropped = 0;
    // What the living subscriber of a broadcast ring has to read is nobody's once all are dead.
    if (scenario_.ring.broadcast) found.queue = expected.queue;
    if (!(found == expected)) {
      violations_.push_back("survivors find " + to_text(found) + ", not " + to_text(expected));
    }
  }

  /// After a stop: nothing twice, nothing out of order, nothing missing but what the victim has.
  void check_conservation(Fate fate) {
    if (scenario_.ring.broadcast) return;  // There is no queue; see check_reader.
    const Board& board = stage_.victim->board();
    const bool completed = fate == Fate::stopped && board.result == 0;
    std::vector<MessageId> expected = scenario_.outcomes.front().queue;
    const std::set<MessageId> distinct(popped_.begin(), popped_.end());
    if (distinct.size() != popped_.size()) {
      violations_.push_back("a message came twice: " + to_text(popped_));
    }
    expected.insert(expected.end(), pushed_.begin(), pushed_.end());
    std::vector<MessageId> missing;
    for (const MessageId id : expected) {
      if (!distinct.contains(id) && id != scenario_.finishes) missing.push_back(id);
    }
    const std::vector<MessageId> put = put_by(scenario_);
    for (const MessageId id : put) {
      if (completed && !distinct.contains(id)) missing.push_back(id);
    }
    std::size_t taken = missing.size();
    if (scenario_.gives_up) {
      const std::uint64_t before = scenario_.outcomes.front().overflowed;
      const std::uint64_t given_up = world_.producer->stats().overflowed - before;
      if (given_up > missing.size()) violations_.emplace_back("given up and still delivered");
      taken -= std::min<std::uint64_t>(given_up, taken);
    }
    const bool has_them =
        taken <= scenario_.takes && (!completed || scenario_.takes > 1 || scenario_.gives_up ||
                                     missing.empty() || missing.front() == board.popped);
    if (!has_them) violations_.push_back("missing after a stop: " + to_text(missing));
    expected.insert(expected.end(), put.begin(), put.end());
    for (const MessageId id : popped_) {
      if (std::find(expected.begin(), expected.end(), id) == expected.end()) {
        violations_.push_back("message " + std::to_string(id) + " came from nowhere");
      }
    }
    for (std::size_t late = 0; late < put.size(); ++late) expected.pop_back();
    // What a dead consumer gives back comes late.
    if (!scenario_.ring.redeliver) check_order(expected);
  }

  /// The living subscriber, if there is one.
  void check_reader(Fate fate) {
    if (scenario_.shared.empty()) return;
    Readings readings{scenario_.ring.broadcast ? popped_ : read_, popped_, pushed_};
    readings.missed = world_.reader()->ring().subscription().missed();
    readings.completed = fate == Fate::stopped && stage_.victim->board().result == 0;
    check_readings(scenario_, readings, violations_);
  }

  void check_order(const std::vector<MessageId>& expected) {
    std::vector<MessageId> in_order;
    std::vector<MessageId> arrived;
    for (const MessageId id : expected) {
      if (std::find(popped_.begin(), popped_.end(), id) != popped_.end()) in_order.push_back(id);
    }
    for (const MessageId id : popped_) {
      if (std::find(expected.begin(), expected.end(), id) != expected.end()) arrived.push_back(id);
    }
    if (in_order != arrived) violations_.push_back("out of order: " + to_text(arrived));
  }

  /// With nobody inside the ring: derived state agrees with its truth.
  void check_as_is() {
    if (const auto ring = RingFile::open(world_.ring.name)) {
      CopyChecker(ring->segment().geometry()).check_as_is(*ring, violations_);
    }
  }

  /// With nobody but us left: nothing is lost of the ring itself, and its end is heard.
  void check_the_ring() {
    static_cast<void>(world_.producer->stats());  // Repairs: the victim may have died just now.
    drain(*world_.consumer, violations_);         // Finishes, and takes what came back late.
    if (world_.subscriber) drain(*world_.subscriber, violations_);
    exercise(*world_.producer, *world_.consumer, world_.subscriber.get(), violations_);
    if (const auto ring = RingFile::open(world_.ring.name)) {
      CopyChecker checker(ring->segment().geometry());
      checker.check_as_is(*ring, violations_);
      const Observation rest = checker.check(*ring, violations_);
      const RingStats stats = world_.producer->stats();
      if (!rest.queue.empty() || rest.lost != stats.lost || rest.overflowed != stats.overflowed) {
        violations_.push_back("the emptied ring still holds " + to_text(rest));
      }
    } else {
      violations_.emplace_back("the name is gone although the ring is in use");
    }
    world_.producer.reset();
    MessageId id = 0;
    Message message;
    for (shm::Channel* consumer : {world_.consumer.get(), world_.subscriber.get()}) {
      if (consumer == nullptr) continue;
      const ErrorCode end = pop(*consumer, id, message);
      if (end == ErrorCode::end_of_stream) continue;
      violations_.push_back("no end of stream after the last producer: " + text_of(end));
    }
  }

  void note_living() { had_living_ = world_.producer != nullptr; }
  [[nodiscard]] std::int64_t longest_wait_ns() const noexcept { return longest_wait_ns_; }

 private:
  template <class Call>
  ErrorCode timed(const char* what, std::int64_t timeout_ns, Call call) {
    const std::int64_t delay_ns = processor_delay_ns();
    const std::int64_t start_ns = platform::now_ns();
    const ErrorCode result = call();
    const std::int64_t late_ns = platform::now_ns() - start_ns - timeout_ns;
    const std::int64_t delayed_ns = processor_delay_ns() - delay_ns;
    longest_wait_ns_ = std::max(longest_wait_ns_, late_ns - delayed_ns);
    if (late_ns - delayed_ns > kHangNs) {
      violations_.push_back(std::string(what) + " beside a stopped process came " +
                            std::to_string(late_ns / platform::kMillisecond) +
                            " ms after its time-out, of which it had no processor for " +
                            std::to_string(delayed_ns / platform::kMillisecond) + " ms");
    }
    return result;
  }

  const Scenario& scenario_;
  Stage& stage_;
  World& world_;
  Violations& violations_;
  MessageId next_id_ = kFirstLivingId;
  std::vector<MessageId> pushed_;
  std::vector<MessageId> popped_;
  std::vector<MessageId> read_;  ///< By the subscriber beside the queue.
  std::int64_t longest_wait_ns_ = 0;
  bool had_living_ = false;
};

/// Looked at again, because a run may arrive at its instant on another way than the stepped one.
Observation what_is_left(const Scenario& scenario, const std::string& name,
                         Violations& violations) {
  Observation left;
  left.absent = true;
  if (const auto ring = RingFile::open(name)) {
    left = CopyChecker(ring->segment().geometry()).check(*ring, violations);
  }
  const auto& admissible = scenario.outcomes;
  if (std::find(admissible.begin(), admissible.end(), left) == admissible.end()) {
    violations.push_back("left behind: " + to_text(left));
  }
  return left;
}

/// The victim is no longer stopped. @return whether it has come to the end of its operation.
bool go_on(const Scenario& scenario, Stage& stage, Survivors& survivors, Violations& violations) {
  Victim& victim = *stage.victim;
  if (!victim.resume()) return true;
  if (scenario.waits_for_room) survivors.take_everything();
  if (victim.await_end() == Victim::Status::stopped) return true;
  violations.push_back("after the stop it ended by signal " + std::to_string(victim.ended_by()));
  return false;
}

/// Where the victim is the last consumer: it stops on its way out while another one comes.
void meet_a_newcomer(const Scenario& scenario, Stage& stage, Survivors& survivors,
                     Violations& violations) {
  survivors.come_beside_the_stopped();
  go_on(scenario, stage, survivors, violations);
  stage.victim->kill();
  survivors.come_anew();
  Violations of_the_old_messages;
  drain(*stage.world->consumer, of_the_old_messages);
}

}  // namespace

void Harness::meet_fate(const Scenario& scenario, const Point& point, Fate fate) {
  arm_watchdog(scenario.name + ", step " + std::to_string(point.step) + ", " + to_text(fate));
  Violations violations;
  try {
    Stage stage(scenario, next_name("fate"));
    Victim& victim = *stage.victim;
    Survivors survivors(scenario, stage, violations);
    survivors.note_living();
    const bool both_live = stage.world->producer && stage.world->consumer;
    const bool newcomer = fate == Fate::stopped && stage.world->producer && !both_live;
    if (fate != Fate::killed && !both_live && !newcomer) return;
    if (!victim.run_to(point.instant) ||
        (point.kind != InstantKind::system_call && victim.step() == Victim::Status::ended)) {
      ++figures_.missed;
      return;
    }
    ++(fate == Fate::killed ? figures_.kills : figures_.stops);
    if (newcomer) {
      meet_a_newcomer(scenario, stage, survivors, violations);
    } else if (fate == Fate::killed) {
      victim.kill();
      const Observation left = what_is_left(scenario, stage.world->ring.name, violations);
      survivors.come_anew();
      survivors.take_everything();
      survivors.compare(left);
      survivors.check_reader(fate);
    } else {
      survivors.work_beside_the_stopped();
      if (fate == Fate::stopped_killed) {
        victim.kill();
      } else if (go_on(scenario, stage, survivors, violations)) {
        survivors.fill_up();
      }
      survivors.take_everything();
      // Whoever has come to the end of its operation leaves nothing to others.
      if (victim.alive() && victim.board().finished != 0) survivors.check_as_is();
      survivors.check_conservation(fate);
      survivors.check_reader(fate);
      victim.kill();
    }
    survivors.check_the_ring();
    figures_.longest_wait_ns = std::max(figures_.longest_wait_ns, survivors.longest_wait_ns());
  } catch (const MissedInstant&) {
    ++figures_.missed;
  } catch (const std::exception& error) {
    violations.push_back(error.what());
  }
  report(scenario, point.step, point.instant.address, to_text(fate), violations);
}

}  // namespace ipc0cp::crash
