// SPDX-License-Identifier: Apache-2.0
/// @file
/// What an exit hook calls.
#pragma once

#include "ipc0cp/export.hpp"

namespace ipc0cp {

/// Ends every blocked call of this process with `closed` and closes all its handles; for exit
/// hooks. Loans and messages stay valid. Never waits longer than 1 s.
IPC0CP_EXPORT void close_all_handles() noexcept;

}  // namespace ipc0cp
