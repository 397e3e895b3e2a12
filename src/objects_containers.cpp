// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <functional>
#include <mutex>
#include <typeinfo>
#include <unordered_map>

#include "codec_json.hpp"
#include "codec_metadata.hpp"
#include "ipc0cp/containers.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/flatbuffer_data.hpp"
#include "ipc0cp/image_data.hpp"
#include "ipc0cp/numpy_array.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects_internal.hpp"

namespace ipc0cp {
namespace detail {

/// Lets a std::string_view look for a std::string.
struct TextHash : std::hash<std::string_view> {
  using is_transparent = void;
};

/// `item` as a T, null if it is of another class; a dynamic_cast would cost more than all the rest.
template <class T>
const T* exactly(const SerializableObject& item) noexcept {
  static_assert(std::is_final_v<T>);
  return typeid(item) == typeid(T) ? static_cast<const T*>(&item) : nullptr;
}

/// Where each item of a container goes: docs/object_format.md, section 6.
class ContainerPlan {
 public:
  explicit ContainerPlan(bool is_map) : is_map_(is_map) {}

  [[nodiscard]] unsigned levels() const noexcept { return levels_; }
  [[nodiscard]] std::size_t payload_bytes() const noexcept { return payload_bytes_; }

  /// Entry `index`, whose key is `key` in a map. `item` must live as long as the plan.
  void add(std::string_view key, const SerializableObject& item, std::size_t index) {
    const unsigned levels = levels_of(item) + 1;
    if (levels > kMaxContainerLevels) {
      throw Error(ErrorCode::unsupported_type,
                  "lists and maps nest at most " + std::to_string(kMaxContainerLevels) +
                      " levels, this one would have " + std::to_string(levels));
    }
    if (const auto* json = exactly<JsonData>(item)) {
      append_to_run(key) += json->text();
      end_of_run();
    } else if (const auto* text = exactly<TextData>(item)) {
      codec::append_quoted(append_to_run(key), text->text());
      end_of_run();
    } else {
      add_record(key, item);
    }
    levels_ = std::max(levels_, levels);
    if (is_map_) index_of_key_.emplace(key, index);
  }

  /// The number given to `add`, or -1.
  [[nodiscard]] std::ptrdiff_t find(std::string_view key) const {
    const auto found = index_of_key_.find(key);
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
    if (const auto* json = exactly<JsonData>(item)) return json->levels();
    if (const auto* list = exactly<ListData>(item)) return list->levels();
    if (const auto* map = exactly<MapData>(item)) return map->levels();
    return 0;
  }

  /// Classes of users may have any metadata; a broken one would make the whole container
  /// unreadable.
  static std::string_view metadata_of(const SerializableObject& item) {
    constexpr std::string_view kBytes = R"({"type":"bytes","version":"1.0"})";
    const std::string_view metadata = item.metadata_json();
    const bool is_ours =
        exactly<NumpyArray>(item) != nullptr || exactly<ImageData>(item) != nullptr ||
        exactly<BytesData>(item) != nullptr || exactly<FlatBufferData>(item) != nullptr ||
        exactly<ListData>(item) != nullptr || exactly<MapData>(item) != nullptr;
    if (metadata.empty()) return kBytes;
    if (!is_ours) codec::check_metadata(metadata, ErrorCode::unsupported_type);
    return metadata;
  }

  Record& append() {
    constexpr std::size_t kAlignment = 64;
    Record& record = records_.emplace_back();
    record.offset = (payload_bytes_ + kAlignment - 1) / kAlignment * kAlignment;
    return record;
  }

  void add_record(std::string_view key, const SerializableObject& item) {
    metadata_of(item);  // What it refuses is refused before anything changes.
    Record& record = append();
    record.item = &item;
    record.key = key;
    record.payload_bytes = item.payload_bytes();
    payload_bytes_ = record.offset + record.payload_bytes;
    metadata_json_.clear();
  }

  /// The text of the last run, up to where the value goes that is added.
  std::string& append_to_run(std::string_view key) {
    if (records_.empty() || records_.back().item != nullptr) append();
    Record& record = records_.back();
    record.run += record.run_length == 0 ? (is_map_ ? '{' : '[') : ',';
    if (is_map_) {
      codec::append_quoted(record.run, key);
      record.run += ':';
    }
    return record.run;
  }

  void end_of_run() {
    Record& record = records_.back();
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
        text += metadata_of(*record.item);
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
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> index_of_key_;
  mutable std::mutex mutex_;
  mutable std::string metadata_json_;
};

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
void plan_item(std::unique_ptr<detail::ContainerPlan>& plan, bool is_map, std::string_view key,
               const std::unique_ptr<SerializableObject>& item, std::size_t index) {
  if (item == nullptr) {
    throw Error(ErrorCode::invalid_argument, "add: the object is null; JSON null is add(nullptr)");
  }
  if (plan == nullptr) plan = std::make_unique<detail::ContainerPlan>(is_map);
  plan->add(key, *item, index);
}

}  // namespace

ListData::ListData() noexcept = default;
ListData::ListData(ListData&& other) noexcept = default;
ListData& ListData::operator=(ListData&& other) noexcept = default;
ListData::~ListData() = default;

ListData& ListData::add(std::unique_ptr<SerializableObject> item) {
  items_.push_back(std::move(item));
  try {
    plan_item(plan_, false, {}, items_.back(), items_.size() - 1);
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

MapData::MapData() noexcept = default;
MapData::MapData(MapData&& other) noexcept = default;
MapData& MapData::operator=(MapData&& other) noexcept = default;
MapData::~MapData() = default;

MapData& MapData::add(std::string key, std::unique_ptr<SerializableObject> item) {
  if (const std::size_t valid = codec::utf8_bytes(key); valid < key.size()) {
    throw Error(ErrorCode::unsupported_type, "byte " + std::to_string(valid) + " of a key of " +
                                                 std::to_string(key.size()) + " is not UTF-8");
  }
  if (contains(key)) {
    throw Error(ErrorCode::invalid_argument,
                "the key \"" + key.substr(0, 100) + "\" is in the map already");
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

const SerializableObject* MapData::find(std::string_view key) const {
  const std::ptrdiff_t index = plan_ == nullptr ? -1 : plan_->find(key);
  return index < 0 ? nullptr : entries_[static_cast<std::size_t>(index)].second.get();
}

const SerializableObject& MapData::at(std::string_view key) const {
  const SerializableObject* item = find(key);
  if (item == nullptr) {
    throw Error(ErrorCode::invalid_argument, "the map has no key \"" +
                                                 std::string(key.substr(0, 100)) + "\" among its " +
                                                 std::to_string(size()));
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
