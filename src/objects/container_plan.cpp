// SPDX-License-Identifier: Apache-2.0
#include "objects/container_plan.hpp"

#include <algorithm>
#include <cstring>
#include <typeinfo>
#include <utility>

#include "ipc0cp/error.hpp"
#include "ipc0cp/flatbuffer_data.hpp"
#include "ipc0cp/image_data.hpp"
#include "ipc0cp/limits.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects/codec_containers.hpp"
#include "objects/codec_json.hpp"
#include "objects/codec_marks.hpp"
#include "objects/codec_metadata.hpp"
#include "rules/metadata.hpp"

namespace ipc0cp::detail {
namespace {

/// `item` as a T, null if it is of another class; a dynamic_cast would cost more than all the rest.
template <class T>
const T* exactly(const SerializableObject& item) noexcept {
  static_assert(std::is_final_v<T>);
  return typeid(item) == typeid(T) ? static_cast<const T*>(&item) : nullptr;
}

unsigned levels_of(const SerializableObject& item) {
  if (const auto* json = exactly<JsonData>(item)) return json->levels();
  if (const auto* list = exactly<ListData>(item)) return list->levels();
  if (const auto* map = exactly<MapData>(item)) return map->levels();
  return 0;
}

/// Classes of users may have any metadata; a broken one would make the whole container unreadable.
std::string_view metadata_of(const SerializableObject& item) {
  const std::string_view metadata = item.metadata_json();
  const bool is_ours = exactly<NumpyArray>(item) != nullptr ||
                       exactly<ImageData>(item) != nullptr || exactly<BytesData>(item) != nullptr ||
                       exactly<FlatBufferData>(item) != nullptr ||
                       exactly<ListData>(item) != nullptr || exactly<MapData>(item) != nullptr;
  if (metadata.empty()) return kBytesMetadata;
  if (!is_ours) codec::check_metadata(metadata, ErrorCode::unsupported_type);
  return metadata;
}

/// Fields would be compared, by writers, and described anew, by readers in Python, array by array.
bool is_structured(const NumpyArray& array) noexcept { return array.dtype().starts_with('{'); }

/// Whether an array may be in a run at all.
bool fits_run(const NumpyArray& array) noexcept {
  return !array.is_scalar() && array.order() == ArrayOrder::c && array.item_bytes() > 0 &&
         array.payload_bytes() <= codec::kMostArrayBytesInRun && !is_structured(array);
}

bool same_shape(const NumpyArray& left, const NumpyArray& right) noexcept {
  return std::ranges::equal(left.shape(), right.shape());
}

void append_key(std::string& text, const MapKey& key) {
  if (!key.is_integer()) {
    codec::append_quoted(text, key.text());
  } else if (codec::is_big_integer(key.text())) {
    text += R"({"$int":")" + key.text() + "\"}";
  } else {
    text += key.text();
  }
}

}  // namespace

void ContainerPlan::add(const MapKey& key, const SerializableObject& item, std::size_t index) {
  const unsigned levels = levels_of(item) + 1;
  if (levels > kMaxContainerLevels) {
    throw Error(ErrorCode::unsupported_type,
                "lists and maps nest at most " + std::to_string(kMaxContainerLevels) +
                    " levels, this one would have " + std::to_string(levels));
  }
  const bool is_big_key = key.is_integer() && codec::is_big_integer(key.text());
  if (is_big_key && big_keys_ == codec::kMostBigKeys) {
    throw Error(ErrorCode::unsupported_type, "a map has more than " +
                                                 std::to_string(codec::kMostBigKeys) +
                                                 " keys beyond 64 bits; send a list of pairs");
  }
  const auto* array = exactly<NumpyArray>(item);
  const auto* json = exactly<JsonData>(item);
  // A run of integer keys has marks, where this text would be taken for one.
  const bool reads_as_marks = json != nullptr && key.is_integer() && !json->has_marks() &&
                              codec::may_have_marks(json->text());
  if (reads_as_marks) {
    add_record(key, item);
  } else if (json != nullptr) {
    add_to_run(key, json->text(), json->has_marks(), false);
  } else if (const auto* text = exactly<TextData>(item)) {
    std::string quoted;
    codec::append_quoted(quoted, text->text());
    add_to_run(key, quoted, false, true);
  } else if (array == nullptr || !add_to_array_run(key, *array)) {
    add_record(key, item);
  }
  levels_ = std::max(levels_, levels);
  if (is_map_) index_of_key_.emplace(key, index);
  if (is_big_key) ++big_keys_;
}

