// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/half.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ipc0cp/numpy_array.hpp"

namespace ipc0cp {
namespace {

template <class Half>
std::uint16_t bits_of(float value) {
  return Half(value).bits();
}

/// Both neighbours of each number, exact and half way, on both sides of zero.
template <class Half>
void check_rounding(std::uint16_t infinity) {
  for (std::uint16_t bits = 0; bits < infinity; ++bits) {
    const auto exact = static_cast<float>(Half::from_bits(bits));
    ASSERT_EQ(bits_of<Half>(exact), bits);
    ASSERT_EQ(bits_of<Half>(-exact), bits | 0x8000U);
    if (bits + 1 == infinity) break;
    const auto next = static_cast<float>(Half::from_bits(static_cast<std::uint16_t>(bits + 1)));
    const float middle = exact + (next - exact) / 2;
    const std::uint16_t even = bits % 2 == 0 ? bits : static_cast<std::uint16_t>(bits + 1);
    ASSERT_EQ(bits_of<Half>(middle), even) << bits;
    ASSERT_EQ(bits_of<Half>(std::nextafter(middle, 0.0F)), bits);
    ASSERT_EQ(bits_of<Half>(std::nextafter(middle, next)), bits + 1);
  }
}

TEST(Float16, RoundsToTheNearestAndTiesToEven) { check_rounding<Float16>(0x7C00); }
TEST(BFloat16, RoundsToTheNearestAndTiesToEven) { check_rounding<BFloat16>(0x7F80); }

TEST(Float16, KnownNumbers) {
  EXPECT_EQ(bits_of<Float16>(1.0F), 0x3C00);
  EXPECT_EQ(bits_of<Float16>(-2.0F), 0xC000);
  EXPECT_EQ(bits_of<Float16>(65504.0F), 0x7BFF);
  EXPECT_EQ(bits_of<Float16>(65519.996F), 0x7BFF);
  EXPECT_EQ(bits_of<Float16>(65520.0F), 0x7C00) << "half way to what is not there";
  EXPECT_EQ(bits_of<Float16>(1e30F), 0x7C00);
  EXPECT_EQ(bits_of<Float16>(0x1p-24F), 0x0001);
  EXPECT_EQ(bits_of<Float16>(0x1p-25F), 0x0000);
  EXPECT_EQ(bits_of<Float16>(-1e-30F), 0x8000);
  EXPECT_EQ(static_cast<float>(Float16::from_bits(0x3555)), 0.333251953125F);
}

TEST(BFloat16, KnownNumbers) {
  EXPECT_EQ(bits_of<BFloat16>(1.0F), 0x3F80);
  EXPECT_EQ(bits_of<BFloat16>(3.14159265F), 0x4049);
  EXPECT_EQ(bits_of<BFloat16>(std::numeric_limits<float>::max()), 0x7F80);
}

template <class Half>
void check_special_numbers() {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(static_cast<float>(Half(infinity)), infinity);
  EXPECT_EQ(static_cast<float>(Half(-infinity)), -infinity);
  // Not a number stays none, whatever its payload.
  for (const std::uint32_t bits : {0x7FC00000U, 0x7F800001U, 0x7FFFFFFFU, 0xFF800001U}) {
    EXPECT_TRUE(std::isnan(static_cast<float>(Half(std::bit_cast<float>(bits)))));
  }
}

TEST(Float16, InfinitiesAndNotANumber) { check_special_numbers<Float16>(); }
TEST(BFloat16, InfinitiesAndNotANumber) { check_special_numbers<BFloat16>(); }

TEST(Float16, IsAnElement) {
  const auto array = NumpyArray::from<Float16>({Float16(1.5F), Float16(-2.0F)});
  EXPECT_EQ(array.dtype(), "<f2");
  EXPECT_EQ(static_cast<float>(array.values<Float16>()[1]), -2.0F);
  const auto brain = NumpyArray::from<BFloat16>({BFloat16(1.5F)});
  EXPECT_EQ(brain.dtype(), "bfloat16");
  EXPECT_EQ(static_cast<float>(brain.values<BFloat16>()[0]), 1.5F);
}

}  // namespace
}  // namespace ipc0cp
