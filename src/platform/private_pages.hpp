// SPDX-License-Identifier: Apache-2.0
// Whole pages of private memory, which can grow without a copy.
#pragma once

#include <sys/mman.h>

#include <cstddef>

namespace ipc0cp::platform {

/// Zeros that cost nothing until they are touched; null without memory.
inline void* map_pages(std::size_t bytes) noexcept {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? nullptr : pages;
}

/// The same pages, more of them, perhaps elsewhere; null without memory, and nothing has changed.
inline void* grow_pages(void* pages, std::size_t old_bytes, std::size_t bytes) noexcept {
  void* moved = mremap(pages, old_bytes, bytes, MREMAP_MAYMOVE);
  return moved == MAP_FAILED ? nullptr : moved;
}

inline void unmap_pages(void* pages, std::size_t bytes) noexcept { munmap(pages, bytes); }

}  // namespace ipc0cp::platform
