// SPDX-License-Identifier: Apache-2.0
#include <ostream>
#include <utility>

#include "ipc0cp/containers.hpp"
#include "ipc0cp/error.hpp"
#include "objects/codec_json.hpp"
#include "objects/codec_marks.hpp"
#include "objects/container_plan.hpp"

namespace ipc0cp {
namespace detail {

void throw_wrong_item(const SerializableObject& found, std::string_view wanted) {
  throw Error(ErrorCode::unsupported_type, "the item has the type \"" +
                                               std::string(found.type_name()) + "\", not \"" +
                                               std::string(wanted) + "\"");
}

void throw_null_text() {
  throw Error(ErrorCode::invalid_argument,
              "add: the text is a null pointer; JSON null is add(nullptr)");
}

}  // namespace detail

namespace {

/// Adds `item`, which lies where it will stay, to the plan, which begins with the first item.
void plan_item(std::unique_ptr<detail::ContainerPlan>& plan, bool is_map, const MapKey& key,
               const std::unique_ptr<SerializableObject>& item, std::size_t index) {
  if (item == nullptr) {
    throw Error(ErrorCode::invalid_argument, "add: the object is null; JSON null is add(nullptr)");
  }
  if (plan == nullptr) plan = std::make_unique<detail::ContainerPlan>(is_map);
  plan->add(key, *item, index);
}

/// A key for messages; texts in quotes, so that 1 and "1" are told apart.
std::string shown(const MapKey& key) {
  const std::string text = key.text().substr(0, 100);
  return key.is_integer() ? text : '"' + text + '"';
}

}  // namespace

ListData::ListData() noexcept = default;
ListData::ListData(ListData&& other) noexcept = default;
ListData& ListData::operator=(ListData&& other) noexcept = default;
ListData::~ListData() = default;

ListData& ListData::add(std::unique_ptr<SerializableObject> item) {
  items_.push_back(std::move(item));
  try {
    plan_item(plan_, false, std::string(), items_.back(), items_.size() - 1);
  } catch (...) {
    items_.pop_back();
    throw;
  }
  return *this;
}

const SerializableObject& ListData::at(std::size_t index) const {
  if (index >= items_.size()) {
    throw Error(ErrorCode::invalid_argument,
                "item " + std::to_string(index) + " of a list of " + std::to_string(items_.size()));
  }
  return *items_[index];
}

unsigned ListData::levels() const noexcept { return plan_ == nullptr ? 1 : plan_->levels(); }

std::string_view ListData::metadata_json() const {
  constexpr std::string_view kEmpty = R"({"type":"list","version":"1.0","count":0,"items":[]})";
  return plan_ == nullptr ? kEmpty : plan_->metadata_json(items_.size());
}

std::size_t ListData::payload_bytes() const noexcept {
  return plan_ == nullptr ? 0 : plan_->payload_bytes();
}

void ListData::write_payload(std::span<std::byte> target) const {
  if (plan_ != nullptr) plan_->write_payload(target);
}

MapKey MapKey::big_integer(std::string hex) {
  if (!codec::is_big_integer(hex)) {
    throw Error(ErrorCode::invalid_argument,
                "big_integer(\"" + hex.substr(0, 40) +
                    "\"): expected an integer outside -2^63 .. 2^64-1 as '-' or nothing, 0x and "
                    "small hex digits; smaller ones are MapKey(number)");
  }
  MapKey key(std::move(hex));
  key.is_integer_ = true;
  return key;
}

std::ostream& operator<<(std::ostream& stream, const MapKey& key) { return stream << key.text(); }

MapData::MapData() noexcept = default;
MapData::MapData(MapData&& other) noexcept = default;
MapData& MapData::operator=(MapData&& other) noexcept = default;
MapData::~MapData() = default;

MapData& MapData::add(MapKey key, std::unique_ptr<SerializableObject> item) {
  const std::string& text = key.text();
  if (const std::size_t valid = codec::utf8_bytes(text); valid < text.size()) {
    throw Error(ErrorCode::unsupported_type, "byte " + std::to_string(valid) + " of a key of " +
                                                 std::to_string(text.size()) + " is not UTF-8");
  }
  if (contains(key)) {
    throw Error(ErrorCode::invalid_argument, "the key " + shown(key) + " is in the map already");
  }
  entries_.emplace_back(std::move(key), std::move(item));
  try {
    plan_item(plan_, true, entries_.back().first, entries_.back().second, entries_.size() - 1);
  } catch (...) {
    entries_.pop_back();
    throw;
  }
  return *this;
}

const SerializableObject* MapData::find(const MapKey& key) const {
  const std::ptrdiff_t index = plan_ == nullptr ? -1 : plan_->find(key);
  return index < 0 ? nullptr : entries_[static_cast<std::size_t>(index)].second.get();
}

const SerializableObject& MapData::at(const MapKey& key) const {
  const SerializableObject* item = find(key);
  if (item == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "the map has no key " + shown(key) + " among its " + std::to_string(size()));
  }
  return *item;
}

unsigned MapData::levels() const noexcept { return plan_ == nullptr ? 1 : plan_->levels(); }

std::string_view MapData::metadata_json() const {
  constexpr std::string_view kEmpty = R"({"type":"map","version":"1.0","count":0,"items":[]})";
  return plan_ == nullptr ? kEmpty : plan_->metadata_json(entries_.size());
}

std::size_t MapData::payload_bytes() const noexcept {
  return plan_ == nullptr ? 0 : plan_->payload_bytes();
}

void MapData::write_payload(std::span<std::byte> target) const {
  if (plan_ != nullptr) plan_->write_payload(target);
}

}  // namespace ipc0cp
