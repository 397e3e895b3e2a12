// SPDX-License-Identifier: Apache-2.0
// Sobel edges, their energy and a luminance histogram of one photograph.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

/// What is known about a photograph besides its edges.
struct Analysis {
  double mean_energy = 0.0;                 ///< Mean of gx^2 + gy^2 over all pixels.
  std::array<std::uint32_t, 64> histogram;  ///< Luminance in steps of 4.
};

/// Keeps its line buffers between photographs. One thread at a time.
class EdgeFilter {
 public:
  /// @param pixels height x width x channels, channels 1 (grey) or 3 (RGB), row by row.
  /// @param edges height x width; the gradient's length, at most 255; 0 along the border.
  Analysis run(std::span<const std::uint8_t> pixels, std::size_t height, std::size_t width,
               std::size_t channels, std::span<std::uint8_t> edges) {
    if (channels != 1 && channels != 3) throw std::invalid_argument("1 or 3 channels");
    if (pixels.size() != height * width * channels || edges.size() != height * width ||
        height < 3 || width < 3) {
      throw std::invalid_argument("the sizes do not fit together");
    }
    // Three lines of luminance stay in the first-level cache while the window slides down.
    luminance_.resize(3 * width);
    for (auto& part : counts_) part.fill(0);
    const std::size_t line_bytes = width * channels;
    read_line(pixels.data(), width, channels, line(0));
    read_line(pixels.data() + line_bytes, width, channels, line(1));
    std::memset(edges.data(), 0, width);
    std::uint64_t energy = 0;
    for (std::size_t row = 1; row + 1 < height; ++row) {
      read_line(pixels.data() + (row + 1) * line_bytes, width, channels, line(row + 1));
      energy += filter_line(line(row - 1), line(row), line(row + 1), width, &edges[row * width]);
    }
    std::memset(&edges[(height - 1) * width], 0, width);
    return {static_cast<double>(energy) / static_cast<double>(height * width), histogram()};
  }

 private:
  std::uint8_t* line(std::size_t row) { return &luminance_[row % 3 * luminance_.size() / 3]; }

  void read_line(const std::uint8_t* pixels, std::size_t width, std::size_t channels,
                 std::uint8_t* luminance) {
    if (channels == 3) {
      for (std::size_t x = 0; x < width; ++x) {
        // ITU-R BT.601 weights in 1/256.
        const unsigned weighted =
            77U * pixels[3 * x] + 150U * pixels[3 * x + 1] + 29U * pixels[3 * x + 2] + 128U;
        luminance[x] = static_cast<std::uint8_t>(weighted >> 8);
      }
    } else {
      std::memcpy(luminance, pixels, width);
    }
    // Four sets of counters, so that equal neighbours do not wait for each other's store.
    for (std::size_t x = 0; x < width; ++x) ++counts_[x % 4][luminance[x]];
  }

  static std::uint64_t filter_line(const std::uint8_t* above, const std::uint8_t* middle,
                                   const std::uint8_t* below, std::size_t width,
                                   std::uint8_t* edges) {
    edges[0] = edges[width - 1] = 0;
    std::uint64_t energy = 0;
    // 32 bits hold the energy of 2,000 pixels; narrow sums let the compiler fill its vectors.
    constexpr std::size_t kPixelsPerSum = 2000;
    for (std::size_t start = 1; start + 1 < width; start += kPixelsPerSum) {
      const std::size_t end = std::min(start + kPixelsPerSum, width - 1);
      std::uint32_t sum = 0;
      for (std::size_t x = start; x < end; ++x) {
        const int gradient_x = above[x + 1] + 2 * middle[x + 1] + below[x + 1] - above[x - 1] -
                               2 * middle[x - 1] - below[x - 1];
        const int gradient_y =
            below[x - 1] + 2 * below[x] + below[x + 1] - above[x - 1] - 2 * above[x] - above[x + 1];
        const int squared = gradient_x * gradient_x + gradient_y * gradient_y;
        sum += static_cast<std::uint32_t>(squared);
        const auto length = static_cast<int>(std::sqrt(static_cast<float>(squared)));
        edges[x] = static_cast<std::uint8_t>(std::min(length, 255));
      }
      energy += sum;
    }
    return energy;
  }

  [[nodiscard]] std::array<std::uint32_t, 64> histogram() const {
    std::array<std::uint32_t, 64> bins{};
    for (const auto& part : counts_) {
      for (std::size_t value = 0; value < part.size(); ++value) bins[value / 4] += part[value];
    }
    return bins;
  }

  std::vector<std::uint8_t> luminance_;
  std::array<std::array<std::uint32_t, 256>, 4> counts_{};
};
