// SPDX-License-Identifier: Apache-2.0
/// @file
/// The last array layouts a handle has written or read, so that a stream of equal arrays costs a
/// compare and no JSON. Everything here needs the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace ipc0cp::python {

namespace nb = nanobind;

/// One layout and its encoding. Only dtypes without fields are remembered: the names of a
/// structured dtype can be changed in place.
struct ArrayLayout {
  std::string metadata;
  nb::object dtype;
  std::vector<std::intptr_t> dimensions;
  std::vector<std::intptr_t> strides;  ///< In bytes.
  bool is_fortran = false;
  std::size_t payload_bytes = 0;
};

/// The contiguous bytes of an array, which has to be kept, and what describes them.
struct ArrayBytes {
  std::shared_ptr<const ArrayLayout> layout;
  std::span<const std::byte> bytes;
};

/// Up to 1,024 layouts, so that streams of ever other shapes (crops, batches) find theirs, too.
class ArrayCache {
 public:
  void remember(nb::bytes metadata, nb::object dtype, nb::tuple shape, bool is_fortran,
                std::size_t payload_bytes);
  /// @param array exactly a numpy.ndarray
  /// @return layout null: not contiguous or not remembered.
  [[nodiscard]] ArrayBytes find_array(nb::handle array);
  /// @return null: not remembered.
  [[nodiscard]] std::shared_ptr<const ArrayLayout> find_metadata(std::string_view metadata,
                                                                 std::size_t payload_bytes);

 private:
  // Shared: a layout in use outlives its replacement by another thread.
  using Known = std::shared_ptr<const ArrayLayout>;

  /// What an array shows of its layout.
  struct ArrayKey {
    const PyObject* dtype;
    std::span<const std::intptr_t> dimensions;
    bool is_fortran;
  };
  struct ByArray {
    using is_transparent = void;
    static ArrayKey key(const ArrayKey& key) { return key; }
    static ArrayKey key(const Known& known) {
      return {known->dtype.ptr(), known->dimensions, known->is_fortran};
    }
    std::size_t operator()(const auto& one) const;
    bool operator()(const auto& left, const auto& right) const;
  };
  struct ByMetadata {
    using is_transparent = void;
    static std::string_view key(std::string_view metadata) { return metadata; }
    static std::string_view key(const Known& known) { return known->metadata; }
    std::size_t operator()(const auto& one) const {
      return std::hash<std::string_view>()(key(one));
    }
    bool operator()(const auto& left, const auto& right) const { return key(left) == key(right); }
  };

  // The same layouts in both.
  std::unordered_set<Known, ByArray, ByArray> by_array_;
  std::unordered_set<Known, ByMetadata, ByMetadata> by_metadata_;
  Known last_;  ///< The last one found: most streams have no other.
};

/// A read-only array over the payload of `block`, which it keeps.
nb::object make_view(const ArrayLayout& layout, nb::handle block);
/// A writable array with memory of its own and a copy of `payload`.
nb::object make_copy(const ArrayLayout& layout, std::span<const std::byte> payload);

/// Copies without the GIL if that is worth it.
void copy_bytes(void* target, std::span<const std::byte> source);

}  // namespace ipc0cp::python
