// SPDX-License-Identifier: Apache-2.0
/// @file
/// ArrayLoan: a block of the ring lent as an array, to be filled in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"
#include "ipc0cp/loan.hpp"
#include "ipc0cp/numpy_array.hpp"

namespace ipc0cp {

namespace detail {

inline std::string array_metadata(std::string_view dtype, std::span<const std::size_t> shape) {
  std::string text = R"({"type":"ndarray","version":"1.0","dtype":")";
  text.append(dtype).append(R"(","shape":[)");
  for (std::size_t index = 0; index < shape.size(); ++index) {
    if (index > 0) text += ',';
    text += std::to_string(shape[index]);
  }
  return text + "]}";
}

/// Bytes of an array that every reader accepts: at most kMaxDimensions, and 2^63 - 1 bytes even
/// where a dimension of 0 leaves nothing of them. @throws Error invalid_argument.
inline std::size_t array_bytes(std::span<const std::size_t> shape, std::size_t item_bytes) {
  if (shape.size() > kMaxDimensions) {
    throw Error(ErrorCode::invalid_argument, "a shape of " + std::to_string(shape.size()) +
                                                 " dimensions; at most " +
                                                 std::to_string(kMaxDimensions) + " are possible");
  }
  constexpr std::size_t kMostBytes = std::numeric_limits<std::int64_t>::max();
  std::size_t bytes = item_bytes;
  bool empty = false;
  for (const std::size_t extent : shape) {
    empty = empty || extent == 0;
    if (extent == 0) continue;
    if (bytes > kMostBytes / extent) {
      throw Error(ErrorCode::invalid_argument,
                  "the shape has too many elements: an array has at most " +
                      std::to_string(kMostBytes) + " bytes, also where a dimension is 0");
    }
    bytes *= extent;
  }
  return empty ? 0 : bytes;
}

}  // namespace detail

/// A Loan that knows its element type and shape. One thread at a time; its destructor abandons.
template <class T>
class ArrayLoan {
  static_assert(!detail::dtype_of<T>().empty(), "T must be an arithmetic type that NumPy knows");

 public:
  /// Made by SharedRingBufferProducer::loan_array.
  ArrayLoan(Loan loan, std::vector<std::size_t> shape, std::string metadata) noexcept
      : loan_(std::move(loan)), shape_(std::move(shape)), metadata_(std::move(metadata)) {}

  /// The elements in C order, not initialised. Empty once published or abandoned.
  [[nodiscard]] std::span<T> values() const noexcept {
    return {reinterpret_cast<T*>(loan_.bytes().data()), loan_.bytes().size() / sizeof(T)};
  }
  /// Elements per dimension.
  [[nodiscard]] std::span<const std::size_t> shape() const noexcept { return shape_; }

  /// As Loan::publish; the message arrives as an array.
  bool publish(Timeout timeout = Timeout::forever()) { return loan_.publish(metadata_, timeout); }
  /// As Loan::abandon.
  void abandon() noexcept { loan_.abandon(); }

 private:
  Loan loan_;
  std::vector<std::size_t> shape_;
  std::string metadata_;
};

}  // namespace ipc0cp
