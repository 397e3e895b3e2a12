// SPDX-License-Identifier: Apache-2.0
// The files of cli/page as they are inside the program; the build makes the source file of it.
#pragma once

#include <span>
#include <string_view>

namespace ipc0cp::cli {

struct PageFile {
  std::string_view path;  ///< "/page.css".
  const char* content_type;
  std::string_view content;
};

std::span<const PageFile> page_files() noexcept;

}  // namespace ipc0cp::cli