std::ptrdiff_t ContainerPlan::find(const MapKey& key) const {
  const auto found = index_of_key_.find(key);
  return found == index_of_key_.end() ? -1 : static_cast<std::ptrdiff_t>(found->second);
}

std::string_view ContainerPlan::metadata_json(std::size_t count) const {
  // Built when it is first asked for: adding many items stays linear.
  const std::lock_guard lock(mutex_);
  if (metadata_json_.empty()) metadata_json_ = make_metadata(count);
  return metadata_json_;
}

void ContainerPlan::write_payload(std::span<std::byte> target) const {
  std::size_t end = 0;
  for (const Record& record : records_) {
    std::fill(target.begin() + static_cast<std::ptrdiff_t>(end),
              target.begin() + static_cast<std::ptrdiff_t>(record.offset), std::byte{0});
    const auto place = target.subspan(record.offset, record.payload_bytes);
    if (record.form == Form::item) {
      record.item->write_payload(place);
    } else if (record.form == Form::array_run) {
      write_arrays(record, place);
    } else {
      std::byte* byte = place.data();
      for (const std::string_view part :
           {opening_of(record), std::string_view(record.run), closing_of(record)}) {
        std::memcpy(byte, part.data(), part.size());
        byte += part.size();
      }
    }
    end = record.offset + record.payload_bytes;
  }
}

void ContainerPlan::write_arrays(const Record& record, std::span<std::byte> target) {
  std::byte* byte = target.data();
  if (!record.one_shape) {
    for (const NumpyArray* array : record.arrays) {
      // A std::size_t has 8 bytes, the lowest first, on all machines we run on.
      const auto lengths = std::as_bytes(array->shape());
      byte = std::ranges::copy(lengths, byte).out;
    }
    const auto table_bytes = static_cast<std::size_t>(byte - target.data());
    byte = std::fill_n(byte, codec::aligned(table_bytes) - table_bytes, std::byte{0});
  }
  for (const NumpyArray* array : record.arrays) byte = std::ranges::copy(array->bytes(), byte).out;
}

ContainerPlan::Record& ContainerPlan::append(Form form) {
  Record& record = records_.emplace_back();
  record.form = form;
  record.offset = codec::aligned(payload_bytes_);
  return record;
}

void ContainerPlan::finish(Record& record, std::size_t payload_bytes) {
  record.payload_bytes = payload_bytes;
  payload_bytes_ = record.offset + payload_bytes;
  metadata_json_.clear();
}

void ContainerPlan::add_record(const MapKey& key, const SerializableObject& item) {
  metadata_of(item);  // What it refuses is refused before anything changes.
  const std::size_t item_bytes = item.payload_bytes();
  Record& record = append(Form::item);
  record.item = &item;
  if (is_map_) record.keys.push_back(key);
  finish(record, item_bytes);
}

/// Puts `array` with its neighbours: those in a run, or the one before it, which makes a run of
/// two.
bool ContainerPlan::add_to_array_run(const MapKey& key, const NumpyArray& array) {
  if (records_.empty() || !fits_run(array)) return false;
  Record& record = records_.back();
  const NumpyArray* before = nullptr;
  if (record.form == Form::array_run) before = record.arrays.back();
  if (record.form == Form::item) before = exactly<NumpyArray>(*record.item);
  if (before == nullptr || !fits_run(*before) || before->dtype() != array.dtype() ||
      before->shape().size() != array.shape().size()) {
    return false;
  }
  if (record.form == Form::item) {
    record.form = Form::array_run;
    record.arrays.push_back(before);
    record.elements_bytes = before->payload_bytes();
    record.one_shape = before->payload_bytes() > 0;
  }
  record.arrays.push_back(&array);
  if (is_map_) record.keys.push_back(key);
  record.one_shape = record.one_shape && same_shape(*before, array);
  record.elements_bytes += array.payload_bytes();
  const std::size_t table_bytes =
      record.one_shape ? 0 : record.arrays.size() * array.shape().size() * sizeof(std::uint64_t);
  finish(record, codec::aligned(table_bytes) + record.elements_bytes);
  return true;
}

