// SPDX-License-Identifier: Apache-2.0
/// @file
/// NumpyArray: an n-dimensional array with NumPy's data types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc0cp/element_type.hpp"
#include "ipc0cp/export.hpp"
#include "ipc0cp/payload.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

/// Order of the elements in memory: last index fastest, or first.
enum class ArrayOrder : std::uint8_t {
  c,        ///< Last index fastest.
  fortran,  ///< First index fastest.
};

/// What an array can have besides dtype and shape.
struct ArrayOptions {
  ArrayOrder order = ArrayOrder::c;  ///< Of the elements in memory.
  bool scalar = false;  ///< Arrives in Python as a NumPy scalar; the shape must be empty.
};

namespace detail {
struct ArrayLayout;
}  // namespace detail

/// An array as NumPy has it: shape, dtype, elements without gaps in C or Fortran order.
///
/// Popped arrays are read-only views that keep their block of the ring; arrays made by users own
/// their memory and are writable. Copies share the elements. Const calls are thread-safe.
class IPC0CP_EXPORT NumpyArray final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "ndarray";  ///< The tag.

  /// Shares the elements. There is no move: what one would leave behind could not be looked at.
  NumpyArray(const NumpyArray&) = default;
  NumpyArray& operator=(const NumpyArray&) = default;
  ~NumpyArray() override = default;
  /// An owning array of zeros.
  /// @param dtype as NumPy's `dtype.str` ("<f4", "|u1", "<M8[ns]"), an ml_dtypes name, or a
  ///   structured dtype as the JSON text of docs/object_format.md, section 5.
  /// @param shape elements per dimension, at most 64 dimensions; {} is one element.
  /// @throws Error (invalid_argument) naming what is wrong with dtype or shape; (out_of_memory).
  NumpyArray(std::string_view dtype, std::vector<std::size_t> shape, ArrayOptions options = {});
  /// A read-only view that shares `payload.owner`; copies if there is no owner.
  /// @throws Error (invalid_argument) also if the payload has not exactly the bytes of the shape.
  NumpyArray(std::string_view dtype, std::vector<std::size_t> shape, const Payload& payload,
             ArrayOptions options = {});

  /// An owning array of one dimension that takes `values` over without a copy.
  /// @tparam T an arithmetic type, std::complex, Float16 or BFloat16.
  template <class T>
  static NumpyArray from(std::vector<T> values);
  /// An owning array that takes `values` over without a copy.
  /// @param values the elements in their order in memory.
  /// @throws Error (invalid_argument) if their number is not that of the shape.
  template <class T>
  static NumpyArray from(std::vector<T> values, std::vector<std::size_t> shape,
                         ArrayOptions options = {});
  /// An owning copy of `values`; otherwise as `from`.
  template <class T>
  static NumpyArray copy_of(std::span<const T> values, std::vector<std::size_t> shape,
                            ArrayOptions options = {});
  /// An owning copy, in C order, of elements that lie `strides_bytes` apart.
  /// @param first the element at index 0, 0, ...
  /// @param strides_bytes one per dimension; may be negative or 0.
  /// @throws Error (invalid_argument) for another number of strides, or no memory to read.
  static NumpyArray gather(std::string_view dtype, std::vector<std::size_t> shape,
                           const std::byte* first, std::span<const std::ptrdiff_t> strides_bytes);

  /// Elements per dimension.
  [[nodiscard]] std::span<const std::size_t> shape() const noexcept;
  /// Bytes from one element to the next, per dimension.
  [[nodiscard]] std::span<const std::ptrdiff_t> strides() const noexcept;
  /// As the constructor takes it.
  [[nodiscard]] std::string_view dtype() const noexcept;
  /// Bytes per element.
  [[nodiscard]] std::size_t item_bytes() const noexcept;
  /// Number of elements.
  [[nodiscard]] std::size_t size() const noexcept;
  /// Order of the elements in memory; `c` where both are the same.
  [[nodiscard]] ArrayOrder order() const noexcept;
  /// Whether it is a NumPy scalar in Python.
  [[nodiscard]] bool is_scalar() const noexcept;

  /// The elements as bytes, in their order in memory.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return payload_.bytes; }
  /// The same for writing.
  /// @throws Error (unsupported_type) if the array is a read-only view.
  [[nodiscard]] std::span<std::byte> mutable_bytes();
  /// Elements and their owner, to keep them without the array.
  [[nodiscard]] const Payload& payload() const noexcept { return payload_; }
  /// Whether the elements can be changed: not in popped arrays and other views.
  [[nodiscard]] bool writable() const noexcept { return writable_ != nullptr; }
  /// An owning, writable copy.
  [[nodiscard]] NumpyArray clone() const;
  /// An owning, writable copy whose elements have the byte order of this machine: ">f4" becomes
  /// "<f4".
  /// @throws Error (unsupported_type) for structured dtypes, whose fields may overlap.
  [[nodiscard]] NumpyArray to_native() const;

  /// The elements, in their order in memory.
  ///
  /// T is the arithmetic type of the dtype, Float16 or BFloat16; std::int64_t also for dates and
  /// time spans; any trivially copyable class of the item size for structured and raw dtypes, half
  /// floats and ml_dtypes.
  /// @throws Error (unsupported_type) if dtype or byte order is another, or the memory is not
  ///   aligned for T.
  template <class T>
  [[nodiscard]] std::span<const T> values() const {
    check_values<T>();
    return {reinterpret_cast<const T*>(payload_.bytes.data()), size()};
  }
  /// The same for writing.
  /// @throws Error (unsupported_type) also for a read-only view.
  template <class T>
  [[nodiscard]] std::span<T> mutable_values() {
    check_values<T>();
    return {reinterpret_cast<T*>(mutable_bytes().data()), size()};
  }
  /// Where the element of that index stands in `values`.
  /// @throws Error (invalid_argument) if the shape has no such index.
  [[nodiscard]] std::size_t position(std::initializer_list<std::size_t> index) const;
  /// One element: `array.at<float>({row, column})`. Errors as of `values` and `position`.
  template <class T>
  [[nodiscard]] const T& at(std::initializer_list<std::size_t> index) const {
    return values<T>()[position(index)];
  }

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override {
    return payload_.bytes.size();
  }
  void write_payload(std::span<std::byte> target) const override;
  [[nodiscard]] std::optional<std::span<const std::byte>> contiguous_payload()
      const noexcept override {
    return bytes();
  }

 private:
  friend class ArrayAccess;
  NumpyArray(std::shared_ptr<const detail::ArrayLayout> layout, Payload payload,
             std::byte* writable) noexcept;
  static NumpyArray adopt(std::string_view dtype, std::vector<std::size_t> shape,
                          ArrayOptions options, std::byte* bytes, std::size_t bytes_size,
                          std::shared_ptr<const void> owner);

  template <class T>
  void check_values() const {
    static_assert(detail::Element<T>,
                  "values<T>: T is arithmetic, std::complex, or a trivially copyable class");
    check_item(detail::dtype_of<T>(), sizeof(T), alignof(T));
  }
  void check_item(std::string_view dtype, std::size_t item_bytes, std::size_t alignment) const;

  std::shared_ptr<const detail::ArrayLayout> layout_;
  Payload payload_;
  std::byte* writable_ = nullptr;
};

template <class T>
NumpyArray NumpyArray::from(std::vector<T> values) {
  const std::size_t length = values.size();
  return from(std::move(values), {length});
}

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
