// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "codec_json.hpp"
#include "ipc0cp/containers.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects_internal.hpp"

namespace ipc0cp {
namespace detail {

/// Where each item of a container goes: docs/object_format.md, section 6.
class ContainerPlan {
 public:
  explicit ContainerPlan(bool is_map) : is_map_(is_map) {}

  [[nodiscard]] unsigned levels() const noexcept { return levels_; }
  [[nodiscard]] std::size_t payload_bytes() const noexcept { return payload_bytes_; }

  /// Entry `index`, whose key is `key` in a map. `item` must live as long as the plan.
  void add(std::string_view key, const SerializableObject& item, std::size_t index) {
    const unsigned levels = levels_of(item) + 1;
    if (levels > codec::kMaxContainerLevels) {
      throw Error(ErrorCode::unsupported_type,
                  "lists and maps nest at most " + std::to_string(codec::kMaxContainerLevels) +
                      " levels, this one would have " + std::to_string(levels));
    }
    const auto* json = dynamic_cast<const JsonData*>(&item);
    const auto* text = dynamic_cast<const TextData*>(&item);
    if (json != nullptr || text != nullptr) {
      add_to_run(key, json, text);
    } else {
      add_record(key, item);
    }
    levels_ = std::max(levels_, levels);
    if (is_map_) index_of_key_.emplace(key, index);
  }

  /// The number given to `add`, or -1.
  [[nodiscard]] std::ptrdiff_t find(std::string_view key) const {
    const auto found = index_of_key_.find(std::string(key));
    return found == index_of_key_.end() ? -1 : static_cast<std::ptrdiff_t>(found->second);
  }

  [[nodiscard]] std::string_view metadata_json(std::size_t count) const {
    // Built when it is first asked for: adding many items stays linear.
    const std::lock_guard lock(mutex_);
    if (metadata_json_.empty()) metadata_json_ = make_metadata(count);
    return metadata_json_;
  }

  void write_payload(std::span<std::byte> target) const {
    std::size_t end = 0;
    for (const Record& record : records_) {
      std::fill(target.begin() + static_cast<std::ptrdiff_t>(end),
                target.begin() + static_cast<std::ptrdiff_t>(record.offset), std::byte{0});
      const auto place = target.subspan(record.offset, record.payload_bytes);
      if (record.item != nullptr) {
        record.item->write_payload(place);
      } else {
        std::memcpy(place.data(), record.run.data(), record.run.size());
        place.back() = static_cast<std::byte>(is_map_ ? '}' : ']');
      }
      end = record.offset + record.payload_bytes;
    }
  }

 private:
  struct Record {
    const SerializableObject* item = nullptr;  ///< Null: a run.
    std::string key;
    std::string run;  ///< The JSON text without its closing bracket.
    std::size_t run_length = 0;
    std::size_t offset = 0;
    std::size_t payload_bytes = 0;
  };

  static unsigned levels_of(const SerializableObject& item) {
    if (const auto* json = dynamic_cast<const JsonData*>(&item)) return json->levels();
    if (const auto* list = dynamic_cast<const ListData*>(&item)) return list->levels();
    if (const auto* map = dynamic_cast<const MapData*>(&item)) return map->levels();
    return 0;
  }

  Record& append() {
    constexpr std::size_t kAlignment = 64;
    Record& record = records_.emplace_back();
    record.offset = (payload_bytes_ + kAlignment - 1) / kAlignment * kAlignment;
    return record;
  }

  void add_record(std::string_view key, const SerializableObject& item) {
    Record& record = append();
    record.item = &item;
    record.key = key;
    record.payload_bytes = item.payload_bytes();
    payload_bytes_ = record.offset + record.payload_bytes;
    metadata_json_.clear();
  }

  void add_to_run(std::string_view key, const JsonData* json, const TextData* text) {
    if (records_.empty() || records_.back().item != nullptr) append();
    Record& record = records_.back();
    record.run += record.run_length == 0 ? (is_map_ ? '{' : '[') : ',';
    if (is_map_) {
      codec::append_quoted(record.run, key);
      record.run += ':';
    }
    if (json != nullptr) {
      record.run += json->text();
    } else {
      codec::append_quoted(record.run, text->text());
    }
    ++record.run_length;
    record.payload_bytes = record.run.size() + 1;
    payload_bytes_ = record.offset + record.payload_bytes;
    metadata_json_.clear();
  }

