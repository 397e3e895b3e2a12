// SPDX-License-Identifier: Apache-2.0
/// @file
/// Float16 and BFloat16: numbers of 2 bytes, to be stored and converted, not computed with.
#pragma once

#include <bit>
#include <cstdint>

namespace ipc0cp {

/// IEEE 754 binary16: 11 bits of precision, up to 65,504. NumPy's float16, dtype "<f2".
class Float16 {
 public:
  /// Zero.
  constexpr Float16() noexcept = default;
  /// The nearest number, ties to even; infinity beyond the range.
  constexpr explicit Float16(float value) noexcept
      : bits_(round(std::bit_cast<std::uint32_t>(value))) {}
  /// The number of that bit pattern.
  [[nodiscard]] static constexpr Float16 from_bits(std::uint16_t bits) noexcept {
    Float16 result;
    result.bits_ = bits;
    return result;
  }

  /// The bit pattern.
  [[nodiscard]] constexpr std::uint16_t bits() const noexcept { return bits_; }
  /// The same number, exactly.
  [[nodiscard]] constexpr explicit operator float() const noexcept {
    const std::uint32_t sign = (bits_ & 0x8000U) << 16U;
    const std::uint32_t magnitude = bits_ & 0x7FFFU;
    if (magnitude >= 0x7C00U) {  // Infinity and NaN.
      return std::bit_cast<float>(sign | 0x7F800000U | (magnitude & 0x3FFU) << 13U);
    }
    if (magnitude >= 0x400U) return std::bit_cast<float>(sign | ((magnitude << 13U) + kBias));
    // Subnormal: a multiple of 2^-24.
    const float value = static_cast<float>(magnitude) * 0x1p-24F;
    return sign != 0 ? -value : value;
  }

 private:
  /// The difference of the exponent biases, 127 - 15, where a float has its exponent.
  static constexpr std::uint32_t kBias = 112U << 23U;

  static constexpr std::uint16_t round(std::uint32_t wide) noexcept {
    const std::uint32_t sign = wide >> 16U & 0x8000U;
    const std::uint32_t magnitude = wide & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) {  // NaN, quiet, with what fits of its payload.
      return static_cast<std::uint16_t>(sign | 0x7E00U | (magnitude >> 13U & 0x3FFU));
    }
    if (magnitude >= 0x47800000U) return static_cast<std::uint16_t>(sign | 0x7C00U);  // 2^16
    if (magnitude >= 0x38800000U) {                                                   // 2^-14
      // Half of the last place, less one unless that place is odd: ties go to even.
      const std::uint32_t rounded = magnitude - kBias + 0xFFFU + (magnitude >> 13U & 1U);
      return static_cast<std::uint16_t>(sign | rounded >> 13U);
    }
    // Adding 0.5 leaves the multiples of 2^-24 in the last bits, rounded to even.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U));
  }

  std::uint16_t bits_ = 0;
};

/// The upper half of a float: 8 bits of precision, its range. The "bfloat16" of ml_dtypes.
class BFloat16 {
 public:
  /// Zero.
  constexpr BFloat16() noexcept = default;
  /// The nearest number, ties to even.
  constexpr explicit BFloat16(float value) noexcept
      : bits_(round(std::bit_cast<std::uint32_t>(value))) {}
  /// The number of that bit pattern.
  [[nodiscard]] static constexpr BFloat16 from_bits(std::uint16_t bits) noexcept {
    BFloat16 result;
    result.bits_ = bits;
    return result;
  }

  /// The bit pattern.
  [[nodiscard]] constexpr std::uint16_t bits() const noexcept { return bits_; }
  /// The same number, exactly.
  [[nodiscard]] constexpr explicit operator float() const noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits_) << 16U);
  }

 private:
  static constexpr std::uint16_t round(std::uint32_t wide) noexcept {
    const bool is_nan = (wide & 0x7FFFFFFFU) > 0x7F800000U;
    if (is_nan) return static_cast<std::uint16_t>(wide >> 16U | 0x40U);
    return static_cast<std::uint16_t>((wide + 0x7FFFU + (wide >> 16U & 1U)) >> 16U);
  }

  std::uint16_t bits_ = 0;
};

}  // namespace ipc0cp
