// SPDX-License-Identifier: Apache-2.0
/// @file
/// NumpyArray: an n-dimensional array with NumPy's data types.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ipc0cp/export.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

/// Order of the elements in memory: last index fastest, or first.
enum class ArrayOrder : std::uint8_t { c, fortran };

struct ArrayOptions {
  ArrayOrder order = ArrayOrder::c;
  bool scalar = false;  ///< Arrives in Python as a NumPy scalar; the shape must be empty.
};

namespace detail {
struct ArrayLayout;

/// NumPy's name of an arithmetic type, "" if it has none.
template <class T>
constexpr std::string_view dtype_of() noexcept {
  if constexpr (std::is_same_v<T, bool>)
    return "|b1";
  else if constexpr (std::is_same_v<T, std::complex<float>>)
    return "<c8";
  else if constexpr (std::is_same_v<T, std::complex<double>>)
    return "<c16";
  else if constexpr (std::is_same_v<T, std::complex<long double>>)
    return "<c32";
  else if constexpr (std::is_same_v<T, float>)
    return "<f4";
  else if constexpr (std::is_same_v<T, double>)
    return "<f8";
  else if constexpr (std::is_same_v<T, long double>)
    return "<f16";
  else if constexpr (!std::is_integral_v<T> || std::is_same_v<T, char> ||
                     std::is_same_v<T, wchar_t> || std::is_same_v<T, char8_t> ||
                     std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>)
    return "";
  else if constexpr (sizeof(T) == 1)
    return std::is_signed_v<T> ? "|i1" : "|u1";
  else if constexpr (sizeof(T) == 2)
    return std::is_signed_v<T> ? "<i2" : "<u2";
  else if constexpr (sizeof(T) == 4)
    return std::is_signed_v<T> ? "<i4" : "<u4";
  else if constexpr (sizeof(T) == 8)
    return std::is_signed_v<T> ? "<i8" : "<u8";
  else
    return "";
}
}  // namespace detail

