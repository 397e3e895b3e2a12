// SPDX-License-Identifier: Apache-2.0
#include "watcher.hpp"

#include <cstdint>

namespace ipc0cp::python {

void bind_watcher(nb::module_& module) {
  nb::class_<PythonWatcher>(module, "Watcher",
                            "Waits for a ring in a thread of its own and tells by a descriptor.")
      .def_prop_ro(
          "descriptor", [](const PythonWatcher& watcher) { return watcher.get()->descriptor(); },
          "Readable after a wait has ended.")
      .def(
          "arm",
          [](const PythonWatcher& watcher, std::uint64_t message_bytes, std::uint64_t block_bytes,
             bool nobody_reads, bool no_memory) {
            watcher.get()->arm({message_bytes, block_bytes, nobody_reads, no_memory});
          },
          nb::arg("message_bytes") = 0, nb::arg("block_bytes") = 0, nb::arg("nobody_reads") = false,
          nb::arg("no_memory") = false,
          "Begin a wait; it ends when another attempt is worth while. Takes what `refused` says.")
      .def(
          "disarm", [](const PythonWatcher& watcher) { watcher.get()->disarm(); },
          "Nobody waits any more.")
      .def(
          "take", [](const PythonWatcher& watcher) { return watcher.get()->take(); },
          "Make the descriptor unreadable; whether it was readable.");
  module.def(
      "refused",
      [] {
        const shm::RoomWanted wanted = shm::Channel::refused_here();
        return nb::make_tuple(wanted.message_bytes, wanted.block_bytes, wanted.nobody_reads,
                              wanted.no_memory);
      },
      nb::sig("def refused() -> tuple[int, int, bool, bool]"),
      "What the last push of this thread that was refused would need; for Watcher.arm.");
}

}  // namespace ipc0cp::python
