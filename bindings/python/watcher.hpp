// SPDX-License-Identifier: Apache-2.0
/// @file
/// Watcher: the core's Readiness for Python.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "ring/readiness.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// A Readiness whose end gives the GIL away, because it waits for a thread.
class Watcher {
 public:
  Watcher(shm::Channel& channel, Readiness::For purpose)
      : readiness_(std::make_unique<Readiness>(channel, purpose)) {}
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  [[nodiscard]] Readiness& readiness() const noexcept { return *readiness_; }

 private:
  std::unique_ptr<Readiness> readiness_;
};

void bind_watcher(nb::module_& module);

}  // namespace ipc0cp::python
