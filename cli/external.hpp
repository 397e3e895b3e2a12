// SPDX-License-Identifier: Apache-2.0
// Commands that are programs of their own: `ipc0cp bridge` runs ipc0cp-bridge from PATH.
#pragma once

#include <string>
#include <vector>

namespace ipc0cp::cli {

/// Becomes the program `ipc0cp-WORD` with the arguments behind the word. Returns only if there is
/// none: errno, or ENOENT.
int become_external(const std::string& word, const std::vector<std::string>& arguments);
/// The same, but the program that lies beside this one comes first.
int become_sibling(const std::string& word, const std::vector<std::string>& arguments);
/// The X of all programs ipc0cp-X on PATH, sorted.
std::vector<std::string> external_words();

}  // namespace ipc0cp::cli
