// SPDX-License-Identifier: Apache-2.0
/// @file
/// ListData and MapData: objects made of objects.
#pragma once

#include <concepts>
#include <cstddef>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ipc0cp/export.hpp"
#include "ipc0cp/plain_data.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

namespace detail {
class ContainerPlan;

[[noreturn]] IPC0CP_EXPORT void throw_wrong_item(const SerializableObject& found,
                                                 std::string_view wanted);
[[noreturn]] IPC0CP_EXPORT void throw_null_text();

template <class T>
concept Object = std::derived_from<T, SerializableObject>;

template <class T>
concept Text = std::constructible_from<std::string, T>;

template <Object T>
const T& item_as(const SerializableObject& item) {
  const auto* object = dynamic_cast<const T*>(&item);
  if (object == nullptr) throw_wrong_item(item, class_name<T>());
  return *object;
}

template <class T>
T item_value(const SerializableObject& item) {
  if constexpr (std::same_as<T, std::string>) {
    if (const auto* text = dynamic_cast<const TextData*>(&item)) return std::string(text->text());
  }
  return item_as<JsonData>(item).template value<T>();
}

/// What a list or map keeps of a value: objects as they are, texts and scalars wrapped.
template <class T>
std::unique_ptr<SerializableObject> make_item(T&& value) {
  using Value = std::remove_cvref_t<T>;
  if constexpr (Object<Value>) {
    return std::make_unique<Value>(std::forward<T>(value));
  } else if constexpr (std::convertible_to<T, std::unique_ptr<SerializableObject>> &&
                       !std::same_as<Value, std::nullptr_t>) {
    return std::forward<T>(value);
  } else if constexpr (Text<T> && !std::same_as<Value, std::nullptr_t>) {
    if constexpr (std::is_pointer_v<Value>) {
      if (value == nullptr) throw_null_text();
    }
    return std::make_unique<TextData>(std::string(std::forward<T>(value)));
  } else {
    static_assert(JsonScalar<Value>,
                  "an item is an object, a std::unique_ptr to one (moved in), a text, a bool, an "
                  "integer, a float, a double or nullptr; bytes go into a BytesData");
    return std::make_unique<JsonData>(JsonData::of<Value>(value));
  }
}
}  // namespace detail

/// A list of objects of any types, up to 64 levels deep. Items do not change once they are in.
///
///     auto list = ListData::of(NumpyArray::from(pixels, {480, 640}), "left camera", 7, 0.5, true);
///     list.value<std::string>(1);  // "left camera"
///
/// Popped arrays inside are views that keep the block of the whole list. Strings arrive as
/// TextData, other JSON values as JsonData. Const calls are thread-safe.
class IPC0CP_EXPORT ListData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "list";  ///< The tag.

  /// An empty list.
  ListData() noexcept;
  ListData(ListData&&) noexcept;
  ListData& operator=(ListData&&) noexcept;
  ~ListData() override;
  /// A list of these items; each as `add` takes it.
  template <class... Items>
  static ListData of(Items&&... items) {
    ListData list;
    list.items_.reserve(sizeof...(items));
    (list.add(std::forward<Items>(items)), ...);
    return list;
  }

  /// Appends an object.
  /// @return this list.
  /// @throws Error (unsupported_type) over 64 levels, or if the metadata of a user's class is no
  ///   JSON object with a type; (invalid_argument) for null.
  ListData& add(std::unique_ptr<SerializableObject> item);
  /// Appends an object, a text (std::string, std::string_view, const char*), a bool, an integer, a
  /// float, a double, or nullptr, which is JSON null.
  /// @return this list.
  /// @throws Error (unsupported_type) also for texts that are not UTF-8.
  template <class T>
  ListData& add(T&& item) {
    return add(detail::make_item(std::forward<T>(item)));
  }

  /// Number of items.
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  /// Whether there are no items.
  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
  /// The item at that place, counted from 0.
  /// @throws Error (invalid_argument) if there is no such item.
  [[nodiscard]] const SerializableObject& at(std::size_t index) const;
  /// The item as an object of class T.
  /// @throws Error (unsupported_type) if it is something else, or as `at`.
  template <detail::Object T>
  [[nodiscard]] const T& as(std::size_t index) const {
    return detail::item_as<T>(at(index));
  }
  /// The item as a bool, an integer, a floating-point number or a std::string; see JsonData::value.
  /// @throws Error (unsupported_type) if it is something else, or as `at`.
  template <class T>
  [[nodiscard]] T value(std::size_t index) const {
    return detail::item_value<T>(at(index));
  }
  /// All items, none of them null.
  [[nodiscard]] std::span<const std::unique_ptr<SerializableObject>> items() const noexcept {
    return items_;
  }
  /// For range-based loops over `items()`.
  [[nodiscard]] auto begin() const noexcept { return items_.begin(); }
  /// One past the last item.
  [[nodiscard]] auto end() const noexcept { return items_.end(); }
  /// Levels of lists, maps, JSON arrays and objects, this one included.
  [[nodiscard]] unsigned levels() const noexcept;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override;
  void write_payload(std::span<std::byte> target) const override;

 private:
  std::vector<std::unique_ptr<SerializableObject>> items_;
  std::unique_ptr<detail::ContainerPlan> plan_;  ///< Null: the list is empty.
};

