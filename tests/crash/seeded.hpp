// SPDX-License-Identifier: Apache-2.0
// Defects of the core that the harness has to catch. defects/ says what each one does.
#pragma once

#include <string_view>

namespace ipc0cp::crash {

/// Whether this run is to have the defect of that name, as `--defect` says.
bool seeded(std::string_view defect) noexcept;

}  // namespace ipc0cp::crash
