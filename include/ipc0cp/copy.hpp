// SPDX-License-Identifier: Apache-2.0
// For who fills a loan by hand: the copy that `push` makes.
#pragma once

#include <cstddef>
#include <span>

namespace ipc0cp {

/// Copies `source` to the beginning of `target`, as `std::memcpy` would, but past the cache where
/// that is faster: payloads that do not stay in the cache anyway, from half of the last cache
/// (8-64 MiB) up to 96 MiB. The environment variable IPC0CP_COPY = auto, memcpy, stream or
/// rep_movsb forces one way for all copies of 4 KiB and more; it is read once per process.
///
/// The two must not overlap. Thread safety: any thread. @throws Error invalid_argument: `target` is
/// the smaller one; nothing is copied.
void copy_payload(std::span<std::byte> target, std::span<const std::byte> source);

}  // namespace ipc0cp
