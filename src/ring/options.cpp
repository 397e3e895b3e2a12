// SPDX-License-Identifier: Apache-2.0
#include "ring/options.hpp"

#include <algorithm>
#include <string>

#include "ipc0cp/error.hpp"
#include "ipc0cp/exit.hpp"
#include "ipc0cp/limits.hpp"
#include "shm/channel.hpp"
#include "shm/joining.hpp"

namespace ipc0cp {
namespace {

void check_range(const char* name, std::uint64_t value, std::uint64_t lowest, std::uint64_t highest,
                 const char* way_out) {
  if (value >= lowest && value <= highest) return;
  throw Error(ErrorCode::invalid_argument,
              std::string(name) + " must be within " + std::to_string(lowest) + ".." +
                  std::to_string(highest) + ", not " + std::to_string(value) + "; " + way_out);
}

void check_mode(unsigned mode) {
  if (mode >= kMinMode && mode <= kMaxMode) return;
  throw Error(ErrorCode::invalid_argument, "mode must be within " + shm::octal(kMinMode) + ".." +
                                               shm::octal(kMaxMode) + ", not " + shm::octal(mode) +
                                               "; the ring's owner reads and writes, others may");
}

}  // namespace

void check_total(std::size_t total_data_bytes) {
  if (total_data_bytes == 0) return;
  check_range("total_data_bytes", total_data_bytes, kMinTotalDataBytes, kMaxTotalDataBytes,
              "0 takes the size of the ring that is there");
}

void check_ring_options(const ProducerOptions& options) {
  if (options.max_messages != 0) {
    check_range("max_messages", options.max_messages, 1, kMaxMaxMessages, "0 takes the default");
  }
  check_mode(options.mode);
  if (options.depth != 0 && options.overflow != Overflow::drop_oldest) {
    throw Error(ErrorCode::invalid_argument,
                "depth=" + std::to_string(options.depth) +
                    " is for producers that give old messages up: say overflow=drop_oldest, too,"
                    " or limit the ring with max_messages");
  }
  if (options.depth > kMaxMaxMessages) {
    check_range("depth", options.depth, 1, kMaxMaxMessages, "0 keeps as many as fit");
  }
  check_range("expected_consumers", options.expected_consumers, 1, kMaxParticipants,
              "1 waits for a first one");
  if (options.broadcast && options.depth != 0) {
    throw Error(ErrorCode::invalid_argument,
                "depth=" + std::to_string(options.depth) +
                    " counts what workers have not taken, and a broadcast ring has none; let "
                    "consumers say overflow=\"drop_oldest\", or read with pop_latest");
  }
  if (options.broadcast && options.redeliver) {
    throw Error(ErrorCode::invalid_argument,
                "broadcast and redeliver exclude each other: what a subscriber had when it died is "
                "nobody else's to read again; leave one of them out");
  }
}

void check_consumer_options(const ConsumerOptions& options) {
  if (options.overflow == Overflow::block) return;
  if (options.overflow == Overflow::drop_newest) {
    throw Error(ErrorCode::invalid_argument,
                "overflow must be \"block\" or \"drop_oldest\" for a consumer, not "
                "\"drop_newest\", which is a producer's; use \"drop_oldest\"");
  }
  if (!options.subscribe) {
    throw Error(ErrorCode::invalid_argument,
                "overflow=\"drop_oldest\" is for a consumer that subscribes: add subscribe=True, "
                "or say overflow to the producer");
  }
}

std::uint32_t default_max_messages(std::size_t total_data_bytes) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(total_data_bytes / 1024, 64, 8192));
}

void close_all_handles() noexcept {
  shm::process_channels::close_all(shm::process_channels::Exempt::nobody);
}

}  // namespace ipc0cp
