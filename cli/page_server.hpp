// SPDX-License-Identifier: Apache-2.0
// What a browser gets: docs/command_line.md, "ipc0cp serve".
#pragma once

#include "serve_options.hpp"

namespace ipc0cp::cli {

/// Shows the page until a signal comes.
/// @throws Failure the port is taken, or this machine has not the address.
int serve(const ServeOptions& options);

}  // namespace ipc0cp::cli