  [[nodiscard]] std::string make_metadata(std::size_t count) const {
    std::string text = is_map_ ? R"({"type":"map","version":"1.0","count":)"
                               : R"({"type":"list","version":"1.0","count":)";
    text += std::to_string(count) + ",\"items\":[";
    for (const Record& record : records_) {
      if (&record != records_.data()) text += ',';
      text += "{\"metadata\":";
      if (record.item == nullptr) {
        text += R"({"type":"json","version":"1.0"},"run":)" + std::to_string(record.run_length);
      } else {
        text += record.item->metadata_json();
        if (is_map_) {
          text += ",\"key\":";
          codec::append_quoted(text, record.key);
        }
      }
      text += ",\"offset\":" + std::to_string(record.offset);
      text += ",\"payload_size\":" + std::to_string(record.payload_bytes) + '}';
    }
    return text + "]}";
  }

  bool is_map_;
  unsigned levels_ = 1;
  std::size_t payload_bytes_ = 0;
  std::vector<Record> records_;
  std::unordered_map<std::string, std::size_t> index_of_key_;
  mutable std::mutex mutex_;
  mutable std::string metadata_json_;
};

void throw_wrong_item(const SerializableObject& found, std::string_view wanted) {
  throw Error(ErrorCode::unsupported_type, "the item has the type \"" +
                                               std::string(found.type_name()) + "\", not \"" +
                                               std::string(wanted) + "\"");
}

}  // namespace detail

namespace {

void check_item(const std::unique_ptr<SerializableObject>& item) {
  if (item == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "add: the object is null; JSON null is JsonData(\"null\")");
  }
}

}  // namespace

ListData::ListData() : plan_(std::make_unique<detail::ContainerPlan>(false)) {}
ListData::ListData(ListData&& other) noexcept = default;
ListData& ListData::operator=(ListData&& other) noexcept = default;
ListData::~ListData() = default;

void ListData::add(std::unique_ptr<SerializableObject> item) {
  check_item(item);
  items_.push_back(std::move(item));
  try {
    plan_->add({}, *items_.back(), items_.size() - 1);
  } catch (...) {
    items_.pop_back();
    throw;
  }
}

const SerializableObject& ListData::at(std::size_t index) const {
  if (index >= items_.size()) {
    throw Error(ErrorCode::invalid_argument,
                "item " + std::to_string(index) + " of a list of " + std::to_string(items_.size()));
  }
  return *items_[index];
}

unsigned ListData::levels() const noexcept { return plan_->levels(); }
std::string_view ListData::metadata_json() const { return plan_->metadata_json(items_.size()); }
std::size_t ListData::payload_bytes() const noexcept { return plan_->payload_bytes(); }
void ListData::write_payload(std::span<std::byte> target) const { plan_->write_payload(target); }

MapData::MapData() : plan_(std::make_unique<detail::ContainerPlan>(true)) {}
MapData::MapData(MapData&& other) noexcept = default;
MapData& MapData::operator=(MapData&& other) noexcept = default;
MapData::~MapData() = default;

void MapData::add(std::string key, std::unique_ptr<SerializableObject> item) {
  check_item(item);
  if (!codec::is_utf8(key)) {
    throw Error(ErrorCode::unsupported_type, "the key of a map entry is not UTF-8");
  }
  if (contains(key)) {
    throw Error(ErrorCode::invalid_argument,
                "the key \"" + key.substr(0, 100) + "\" is in the map already");
  }
  entries_.emplace_back(std::move(key), std::move(item));
  try {
    plan_->add(entries_.back().first, *entries_.back().second, entries_.size() - 1);
  } catch (...) {
    entries_.pop_back();
    throw;
  }
}

const SerializableObject* MapData::find(std::string_view key) const {
  const std::ptrdiff_t index = plan_->find(key);
  return index < 0 ? nullptr : entries_[static_cast<std::size_t>(index)].second.get();
}

const SerializableObject& MapData::at(std::string_view key) const {
  const SerializableObject* item = find(key);
  if (item == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "the map has no key \"" + std::string(key.substr(0, 100)) + "\"");
  }
  return *item;
}

unsigned MapData::levels() const noexcept { return plan_->levels(); }
std::string_view MapData::metadata_json() const { return plan_->metadata_json(entries_.size()); }
std::size_t MapData::payload_bytes() const noexcept { return plan_->payload_bytes(); }
void MapData::write_payload(std::span<std::byte> target) const { plan_->write_payload(target); }

}  // namespace ipc0cp
