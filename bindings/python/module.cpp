// SPDX-License-Identifier: Apache-2.0
/// @file
/// The extension module `ipc0cp._core`. It knows no protocol: it sits on the public C++ API.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "arguments.hpp"
#include "block.hpp"
#include "buffers.hpp"
#include "errors.hpp"
#include "flatbuffer.hpp"
#include "gil.hpp"
#include "handles.hpp"
#include "ipc0cp/limits.hpp"
#include "ipc0cp/message.hpp"
#include "json.hpp"
#include "log_bridge.hpp"
#include "platform/ring_directory.hpp"
#include "watcher.hpp"

namespace {

/// The state of this module is the process': a second interpreter would replace the first one's
/// exceptions, log receiver and types.
void refuse_other_interpreters() {
  const std::int64_t interpreter = PyInterpreterState_GetID(PyInterpreterState_Get());
  if (interpreter == 0) return;
  throw std::runtime_error(
      "ipc0cp works in the main interpreter of a process only, not in sub-interpreter " +
      std::to_string(interpreter) +
      "; use processes or threads (mod_wsgi: WSGIApplicationGroup %{GLOBAL})");
}

}  // namespace

NB_MODULE(_core, module) {
  refuse_other_interpreters();
  // Handles and views that live until the interpreter ends are ordinary use, not leaks.
  nanobind::set_leak_warnings(false);
  module.def(
      "version", [] { return IPC0CP_VERSION; }, nanobind::sig("def version() -> str"),
      "The version of the core and of this package.");
  module.def(
      "ring_directory", [] { return ipc0cp::platform::ring_directory(); },
      nanobind::sig("def ring_directory() -> str"), "Where the files of rings are.");
  module.attr("MIN_TOTAL_DATA_BYTES") = ipc0cp::kMinTotalDataBytes;
  module.attr("MAX_TOTAL_DATA_BYTES") = ipc0cp::kMaxTotalDataBytes;
  module.attr("MAX_MAX_MESSAGES") = ipc0cp::kMaxMaxMessages;
  module.attr("MAX_PARTICIPANTS") = ipc0cp::kMaxParticipants;
  module.attr("MIN_MODE") = ipc0cp::kMinMode;
  module.attr("MAX_MODE") = ipc0cp::kMaxMode;
  module.def(
      "timeout_seconds",
      [](nanobind::handle timeout, const char* name) {
        const ipc0cp::Timeout value = ipc0cp::python::timeout_from(timeout, name);
        return value.is_forever() ? HUGE_VAL : static_cast<double>(value.nanoseconds()) * 1e-9;
      },
      nanobind::arg("timeout").none(), nanobind::arg("name") = "timeout",
      nanobind::sig("def timeout_seconds(timeout: object, name: str = ...) -> float"),
      "Any time-out as all calls take it; None is inf. Raises InvalidArgument for a negative one or"
      " NaN, TypeError for what is no number.");
  const auto bytes_of = [](std::string_view text) {
    return nanobind::bytes(text.data(), text.size());
  };
  module.attr("BYTES_METADATA") = bytes_of(ipc0cp::kBytesMetadata);
  module.attr("TEXT_METADATA") = bytes_of(ipc0cp::kTextMetadata);
  module.doc() = "The C++ core of ipc0cp. Use the names in `ipc0cp` instead.";
  ipc0cp::python::bind_errors(module);
  ipc0cp::python::bind_log(module);
  ipc0cp::python::set_up_gil(module);
  ipc0cp::python::bind_blocks(module);
  ipc0cp::python::bind_buffers(module);
  ipc0cp::python::bind_json_reader(module);
  ipc0cp::python::bind_json_writer(module);
  ipc0cp::python::bind_flatbuffers(module);
  ipc0cp::python::bind_watcher(module);
  ipc0cp::python::bind_stats(module);
  ipc0cp::python::bind_producer(module);
  ipc0cp::python::bind_consumer(module);
  ipc0cp::python::bind_keeper(module);
  ipc0cp::python::bind_inspect(module);
  ipc0cp::python::bind_task_count(module);
  ipc0cp::python::bind_stdio(module);
}
