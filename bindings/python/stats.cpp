// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/stats.hpp"

#include "handles.hpp"

namespace ipc0cp::python {
namespace {

nb::list stats_table() {
  nb::list rows;
  const auto append = [&](const char* name, const char* sentence) {
    rows.append(nb::make_tuple(name, sentence));
  };
#define IPC0CP_ROW(type, name, sentence) append(#name, sentence);
  IPC0CP_RING_STATS(IPC0CP_ROW)
#undef IPC0CP_ROW
  return rows;
}

}  // namespace

nb::dict stats_to_dict(const RingStats& stats) {
  nb::dict result;
#define IPC0CP_STORE(type, name, sentence) result[#name] = stats.name;
  IPC0CP_RING_STATS(IPC0CP_STORE)
#undef IPC0CP_STORE
  return result;
}

void bind_stats(nb::module_& module) {
  module.def("stats_table", &stats_table, nb::sig("def stats_table() -> list[tuple[str, str]]"),
             "Name and sentence of each field of RingStats.");
}

}  // namespace ipc0cp::python
