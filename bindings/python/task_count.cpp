// SPDX-License-Identifier: Apache-2.0
#include "ring/task_count.hpp"

#include <cstdint>

#include "arguments.hpp"
#include "gil.hpp"
#include "handles.hpp"
#include "platform/clock.hpp"

namespace ipc0cp::python {
namespace {

constexpr std::int64_t kSliceNs = 50 * platform::kMillisecond;

/// Sleeps for one slice at most, so that callers hear signals and look at the ring again.
void wait_for_change(const TaskCount& count, std::uint32_t seen) {
  without_gil([&] {
    count.wait(seen, kSliceNs);
    interrupt_check();
  });
  raise_pending_error();
}

}  // namespace

void bind_task_count(nb::module_& module) {
  nb::class_<TaskCount>(module, "TaskCount", "What the processes of a queue share beside its ring.")
      .def(nb::init<>())
      .def_static("adopt", &TaskCount::adopt, nb::arg("descriptor"),
                  nb::sig("def adopt(descriptor: int) -> TaskCount"),
                  "Take over a descriptor that was inherited or received.")
      .def_prop_ro("descriptor", &TaskCount::descriptor, "To be inherited or sent.")
      // With the GIL, as everything that reads the descriptor.
      .def("give_descriptor_up", &TaskCount::give_descriptor_up,
           "Close the descriptor; the counts stay.")
      .def_prop_ro("finished", &TaskCount::finished, "Tasks finished since the queue was made.")
      .def("finish_one", &TaskCount::finish_one, nb::arg("put"),
           "Count one more as finished; False: all that were put are.")
      .def_prop_ro(
          "state", [](const TaskCount& count) { return static_cast<int>(count.state()); },
          "0: open, 1: shut down, what is queued can be got, 2: shut down at once.")
      .def(
          "shut_down",
          [](TaskCount& count, bool immediate) {
            count.raise_state(immediate ? TaskCount::State::stopped : TaskCount::State::draining);
          },
          nb::arg("immediate"), "Raise `state` for all processes.")
      .def_prop_ro("event", &TaskCount::event, "Changes with each change of the others.")
      .def("wait", &wait_for_change, nb::arg("seen"),
           "Sleep until `event` is not `seen` any more, 50 ms at most.");
}

}  // namespace ipc0cp::python
