// SPDX-License-Identifier: Apache-2.0
#include "watcher.hpp"

#include <cstdint>

#include "gil.hpp"

namespace ipc0cp::python {

Watcher::~Watcher() {
  const WithoutGil region;
  readiness_.reset();
}

void bind_watcher(nb::module_& module) {
  nb::class_<Watcher>(module, "Watcher",
                      "Waits for a ring in a thread of its own and tells by a descriptor.")
      .def_prop_ro(
          "descriptor", [](const Watcher& watcher) { return watcher.readiness().descriptor(); },
          "Readable after a wait has ended.")
      .def(
          "arm",
          [](const Watcher& watcher, std::uint64_t message_bytes, std::uint32_t freed_before,
             bool nobody_reads) {
            watcher.readiness().arm(message_bytes, freed_before, nobody_reads);
          },
          nb::arg("message_bytes") = 0, nb::arg("freed_before") = 0,
          nb::arg("nobody_reads") = false,
          "Begin a wait; it ends when another attempt is worth while.")
      .def(
          "disarm", [](const Watcher& watcher) { watcher.readiness().disarm(); },
          "Nobody waits any more.")
      .def(
          "take", [](const Watcher& watcher) { return watcher.readiness().take(); },
          "Make the descriptor unreadable; whether it was readable.");
}

}  // namespace ipc0cp::python