std::string_view ContainerPlan::opening_of(const Record& record) noexcept {
  if (record.form == Form::map_run) return R"({"$map":[)";
  return record.has_marks && record.reads_like_a_mark ? R"({"$object":)" : "";
}

std::string_view ContainerPlan::closing_of(const Record& record) noexcept {
  if (record.form == Form::list_run) return "]";
  if (record.form == Form::map_run) return "]}";
  return record.has_marks && record.reads_like_a_mark ? "}}" : "}";
}

/// The last run if the value can be added to it without writing what is there anew, else a new one.
ContainerPlan::Record& ContainerPlan::run_for(const MapKey& key, std::string_view value,
                                              bool has_marks, bool is_text) {
  Form form = Form::list_run;
  if (is_map_) form = key.is_integer() ? Form::map_run : Form::object_run;
  const bool is_plain = is_text || !codec::may_have_marks(value);
  if (!records_.empty()) {
    Record& last = records_.back();
    const bool same_form =
        last.form == form || (last.form == Form::map_run && form == Form::object_run);
    if (same_form && last.has_marks && (has_marks || is_plain)) return last;
    if (same_form && !last.has_marks && (!has_marks || !codec::may_have_marks(last.run))) {
      last.has_marks = has_marks;
      return last;
    }
  }
  Record& record = append(form);
  record.has_marks = has_marks || form == Form::map_run;
  return record;
}

void ContainerPlan::add_to_run(const MapKey& key, std::string_view value, bool has_marks,
                               bool is_text) {
  Record& record = run_for(key, value, has_marks, is_text);
  if (record.form == Form::list_run) record.run += record.run_length == 0 ? '[' : ',';
  if (record.form == Form::object_run) record.run += record.run_length == 0 ? '{' : ',';
  if (record.form == Form::map_run) record.run += record.run_length == 0 ? "[" : ",[";
  if (is_map_) {
    append_key(record.run, key);
    record.run += record.form == Form::map_run ? ',' : ':';
  }
  record.run += value;
  if (record.form == Form::map_run) record.run += ']';
  record.reads_like_a_mark =
      record.form == Form::object_run && record.run_length == 0 && key.text().starts_with('$');
  ++record.run_length;
  finish(record, opening_of(record).size() + record.run.size() + closing_of(record).size());
}

std::string ContainerPlan::make_metadata(std::size_t count) const {
  const auto is_new = [](const Record& record) {
    return record.form == Form::array_run || record.has_marks ||
           std::ranges::any_of(record.keys, [](const MapKey& key) { return key.is_integer(); });
  };
  std::string text = is_map_ ? R"({"type":"map","version":")" : R"({"type":"list","version":")";
  text += std::ranges::any_of(records_, is_new) ? "2.0" : "1.0";
  text += "\",\"count\":" + std::to_string(count) + ",\"items\":[";
  for (const Record& record : records_) {
    if (&record != records_.data()) text += ',';
    append_record(text, record);
  }
  return text + "]}";
}

void ContainerPlan::append_record(std::string& text, const Record& record) const {
  text += "{\"metadata\":";
  if (record.form == Form::item) {
    text += metadata_of(*record.item);
    if (is_map_) {
      text += ",\"key\":";
      append_key(text, record.keys.front());
    }
  } else if (record.form == Form::array_run) {
    const NumpyArray& first = *record.arrays.front();
    text += R"({"type":"ndarray","version":"1.0","dtype":)";
    codec::append_quoted(text, first.dtype());
    text += "},\"run\":" + std::to_string(record.arrays.size());
    if (record.one_shape) {
      text += ",\"shape\":[";
      for (const std::size_t length : first.shape()) text += std::to_string(length) + ',';
      if (text.back() == ',') text.pop_back();
      text += ']';
    } else {
      text += ",\"dimensions\":" + std::to_string(first.shape().size());
    }
    if (is_map_) {
      text += ",\"keys\":[";
      for (const MapKey& key : record.keys) {
        append_key(text, key);
        text += ',';
      }
      text.back() = ']';
    }
  } else {
    text += record.has_marks ? R"({"type":"json","version":"2.0"},"run":)"
                             : R"({"type":"json","version":"1.0"},"run":)";
    text += std::to_string(record.run_length);
  }
  text += ",\"offset\":" + std::to_string(record.offset);
  text += ",\"payload_size\":" + std::to_string(record.payload_bytes) + '}';
}

}  // namespace ipc0cp::detail
