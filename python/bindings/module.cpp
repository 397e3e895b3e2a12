// SPDX-License-Identifier: Apache-2.0
/// @file
/// The extension module `ipc0cp._core`. It knows no protocol: it sits on the public C++ API.
#include <nanobind/nanobind.h>

#include "block.hpp"
#include "buffers.hpp"
#include "errors.hpp"
#include "gil.hpp"
#include "handles.hpp"
#include "ipc0cp/limits.hpp"
#include "json_check.hpp"
#include "log_bridge.hpp"
#include "watcher.hpp"

NB_MODULE(_core, module) {
  // Handles and views that live until the interpreter ends are ordinary use, not leaks.
  nanobind::set_leak_warnings(false);
  module.def(
      "version", [] { return IPC0CP_VERSION; }, nanobind::sig("def version() -> str"),
      "The version of the core and of this package.");
  module.attr("MIN_TOTAL_DATA_BYTES") = ipc0cp::kMinTotalDataBytes;
  module.attr("MAX_TOTAL_DATA_BYTES") = ipc0cp::kMaxTotalDataBytes;
  module.attr("MAX_MAX_MESSAGES") = ipc0cp::kMaxMaxMessages;
  module.attr("MIN_MODE") = ipc0cp::kMinMode;
  module.attr("MAX_MODE") = ipc0cp::kMaxMode;
  module.doc() = "The C++ core of ipc0cp. Use the names in `ipc0cp` instead.";
  ipc0cp::python::bind_errors(module);
  ipc0cp::python::bind_log(module);
  ipc0cp::python::set_up_gil(module);
  ipc0cp::python::bind_blocks(module);
  ipc0cp::python::bind_buffers(module);
  ipc0cp::python::bind_json_check(module);
  ipc0cp::python::bind_watcher(module);
  ipc0cp::python::bind_producer(module);
  ipc0cp::python::bind_consumer(module);
  ipc0cp::python::bind_keeper(module);
  ipc0cp::python::bind_stdio(module);
}
