// SPDX-License-Identifier: Apache-2.0
/// @file
/// Messages on their way into a ring, and what their bytes belong to. All of it needs the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "arguments.hpp"
#include "array_cache.hpp"
#include "ipc0cp/ring_buffer.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// An object as the message it becomes; valid as long as its keepers.
struct Outgoing {
  RawMessage message;  ///< Without metadata: not an object that the fast path knows.
  nb::object keeper;
  std::shared_ptr<const ArrayLayout> layout;
};

/// Objects of the hot types: `bytes`, `str`, and arrays of a layout in `cache`.
Outgoing find_message(nb::handle object, ArrayCache& cache);

/// Messages of a push_many that are queued together.
class OutgoingBatch {
 public:
  /// Takes objects until it is full or `iterator` is at its end. What is not hot is encoded by
  /// `encode(object)`, which returns metadata and a buffer.
  /// @return whether there may be more objects.
  bool fill(nb::handle iterator, ArrayCache& cache, nb::handle encode);
  void clear() noexcept;
  [[nodiscard]] std::span<const RawMessage> messages() const noexcept { return messages_; }

 private:
  void add(nb::object object, ArrayCache& cache, nb::handle encode);

  std::vector<RawMessage> messages_;
  std::vector<Outgoing> keepers_;
  std::deque<BufferArgument> buffers_;
  std::size_t bytes_ = 0;
};

}  // namespace ipc0cp::python
