// SPDX-License-Identifier: Apache-2.0
/// @file
/// The Python objects that keep a block of the ring: `Block` (read) and `LoanBlock` (written).
///
/// Both export their bytes through the buffer protocol. Arrays and memoryviews made over them hold
/// a reference, so the block goes back exactly when the last of them is gone; nothing else gives a
/// read block back. Thread safety: guarded by the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <span>
#include <utility>

#include "ipc0cp/loan.hpp"
#include "ipc0cp/message.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// A message taken from the ring; read-only.
struct Block {
  explicit Block(Message&& taken) : message(std::move(taken)) {}
  Message message;
};

/// A loan of a producer; writable until it is published.
struct LoanBlock {
  explicit LoanBlock(Loan&& lent) : loan(std::move(lent)) {}
  Loan loan;
};

/// Where `bytes` lie, never null: Python refuses a null pointer, and NumPy takes it for "allocate".
std::byte* address_of(std::span<const std::byte> bytes) noexcept;

/// Adds both classes to the module.
void bind_blocks(nb::module_& module);

}  // namespace ipc0cp::python
