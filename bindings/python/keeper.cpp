// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/ring_keeper.hpp"

#include <nanobind/stl/string.h>

#include <utility>

#include "gil.hpp"
#include "handles.hpp"

namespace ipc0cp::python {
namespace {

/// Gives the GIL away while it lets go, which may wait.
class KeeperHandle : public RingKeeper {
 public:
  explicit KeeperHandle(const std::string& name) : RingKeeper(name) {}
  explicit KeeperHandle(RingKeeper keeper) noexcept : RingKeeper(std::move(keeper)) {}
  KeeperHandle(KeeperHandle&&) noexcept = default;
  KeeperHandle& operator=(KeeperHandle&&) = delete;
  ~KeeperHandle() {
    if (descriptor() < 0 || is_shut_down()) return;
    const WithoutGil region;
    close();
  }
};

}  // namespace

void bind_keeper(nb::module_& module) {
  nb::class_<KeeperHandle>(
      module, "RingKeeper",
      "Keeps a ring while it is handed to processes that have not attached yet.")
      .def(nb::init<const std::string&>(), nb::arg("name"),
           nb::sig("def __init__(self, name: str) -> None"))
      .def_static(
          "adopt",
          [](const std::string& name, int descriptor) {
            return KeeperHandle(RingKeeper::adopt(name, descriptor));
          },
          nb::arg("name"), nb::arg("descriptor"),
          nb::sig("def adopt(name: str, descriptor: int) -> RingKeeper"),
          "Take over a descriptor that was inherited or received.")
      .def_prop_ro("descriptor", &KeeperHandle::descriptor,
                   "To be inherited or sent; -1 once closed.")
      .def(
          "close", [](KeeperHandle& keeper) { without_gil([&] { keeper.close(); }); },
          "Let go; whoever does so last removes the ring.");
}

}  // namespace ipc0cp::python
