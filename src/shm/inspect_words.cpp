// SPDX-License-Identifier: Apache-2.0
// The words of ipc0cp/inspect.hpp.
#include "ipc0cp/inspect.hpp"

#include <array>
#include <cstddef>

namespace ipc0cp::inspect {
namespace {

template <class Value, std::size_t kCount>
std::string_view word_for(Value value, const std::array<std::string_view, kCount>& words) noexcept {
  const auto index = static_cast<std::size_t>(value);
  return index < kCount ? words[index] : std::string_view("unknown");
}

constexpr std::array<std::string_view, 8> kStates = {
    "live",    "waiting for a consumer", "orphan",     "retired",
    "damaged", "other version",          "not a ring", "no permission"};
constexpr std::array<std::string_view, 6> kRoles = {"producer",  "consumer", "subscriber",
                                                    "attaching", "closed",   "gone"};
constexpr std::array<std::string_view, 5> kProcessStates = {"running", "sleeping", "stopped",
                                                            "dead", "unknown"};
constexpr std::array<std::string_view, 5> kWaits = {"nothing", "a message", "room", "a consumer",
                                                    "the lock"};

}  // namespace

std::string_view to_string(RingState state) noexcept { return word_for(state, kStates); }
std::string_view to_string(Role role) noexcept { return word_for(role, kRoles); }
std::string_view to_string(ProcessState state) noexcept { return word_for(state, kProcessStates); }
std::string_view to_string(WaitsFor what) noexcept { return word_for(what, kWaits); }

}  // namespace ipc0cp::inspect
