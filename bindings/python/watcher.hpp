// SPDX-License-Identifier: Apache-2.0
/// @file
/// What waits for a ring by a descriptor, for Python: a Watcher, for asyncio, and a Readiness.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <utility>

#include "gil.hpp"
#include "ipc0cp/readiness.hpp"
#include "ring/errors.hpp"
#include "ring/watcher.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// Something whose end gives the GIL away, because it waits for a thread.
template <class Waiting>
class EndsWithoutGil {
 public:
  EndsWithoutGil() = default;
  template <class... Arguments>
  explicit EndsWithoutGil(std::in_place_t, Arguments&&... arguments)
      : waiting_(std::make_unique<Waiting>(std::forward<Arguments>(arguments)...)) {}
  EndsWithoutGil(EndsWithoutGil&&) noexcept = default;
  EndsWithoutGil(const EndsWithoutGil&) = delete;
  EndsWithoutGil& operator=(const EndsWithoutGil&) = delete;
  ~EndsWithoutGil() { reset(); }

  void reset() noexcept {
    if (waiting_ == nullptr) return;
    const nb::error_scope keep_pending_error;
    const WithoutGil region;
    waiting_.reset();
  }
  void set(std::unique_ptr<Waiting> waiting) noexcept { waiting_ = std::move(waiting); }
  [[nodiscard]] Waiting* get() const noexcept { return waiting_.get(); }

 private:
  std::unique_ptr<Waiting> waiting_;
};

/// The descriptor of a handle, made at first use. Needs the GIL.
class HandleReadiness {
 public:
  /// @throws Error as Readiness.
  template <class Core>
  int fd(Core& core) {
    const Readiness& readiness = of(core);
    // select() asks for the descriptor each time; so it also sees that another was faster.
    without_gil([&] { return readiness.ready(); });
    return readiness.fd();
  }
  template <class Core>
  bool ready(Core& core) {
    const Readiness& readiness = of(core);
    return without_gil([&] { return readiness.ready(); });
  }

 private:
  template <class Core>
  const Readiness& of(Core& core) {
    if (readiness_.get() == nullptr) {
      auto made = without_gil([&] { return std::make_unique<Readiness>(core); });
      // Another thread may have been faster meanwhile; then both have the same descriptor.
      EndsWithoutGil<Readiness> superfluous;
      if (readiness_.get() == nullptr) {
        readiness_.set(std::move(made));
      } else {
        superfluous.set(std::move(made));
      }
    } else if (core.channel().forked()) {
      fail(ErrorCode::forked_handle, core.channel());  // The descriptor is the parent's.
    }
    return *readiness_.get();
  }

  EndsWithoutGil<Readiness> readiness_;
};

/// Binds `fileno` and `ready` of a handle of a ring.
template <class Type>
void bind_readiness(nb::class_<Type>& type) {
  type.def("fileno", &Type::fileno, "A descriptor that is readable while there is something to do.")
      .def("ready", &Type::ready, "Whether there is something to do now.");
}

using PythonWatcher = EndsWithoutGil<Watcher>;

void bind_watcher(nb::module_& module);

}  // namespace ipc0cp::python
