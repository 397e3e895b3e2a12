// SPDX-License-Identifier: Apache-2.0
/// @file
/// ListData and MapData: objects made of objects.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ipc0cp/export.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

namespace detail {
class ContainerPlan;

[[noreturn]] IPC0CP_EXPORT void throw_wrong_item(const SerializableObject& found,
                                                 std::string_view wanted);

template <class T>
const T& item_as(const SerializableObject& item) {
  const auto* object = dynamic_cast<const T*>(&item);
  if (object == nullptr) throw_wrong_item(item, T::kTypeName);
  return *object;
}
}  // namespace detail

/// A list of objects of any types, up to 64 levels deep. Items do not change once they are in.
///
/// Popped arrays inside are views that keep the block of the whole list. Strings arrive as
/// TextData, other JSON values as JsonData. Const calls are thread-safe.
class IPC0CP_EXPORT ListData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "list";

  ListData();
  ListData(ListData&&) noexcept;
  ListData& operator=(ListData&&) noexcept;
  ~ListData() override;

  /// Appends an object.
  /// @throws Error (unsupported_type) over 64 levels; (invalid_argument) for null.
  void add(std::unique_ptr<SerializableObject> item);
  template <class T>
  requires std::is_base_of_v<SerializableObject, T>
  void add(T item) {
    add(std::unique_ptr<SerializableObject>(std::make_unique<T>(std::move(item))));
  }

  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
  /// @throws Error (invalid_argument) if there is no such item.
  [[nodiscard]] const SerializableObject& at(std::size_t index) const;
  /// The item as a T. @throws Error (unsupported_type) if it is something else.
  template <class T>
  [[nodiscard]] const T& as(std::size_t index) const {
    return detail::item_as<T>(at(index));
  }
  [[nodiscard]] std::span<const std::unique_ptr<SerializableObject>> items() const noexcept {
    return items_;
  }
  /// Levels of lists, maps, JSON arrays and objects, this one included.
  [[nodiscard]] unsigned levels() const noexcept;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override;
  void write_payload(std::span<std::byte> target) const override;

 private:
  std::vector<std::unique_ptr<SerializableObject>> items_;
  std::unique_ptr<detail::ContainerPlan> plan_;
};

/// Objects by name, in the order of their insertion; otherwise as ListData.
class IPC0CP_EXPORT MapData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "map";
  using Entry = std::pair<std::string, std::unique_ptr<SerializableObject>>;

  MapData();
  MapData(MapData&&) noexcept;
  MapData& operator=(MapData&&) noexcept;
  ~MapData() override;

  /// Adds an entry.
  /// @throws Error (invalid_argument) for a key that is there, and for null; (unsupported_type)
  ///   for a key that is not UTF-8, and over 64 levels.
  void add(std::string key, std::unique_ptr<SerializableObject> item);
  template <class T>
  requires std::is_base_of_v<SerializableObject, T>
  void add(std::string key, T item) {
    add(std::move(key), std::unique_ptr<SerializableObject>(std::make_unique<T>(std::move(item))));
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  /// The item of that key, null if there is none.
  [[nodiscard]] const SerializableObject* find(std::string_view key) const;
  [[nodiscard]] bool contains(std::string_view key) const { return find(key) != nullptr; }
  /// @throws Error (invalid_argument) if there is no such key.
  [[nodiscard]] const SerializableObject& at(std::string_view key) const;
  /// The item as a T. @throws Error (unsupported_type) if it is something else.
  template <class T>
  [[nodiscard]] const T& as(std::string_view key) const {
    return detail::item_as<T>(at(key));
  }
  [[nodiscard]] std::span<const Entry> entries() const noexcept { return entries_; }
  [[nodiscard]] unsigned levels() const noexcept;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override;
  void write_payload(std::span<std::byte> target) const override;

 private:
  std::vector<Entry> entries_;
  std::unique_ptr<detail::ContainerPlan> plan_;
};

}  // namespace ipc0cp
