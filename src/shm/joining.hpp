// SPDX-License-Identifier: Apache-2.0
// What a newcomer settles under the ring's lock before it takes its role.
#pragma once

#include <string>

#include "shm/life.hpp"
#include "shm/membership.hpp"

namespace ipc0cp::shm {

/// Permission bits as people write them, for example 0o640.
std::string octal(unsigned mode);

// All of the rest need the lock, after a recovery of whoever was found dead.

/// The first producer decides the options of a ring that a consumer made; later ones must agree.
/// False: they do not, and `conflict` says so.
bool agree_on_options(Membership& ring, const OpenOptions& options, std::string& conflict);

/// Contract, "Reruns": what to do with messages that nobody living has pushed. Gives the line for
/// the log, empty if there is nothing to say.
std::string settle_leftovers(Membership& ring, const OpenOptions& options);

/// Becomes a producer or a consumer.
void take_role(Membership& ring, const OpenOptions& options);

}  // namespace ipc0cp::shm
