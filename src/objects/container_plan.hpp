// SPDX-License-Identifier: Apache-2.0
// Where each item of a list or map goes: docs/object_format.md, section 6.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/containers.hpp"
#include "ipc0cp/numpy_array.hpp"
#include "platform/fork_safe.hpp"

namespace ipc0cp::detail {

/// An order of keys, for looking them up.
struct MapKeyOrder {
  bool operator()(const MapKey& left, const MapKey& right) const noexcept {
    if (left.is_integer() != right.is_integer()) return right.is_integer();
    return left.text() < right.text();
  }
};

/// Grows with its container. Calls that change it are not made at the same time as any other.
class ContainerPlan {
 public:
  explicit ContainerPlan(bool is_map) : is_map_(is_map) {}

  [[nodiscard]] unsigned levels() const noexcept { return levels_; }
  [[nodiscard]] std::size_t payload_bytes() const noexcept { return payload_bytes_; }

  /// Entry `index`, whose key is `key` in a map. `item` must live as long as the plan.
  void add(const MapKey& key, const SerializableObject& item, std::size_t index);
  /// The number given to `add`, or -1.
  [[nodiscard]] std::ptrdiff_t find(const MapKey& key) const;
  [[nodiscard]] std::string_view metadata_json(std::size_t count) const;
  void write_payload(std::span<std::byte> target) const;

 private:
  enum class Form : unsigned char {
    item,        ///< Any object, by itself.
    array_run,   ///< Arrays of one dtype.
    list_run,    ///< `[value,value`
    object_run,  ///< `{"key":value,"key":value`
    map_run,     ///< `{"$map":[[key,value],[key,value]`
  };

  struct Record {
    Form form = Form::item;
    const SerializableObject* item = nullptr;  ///< Of an item.
    std::vector<const NumpyArray*> arrays;     ///< Of a run of arrays.
    bool one_shape = true;                     ///< Of a run of arrays.
    std::size_t elements_bytes = 0;            ///< Of a run of arrays, together.
    std::vector<MapKey> keys;                  ///< In a map, of an item and a run of arrays.
    std::string run;                           ///< The text of a run without what closes it.
    bool has_marks = false;                    ///< Whether `run` is of json 2.0.
    bool reads_like_a_mark = false;            ///< An object of one key that starts with `$`.
    std::size_t run_length = 0;
    std::size_t offset = 0;
    std::size_t payload_bytes = 0;
  };

  Record& append(Form form);
  void finish(Record& record, std::size_t payload_bytes);
  void add_record(const MapKey& key, const SerializableObject& item);
  bool add_to_array_run(const MapKey& key, const NumpyArray& array);
  Record& run_for(const MapKey& key, std::string_view value, bool has_marks, bool is_text);
  void add_to_run(const MapKey& key, std::string_view value, bool has_marks, bool is_text);
  [[nodiscard]] static std::string_view opening_of(const Record& record) noexcept;
  [[nodiscard]] static std::string_view closing_of(const Record& record) noexcept;
  static void write_arrays(const Record& record, std::span<std::byte> target);
  [[nodiscard]] std::string make_metadata(std::size_t count) const;
  void append_record(std::string& text, const Record& record) const;

  bool is_map_;
  unsigned levels_ = 1;
  std::size_t payload_bytes_ = 0;
  std::vector<Record> records_;
  // Not hashed: no choice of keys makes it slow.
  std::map<MapKey, std::size_t, MapKeyOrder> index_of_key_;
  std::size_t big_keys_ = 0;
  mutable platform::Mutex mutex_;
  mutable std::string metadata_json_;
};

}  // namespace ipc0cp::detail
