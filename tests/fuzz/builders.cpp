// SPDX-License-Identifier: Apache-2.0
// The constructors of arrays and images with whatever a program may give them: an error that names
// the argument, or an object that decodes to the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fuzz_input.hpp"
#include "ipc0cp/objects.hpp"

namespace ipc0cp::fuzz {
namespace {

constexpr std::size_t kMostBytes = 1 << 16;

/// What `make` returns, or nothing if it refuses its arguments.
template <class Make>
auto made(Make&& make) -> std::optional<decltype(make())> {
  try {
    return make();
  } catch (const Error& error) {
    require(error.code() == ErrorCode::invalid_argument, "arguments are refused as such, not as",
            to_string(error.code()));
    require(std::string_view(error.what()).size() < 1000, "errors are short, not", error.what());
    return std::nullopt;
  }
}

void fill(std::span<std::byte> target, Input& input) {
  const auto source = input.bytes(target.size());
  std::copy(source.begin(), source.end(), target.begin());
}

void check_array(Input input) {
  ArrayOptions options;
  options.order = input.byte() % 2 == 0 ? ArrayOrder::c : ArrayOrder::fortran;
  options.scalar = input.byte() % 4 == 0;
  std::vector<std::size_t> shape(input.byte() % 70);
  for (std::size_t& length : shape) {
    const std::uint8_t choice = input.byte();
    length = choice == 255 ? input.number<std::size_t>() : choice % 8;
  }
  const std::string dtype(input.text());
  // First without elements, as nobody knows yet how large they are.
  const auto probe = made([&] { return NumpyArray(dtype, {0}); });
  if (!probe) return;
  std::size_t bytes = probe->item_bytes();
  for (const std::size_t length : shape) {
    if (length != 0 && bytes > kMostBytes / length) return;
    bytes *= length;
  }
  auto array = made([&] { return NumpyArray(dtype, shape, options); });
  if (!array) return;
  require(array->bytes().size() == bytes, "an array has the bytes of its shape");
  fill(array->mutable_bytes(), input);
  require_round_trip(*array);
}

void check_image(Input input) {
  const std::size_t width = input.byte() % 32;
  const std::size_t height = input.byte() % 32;
  ImageOptions options;
  options.pixel_bytes = input.byte() % 8;
  const auto palette = input.bytes(input.number<std::uint16_t>() % 1100);
  options.palette.assign(palette.begin(), palette.end());
  options.palette_mode = input.text();
  options.transparency = input.text();
  const std::string mode(input.text());
  auto image = made([&] { return ImageData(mode, width, height, options); });
  if (!image) return;
  fill(image->mutable_pixels(), input);
  require_round_trip(*image);
  const ImageData packed = image->to_packed();
  require(packed.pixels().size() <= image->pixels().size(), "packed is not larger");
  require_round_trip(packed);
}

}  // namespace
}  // namespace ipc0cp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ipc0cp::fuzz::Input input(data, size);
  if (input.byte() % 2 == 0) {
    ipc0cp::fuzz::check_array(input);
  } else {
    ipc0cp::fuzz::check_image(input);
  }
  return 0;
}
