// SPDX-License-Identifier: Apache-2.0
// What a newcomer decides under the ring's lock before it takes its role.
#pragma once

#include <string>

#include "shm/attached_ring.hpp"
#include "shm/opening.hpp"

namespace ipc0cp::shm {

/// Permission bits as people write them, for example 0o640.
std::string octal(unsigned mode);

/// What a producer decides for good, as bits of `Header::options`.
std::uint32_t fixed_options(const OpenOptions& options) noexcept;
/// Why a consumer that shares messages with others cannot be here.
std::string no_worker_text(const std::string& name);

// All of the rest need the lock, after a recovery of whoever was found dead.

/// The first producer decides the options of a ring that a consumer made; later ones must agree.
/// False: they do not, and `conflict` says so.
bool agree_on_options(AttachedRing& ring, const OpenOptions& options, std::string& conflict);

/// Contract, "Reruns": what to do with messages that nobody living has pushed. Gives the line for
/// the log, empty if there is nothing to say.
std::string keep_or_discard_leftovers(AttachedRing& ring, const OpenOptions& options);

/// Whether the stream has ended, all its producers having closed, and so lately that a consumer is
/// told so instead of waiting for another: it was late, or there was nothing to send.
bool answer_is_kept(const Header& header, const OpenOptions& options) noexcept;

/// Becomes a producer, a worker or a subscriber. False: there are 40 subscribers already.
bool take_role(AttachedRing& ring, const OpenOptions& options);

}  // namespace ipc0cp::shm
