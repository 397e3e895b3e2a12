// SPDX-License-Identifier: Apache-2.0
#include "block.hpp"

#include "arguments.hpp"
#include "gil.hpp"

namespace ipc0cp::python {
namespace {

/// What empty payloads point to, as aligned as others.
alignas(64) std::byte g_nothing[64];

int fill(PyObject* self, Py_buffer* view, std::span<const std::byte> bytes, bool read_only,
         int flags) {
  return PyBuffer_FillInfo(view, self, address_of(bytes), static_cast<Py_ssize_t>(bytes.size()),
                           read_only ? 1 : 0, flags);
}

int export_block(PyObject* self, Py_buffer* view, int flags) {
  const auto* block = nb::inst_ptr<Block>(self);
  return fill(self, view, block->message.payload(), true, flags);
}

int export_loan(PyObject* self, Py_buffer* view, int flags) {
  const auto* block = nb::inst_ptr<LoanBlock>(self);
  if (!block->loan.active()) {
    view->obj = nullptr;
    PyErr_SetString(PyExc_BufferError, "this loan has been published; its memory is gone");
    return -1;
  }
  return fill(self, view, block->loan.bytes(), false, flags);
}

PyType_Slot g_block_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(export_block)},
                               {0, nullptr}};
PyType_Slot g_loan_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(export_loan)},
                              {0, nullptr}};

nb::bytes metadata_of(const Block& block) {
  const std::string_view metadata = block.message.metadata();
  return nb::bytes(metadata.data(), metadata.size());
}

bool publish(LoanBlock& block, nb::bytes metadata, nb::handle seconds) {
  const Timeout timeout = timeout_from(seconds);
  const std::string_view text = text_of(metadata);
  return without_gil([&] { return block.loan.publish(text, timeout); });
}

}  // namespace

std::byte* address_of(std::span<const std::byte> bytes) noexcept {
  return bytes.empty() ? g_nothing : const_cast<std::byte*>(bytes.data());
}

void bind_blocks(nb::module_& module) {
  nb::class_<Block>(module, "Block", nb::type_slots(g_block_slots), nb::is_weak_referenceable(),
                    "A message taken from the ring: a read-only buffer that keeps its block.")
      .def_prop_ro("metadata", &metadata_of, "The metadata as UTF-8 JSON; empty: plain bytes.")
      .def_prop_ro(
          "id", [](const Block& block) { return block.message.id(); },
          "Position in the ring's order of publishing.")
      .def_prop_ro(
          "deliveries", [](const Block& block) { return block.message.deliveries(); },
          "How often the message has been handed out, 1 for the first time.")
      .def_prop_ro(
          "is_view", [](const Block& block) { return block.message.is_view(); },
          "Whether the payload lies in the ring and not in a copy.")
      .def(
          "done", [](Block& block) { block.message.done(); },
          "Redelivery: the message is finished and will not come again.")
      .def(
          "requeue", [](Block& block) { block.message.requeue(); },
          "Redelivery: the message goes back to its place once no view of it is left.")
      .def("__len__", [](const Block& block) { return block.message.payload().size(); });
  nb::class_<LoanBlock>(module, "LoanBlock", nb::type_slots(g_loan_slots),
                        nb::is_weak_referenceable(),
                        "A block lent to a producer: a writable buffer until it is published.")
      .def_prop_ro(
          "active", [](const LoanBlock& block) { return block.loan.active(); },
          "Whether the block can still be written and published.")
      .def("publish", &publish, nb::arg("metadata"), nb::arg("timeout").none(),
           nb::sig("def publish(self, metadata: bytes, timeout: float | None) -> bool"),
           "Hand the block to the consumers; False: no lock in time, the loan is still active.")
      .def(
          "abandon", [](LoanBlock& block) { block.loan.abandon(); }, "Give the block back unread.")
      .def("__len__", [](const LoanBlock& block) { return block.loan.bytes().size(); });
  module.def(
      "references", [](nb::handle object) { return Py_REFCNT(object.ptr()); }, nb::arg("object"),
      "The reference count of `object`, the caller's own argument included.");
}

}  // namespace ipc0cp::python
