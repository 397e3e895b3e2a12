// SPDX-License-Identifier: Apache-2.0
// What readers and writers of lists and maps share.
#pragma once

#include <cstddef>

namespace ipc0cp::codec {

/// Larger arrays are no part of a run, so that each of them is aligned to 64 bytes.
inline constexpr std::size_t kMostArrayBytesInRun = 4096;

/// Of the keys of one map, those beyond 64 bits: Python's hash of such integers is easy to foresee.
inline constexpr std::size_t kMostBigKeys = 1024;

/// The next multiple of 64, at which records and the elements of a run begin.
constexpr std::size_t aligned(std::size_t bytes) noexcept {
  constexpr std::size_t kAlignment = 64;
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace ipc0cp::codec
