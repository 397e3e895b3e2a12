// SPDX-License-Identifier: Apache-2.0
// Names for addresses of this program, hidden functions included.
#pragma once

#include <cstdint>
#include <string>

namespace ipc0cp::crash {

/// "ipc0cp::shm::Lock::release_and_wake()+0x1c", or the library for an address outside of us.
std::string symbol_of(std::uint64_t address);

}  // namespace ipc0cp::crash
