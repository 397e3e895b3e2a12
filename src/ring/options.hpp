// SPDX-License-Identifier: Apache-2.0
// The options of handles on their way to the core: refused outside their limits, with the limit and
// a way out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ipc0cp/options.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

/// 0 stands for the size of the ring that is there.
/// @throws Error invalid_argument.
void check_total(std::size_t total_data_bytes);
/// What only producers say of a ring.
/// @throws Error invalid_argument.
void check_ring_options(const ProducerOptions& options);

/// What only consumers say. @throws Error invalid_argument.
void check_consumer_options(const ConsumerOptions& options);

/// What producers and consumers say alike when they join.
template <class Options>
shm::OpenOptions joining_options(const std::string& name, shm::Role role,
                                 std::size_t total_data_bytes, const Options& options) {
  shm::OpenOptions open;
  open.name = name;
  open.role = role;
  open.total_data_bytes = total_data_bytes;
  open.stale = options.stale;
  open.trusted_owners = options.trusted_owners;
  open.interrupt_check = options.interrupt_check;
  return open;
}

}  // namespace ipc0cp
