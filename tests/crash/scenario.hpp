// SPDX-License-Identifier: Apache-2.0
// The operations that victims die in, and all that may come of each.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "handles.hpp"
#include "ring_file.hpp"
#include "victim.hpp"

namespace ipc0cp::crash {

/// The living: this process' own handles of the ring, and what they hold.
struct World {
  RingOptions ring;
  Handle producer;
  Handle consumer;    ///< On a broadcast ring, a subscriber.
  Handle subscriber;  ///< Beside a work queue, if the scenario has one.
  std::vector<Message> views;

  World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();
  /// The living subscriber, whichever it is; null: there is none.
  [[nodiscard]] shm::Channel* reader() const noexcept {
    return ring.broadcast ? consumer.get() : subscriber.get();
  }
};

/// The one that may die: handles and blocks of the victim.
struct VictimHands {
  RingOptions ring;
  Board* board = nullptr;
  Handle producer;
  Handle consumer;
  Loan loan;
  Message message;
  Message next;
  std::vector<Message> many;
  platform::Deadline patience{kPatienceNs};
};

struct Scenario {
  std::string name;
  RingOptions ring;
  std::function<void(World&)> prepare_world;
  std::function<void(VictimHands&)> prepare_victim;
  std::function<ErrorCode(VictimHands&)> operate;
  /// What may be left if everybody dies, in the order in which the operation gets there; the first
  /// before it, the last after it.
  std::vector<Observation> outcomes = {};
  /// Messages that living handles hold here; they count as lost only if all are dead.
  std::uint64_t held_by_world = 0;
  std::size_t takes = 0;  ///< So many messages may be in the victim's hands.
  bool puts = false;  ///< What the last outcome has and the first has not comes from the victim.
  bool keeps_block = false;     ///< The victim holds its view or loan to the end, and must keep it.
  bool gives_up = false;        ///< Messages that are missing may have been given up, and counted.
  MessageId finishes = 0;       ///< The operation ends the life of this message.
  bool waits_for_room = false;  ///< However long that takes, once the living have filled the ring.
  bool repairable = true;       ///< The living of the scenario make it fit for `recovery_of`.
  /// What the living subscriber has to read if the victim dies, as `outcomes`; empty: there is no
  /// such subscriber.
  std::vector<std::vector<MessageId>> shared = {};
  /// What the living do when a victim stands ready, if set.
  std::function<void(World&)> once_ready = nullptr;
  /// Happens when the victim stands ready and before its operation, if set.
  std::function<void(World&)> just_before = nullptr;
};

inline constexpr MessageId kVictimId = 100;
inline constexpr MessageId kRepairerId = 102;

/// A run whose other victim missed its instant: nothing is proved, nothing is wrong.
struct MissedInstant {};

std::vector<Scenario> all_scenarios();

/// The messages that the operation puts into the queue.
std::vector<MessageId> put_by(const Scenario& scenario);

/// "recover(NAME@STEP)"
std::string recovery_name(const std::string& operation, std::uint64_t step);
/// The operation in which a survivor repairs what another victim left, which died in `first` at
/// `instant`, where a recovery would find `if_all_die`.
Scenario recovery_of(const Scenario& first, const Instant& instant, std::uint64_t step,
                     const Observation& if_all_die);

/// Ready to be led: the world is prepared, the victim stands before its operation.
struct Stage {
  Stage(const Scenario& scenario, const std::string& ring_name);

  std::unique_ptr<World> world;
  std::unique_ptr<Victim> victim;
};

}  // namespace ipc0cp::crash
