// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <utility>

#include "ipc0cp/copy.hpp"
#include "ipc0cp/flatbuffer_data.hpp"
#include "objects/objects_internal.hpp"
#include "rules/flatbuffer.hpp"

namespace ipc0cp {

std::unique_ptr<FlatBufferData> FlatBufferAccess::view(
    std::shared_ptr<const detail::FlatBufferLayout> layout, const Payload& payload) {
  return std::unique_ptr<FlatBufferData>(new FlatBufferData(std::move(layout), keep(payload)));
}

FlatBufferData::FlatBufferData(std::shared_ptr<const detail::FlatBufferLayout> layout,
                               Payload payload) noexcept
    : layout_(std::move(layout)), payload_(std::move(payload)) {}

FlatBufferData::FlatBufferData(const Payload& buffer)
    : FlatBufferData(codec::inspect_flatbuffer(buffer.bytes), keep(buffer)) {}

std::string_view FlatBufferData::identifier() const noexcept { return layout_->identifier; }
bool FlatBufferData::size_prefixed() const noexcept { return layout_->size_prefixed; }
std::string_view FlatBufferData::metadata_json() const { return layout_->metadata_json; }

FlatBufferData FlatBufferData::clone() const {
  // Not verified: the block may have changed between verifying and copying.
  return {layout_, keep({payload_.bytes, nullptr})};
}

void FlatBufferData::write_payload(std::span<std::byte> target) const {
  copy_payload(target, payload_.bytes);
}

}  // namespace ipc0cp
