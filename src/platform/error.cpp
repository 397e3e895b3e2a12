// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/error.hpp"

#include <array>

namespace ipc0cp {
namespace {

struct Row {
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array kRows = {
#define IPC0CP_ROW(code, python_class, sentence) Row{#code, sentence},
    IPC0CP_ERROR_CODES(IPC0CP_ROW)
#undef IPC0CP_ROW
};

/// A number that is no code, as a newer library may return, is some failure of the system.
const Row& row_of(ErrorCode code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < kRows.size() ? kRows[index] : kRows.back();
}

}  // namespace

std::string_view to_string(ErrorCode code) noexcept { return row_of(code).name; }
std::string_view explain(ErrorCode code) noexcept { return row_of(code).sentence; }

Error::Error(ErrorCode code, const std::string& message, int system_errno)
    : std::runtime_error(message), code_(code), system_errno_(system_errno) {}

Error::~Error() = default;

}  // namespace ipc0cp
