// SPDX-License-Identifier: Apache-2.0
#include "flatbuffer.hpp"

#include <string>
#include <utility>

#include "arguments.hpp"
#include "rules/flatbuffer.hpp"

namespace ipc0cp::python {
namespace {

/// What the metadata of a FlatBuffer say.
class FlatBufferLayout {
 public:
  static FlatBufferLayout inspect(nb::handle buffer) {
    return FlatBufferLayout(codec::inspect_flatbuffer(BufferArgument(buffer).bytes()));
  }
  static FlatBufferLayout make(nb::handle identifier, bool size_prefixed) {
    std::string text;
    if (!identifier.is_none()) {
      text = text_of(identifier);
      if (text.empty())
        throw Error(ErrorCode::corrupt_payload, "a flatbuffer's identifier is empty");
    }
    return FlatBufferLayout(
        codec::complete_flatbuffer(std::move(text), size_prefixed, ErrorCode::corrupt_payload));
  }

  void check(nb::handle payload) const {
    codec::check_flatbuffer(*layout_, BufferArgument(payload).bytes());
  }
  [[nodiscard]] nb::object identifier() const {
    if (layout_->identifier.empty()) return nb::none();
    return nb::bytes(layout_->identifier.data(), layout_->identifier.size());
  }
  [[nodiscard]] bool size_prefixed() const { return layout_->size_prefixed; }
  [[nodiscard]] nb::bytes metadata() const {
    return nb::bytes(layout_->metadata_json.data(), layout_->metadata_json.size());
  }

 private:
  explicit FlatBufferLayout(codec::FlatBufferLayout layout) : layout_(std::move(layout)) {}

  codec::FlatBufferLayout layout_;
};

}  // namespace

void bind_flatbuffers(nb::module_& module) {
  nb::class_<FlatBufferLayout>(module, "FlatBufferLayout")
      .def_static("inspect", &FlatBufferLayout::inspect, nb::arg("buffer"),
                  nb::sig("def inspect(buffer: object) -> FlatBufferLayout"),
                  "What a writer says of a buffer. Raises InvalidArgument naming what is wrong.")
      .def_static("make", &FlatBufferLayout::make, nb::arg("identifier").none(),
                  nb::arg("size_prefixed"),
                  nb::sig("def make(identifier: bytes | None, size_prefixed: bool)"
                          " -> FlatBufferLayout"),
                  "What metadata say. Raises CorruptPayload if no identifier is like that.")
      .def("check", &FlatBufferLayout::check, nb::arg("payload"),
           nb::sig("def check(self, payload: object) -> None"),
           "Raises CorruptPayload unless the payload is what the metadata say.")
      .def_prop_ro("identifier", &FlatBufferLayout::identifier,
                   nb::sig("def identifier(self) -> bytes | None"))
      .def_prop_ro("size_prefixed", &FlatBufferLayout::size_prefixed)
      .def_prop_ro("metadata", &FlatBufferLayout::metadata, nb::sig("def metadata(self) -> bytes"));
}

}  // namespace ipc0cp::python