/// The key of an entry of a MapData: a text, or an integer. `1` and `"1"` are two keys.
class IPC0CP_EXPORT MapKey {
 public:
  /// A text in UTF-8.
  MapKey(std::string text) : text_(std::move(text)) {}     // NOLINT(google-explicit-constructor)
  MapKey(std::string_view text) : text_(text) {}           // NOLINT(google-explicit-constructor)
  MapKey(const char* text) : MapKey(std::string(text)) {}  // NOLINT(google-explicit-constructor)
  /// An integer.
  template <detail::JsonInteger T>
  MapKey(T integer)  // NOLINT(google-explicit-constructor)
      : text_(std::to_string(integer)), is_integer_(true) {}
  /// An integer outside -2^63 .. 2^64-1.
  /// @param hex `-` or nothing, `0x`, small hex digits without a zero in front.
  /// @throws Error (invalid_argument) for anything else.
  static MapKey big_integer(std::string hex);

  /// The text; of an integer its decimal digits, beyond 64 bits as `big_integer` takes it.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  /// Whether it is an integer.
  [[nodiscard]] bool is_integer() const noexcept { return is_integer_; }
  /// The `text()`.
  operator const std::string&() const noexcept {  // NOLINT(google-explicit-constructor)
    return text_;
  }
  /// Equal in value and kind.
  friend bool operator==(const MapKey& left, const MapKey& right) noexcept = default;
  /// Writes the `text()`.
  friend IPC0CP_EXPORT std::ostream& operator<<(std::ostream& stream, const MapKey& key);

 private:
  std::string text_;
  bool is_integer_ = false;
};

/// Objects by name or number, in the order of their insertion; otherwise as ListData.
///
///     auto map = MapData::of("frame", NumpyArray::from(pixels, {480, 640}), "label", 3);
///     map.value<int>("label");  // 3
///     for (const auto& [key, item] : map) std::cout << key << " " << item->type_name() << "\n";
class IPC0CP_EXPORT MapData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "map";  ///< The tag.
  /// A key and its object, which is never null.
  using Entry = std::pair<MapKey, std::unique_ptr<SerializableObject>>;

  /// An empty map.
  MapData() noexcept;
  MapData(MapData&&) noexcept;
  MapData& operator=(MapData&&) noexcept;
  ~MapData() override;
  /// A map of keys and items in turn; each as `add` takes it.
  template <class... KeysAndItems>
  static MapData of(KeysAndItems&&... keys_and_items) {
    static_assert(sizeof...(keys_and_items) % 2 == 0, "MapData::of: key, item, key, item, ...");
    MapData map;
    map.add_all(std::forward<KeysAndItems>(keys_and_items)...);
    return map;
  }

  /// Adds an entry.
  /// @return this map.
  /// @throws Error (invalid_argument) for a key that is there, and for null; (unsupported_type)
  ///   for a key that is not UTF-8, over 64 levels, and as ListData::add.
  MapData& add(MapKey key, std::unique_ptr<SerializableObject> item);
  /// Adds an entry; `item` as ListData::add takes it.
  /// @return this map.
  template <class T>
  MapData& add(MapKey key, T&& item) {
    return add(std::move(key), detail::make_item(std::forward<T>(item)));
  }

  /// Number of entries.
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// Whether there are no entries.
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  /// The item of that key, null if there is none.
  [[nodiscard]] const SerializableObject* find(const MapKey& key) const;
  /// Whether there is an entry of that key.
  [[nodiscard]] bool contains(const MapKey& key) const { return find(key) != nullptr; }
  /// The item of that key.
  /// @throws Error (invalid_argument) if there is no such key.
  [[nodiscard]] const SerializableObject& at(const MapKey& key) const;
  /// The item as an object of class T.
  /// @throws Error (unsupported_type) if it is something else, or as `at`.
  template <detail::Object T>
  [[nodiscard]] const T& as(const MapKey& key) const {
    return detail::item_as<T>(at(key));
  }
  /// The item as a bool, an integer, a floating-point number or a std::string; see JsonData::value.
  /// @throws Error (unsupported_type) if it is something else, or as `at`.
  template <class T>
  [[nodiscard]] T value(const MapKey& key) const {
    return detail::item_value<T>(at(key));
  }
  /// All entries in their order.
  [[nodiscard]] std::span<const Entry> entries() const noexcept { return entries_; }
  /// For range-based loops over `entries()`.
  [[nodiscard]] auto begin() const noexcept { return entries_.begin(); }
  /// One past the last entry.
  [[nodiscard]] auto end() const noexcept { return entries_.end(); }
  /// Levels of lists, maps, JSON arrays and objects, this one included.
  [[nodiscard]] unsigned levels() const noexcept;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override;
  void write_payload(std::span<std::byte> target) const override;

 private:
  void add_all() const noexcept {}
  template <class Key, class Item, class... Rest>
  void add_all(Key&& key, Item&& item, Rest&&... rest) {
    add(MapKey(std::forward<Key>(key)), std::forward<Item>(item));
    add_all(std::forward<Rest>(rest)...);
  }

  std::vector<Entry> entries_;
  std::unique_ptr<detail::ContainerPlan> plan_;  ///< Null: the map is empty.
};

}  // namespace ipc0cp
