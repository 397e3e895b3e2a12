// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which dtype of NumPy a C++ type has.
#pragma once

#include <cfloat>
#include <complex>
#include <string_view>
#include <type_traits>

#include "ipc0cp/half.hpp"

namespace ipc0cp::detail {

/// Whether long double is the 80-bit format of x86 that "<f16" and "<c32" stand for in messages.
inline constexpr bool kLongDoubleIsX87 = LDBL_MANT_DIG == 64;

/// The dtype of an arithmetic type, Float16 or BFloat16; "" if it has none.
template <class T>
constexpr std::string_view dtype_of() noexcept {
  if constexpr (std::is_same_v<T, bool>)
    return "|b1";
  else if constexpr (std::is_same_v<T, std::complex<float>>)
    return "<c8";
  else if constexpr (std::is_same_v<T, std::complex<double>>)
    return "<c16";
  else if constexpr (std::is_same_v<T, std::complex<long double>>)
    return kLongDoubleIsX87 ? "<c32" : "";
  else if constexpr (std::is_same_v<T, float>)
    return "<f4";
  else if constexpr (std::is_same_v<T, double>)
    return "<f8";
  else if constexpr (std::is_same_v<T, long double>)
    return kLongDoubleIsX87 ? "<f16" : "";
  else if constexpr (std::is_same_v<T, Float16>)
    return "<f2";
  else if constexpr (std::is_same_v<T, BFloat16>)
    return "bfloat16";
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
/// What elements and pixels can be had as: a type with a dtype, or a class that stands for others.
template <class T>
concept Element = !dtype_of<T>().empty() || (std::is_class_v<T> && std::is_trivially_copyable_v<T>);

}  // namespace ipc0cp::detail
