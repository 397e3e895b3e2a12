// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/ring_keeper.hpp"

#include <nanobind/stl/string.h>

#include "gil.hpp"
#include "handles.hpp"

namespace ipc0cp::python {

void bind_keeper(nb::module_& module) {
  nb::class_<RingKeeper>(module, "RingKeeper",
                         "Keeps a ring while it is handed to processes that have not attached yet.")
      .def(nb::init<const std::string&>(), nb::arg("name"),
           nb::sig("def __init__(self, name: str) -> None"))
      .def_static("adopt", &RingKeeper::adopt, nb::arg("name"), nb::arg("descriptor"),
                  nb::sig("def adopt(name: str, descriptor: int) -> RingKeeper"),
                  "Take over a descriptor that was inherited or received.")
      .def_prop_ro("descriptor", &RingKeeper::descriptor,
                   "To be inherited or sent; -1 once closed.")
      .def(
          "close", [](RingKeeper& keeper) { without_gil([&] { keeper.close(); }); },
          "Let go; whoever does so last removes the ring.");
}

}  // namespace ipc0cp::python