/// An array as NumPy has it: shape, dtype, elements without gaps in C or Fortran order.
///
/// Popped arrays are read-only views that keep their block of the ring; arrays made by users own
/// their memory and are writable. Copies share the elements. Const calls are thread-safe.
class IPC0CP_EXPORT NumpyArray final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "ndarray";

  /// An owning array of zeros.
  /// @param dtype as NumPy's `dtype.str` ("<f4", "|u1", "<M8[ns]"), an ml_dtypes name, or a
  ///   structured dtype as the JSON text of docs/object_format.md, section 5.
  /// @throws Error (invalid_argument) naming what is wrong with dtype or shape.
  NumpyArray(std::string_view dtype, std::vector<std::size_t> shape, ArrayOptions options = {});
  /// A read-only view that shares `payload.owner`; copies if there is no owner.
  /// @throws Error (invalid_argument) also if the payload has not exactly the bytes of the shape.
  NumpyArray(std::string_view dtype, std::vector<std::size_t> shape, const Payload& payload,
             ArrayOptions options = {});

  /// An owning array that takes `values` over without a copy.
  template <class T>
  static NumpyArray from(std::vector<T> values, std::vector<std::size_t> shape,
                         ArrayOptions options = {});
  /// An owning copy of `values`.
  template <class T>
  static NumpyArray copy_of(std::span<const T> values, std::vector<std::size_t> shape,
                            ArrayOptions options = {});
  /// An owning copy, in C order, of elements that lie `strides_bytes` apart.
  /// @param first the element at index 0, 0, ...; strides may be negative or 0.
  static NumpyArray gather(std::string_view dtype, std::vector<std::size_t> shape,
                           const std::byte* first, std::span<const std::ptrdiff_t> strides_bytes);

  [[nodiscard]] std::span<const std::size_t> shape() const noexcept;
  /// Bytes from one element to the next, per dimension.
  [[nodiscard]] std::span<const std::ptrdiff_t> strides() const noexcept;
  /// As the constructor takes it.
  [[nodiscard]] std::string_view dtype() const noexcept;
  [[nodiscard]] std::size_t item_bytes() const noexcept;
  /// Number of elements.
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] ArrayOrder order() const noexcept;
  [[nodiscard]] bool is_scalar() const noexcept;

  /// The elements as bytes, in their order in memory.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return payload_.bytes; }
  /// @throws Error (unsupported_type) if the array is a read-only view.
  [[nodiscard]] std::span<std::byte> mutable_bytes();
  /// Elements and their owner, to keep them without the array.
  [[nodiscard]] const Payload& payload() const noexcept { return payload_; }
  [[nodiscard]] bool writable() const noexcept { return writable_ != nullptr; }
  /// An owning, writable copy.
  [[nodiscard]] NumpyArray clone() const;

  /// The elements, in their order in memory.
  ///
  /// T is the arithmetic type of the dtype; std::int64_t also for dates and time spans; any
  /// trivially copyable class of the item size for structured and raw dtypes, half floats and
  /// ml_dtypes.
  /// @throws Error (unsupported_type) if dtype or byte order is another, or the memory is not
  ///   aligned for T.
  template <class T>
  [[nodiscard]] std::span<const T> values() const {
    check_values<T>();
    return {reinterpret_cast<const T*>(payload_.bytes.data()), size()};
  }
  /// The same for writing. @throws Error (unsupported_type) also for a read-only view.
  template <class T>
  [[nodiscard]] std::span<T> mutable_values() {
    check_values<T>();
    return {reinterpret_cast<T*>(mutable_bytes().data()), size()};
  }

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override {
    return payload_.bytes.size();
  }
  void write_payload(std::span<std::byte> target) const override;

 private:
  friend class ArrayAccess;
  NumpyArray(std::shared_ptr<const detail::ArrayLayout> layout, Payload payload,
             std::byte* writable) noexcept;
  static NumpyArray adopt(std::string_view dtype, std::vector<std::size_t> shape,
                          ArrayOptions options, std::byte* bytes, std::size_t bytes_size,
                          std::shared_ptr<const void> owner);

  template <class T>
  void check_values() const {
    static_assert(
        !detail::dtype_of<T>().empty() || (std::is_class_v<T> && std::is_trivially_copyable_v<T>),
        "values<T>: T is arithmetic, std::complex, or a trivially copyable class");
    check_item(detail::dtype_of<T>(), sizeof(T), alignof(T));
  }
  void check_item(std::string_view dtype, std::size_t item_bytes, std::size_t alignment) const;

  std::shared_ptr<const detail::ArrayLayout> layout_;
  Payload payload_;
  std::byte* writable_ = nullptr;
};

template <class T>
NumpyArray NumpyArray::from(std::vector<T> values, std::vector<std::size_t> shape,
                            ArrayOptions options) {
  static_assert(!std::is_same_v<T, bool>, "std::vector<bool> has no array of bool: use copy_of");
  static_assert(!detail::dtype_of<T>().empty(), "NumPy has no dtype for this type");
  auto owner = std::make_shared<std::vector<T>>(std::move(values));
  auto* bytes = reinterpret_cast<std::byte*>(owner->data());
  const std::size_t bytes_size = owner->size() * sizeof(T);
  return adopt(detail::dtype_of<T>(), std::move(shape), options, bytes, bytes_size,
               std::move(owner));
}

template <class T>
NumpyArray NumpyArray::copy_of(std::span<const T> values, std::vector<std::size_t> shape,
                               ArrayOptions options) {
  static_assert(!detail::dtype_of<T>().empty(), "NumPy has no dtype for this type");
  const Payload source{std::as_bytes(values), nullptr};
  return NumpyArray(detail::dtype_of<T>(), std::move(shape), source, options);
}

}  // namespace ipc0cp
