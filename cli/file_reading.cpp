// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <regex>
#include <vector>

#include "failure.hpp"
#include "file_types.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/message.hpp"
#include "rules/json_reader.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using nlohmann::ordered_json;
using Bytes = std::vector<unsigned char>;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& reason) {
  throw Failure(kFailed, path.string() + ": " + reason + "; send it as it is with --bytes");
}

/// Exactly so many bytes at a place; empty if the file ends before.
Bytes read_at(std::FILE* file, std::uint64_t offset, std::size_t count) {
  Bytes bytes(count);
  if (fseeko(file, static_cast<off_t>(offset), SEEK_SET) != 0) return {};
  if (std::fread(bytes.data(), 1, count, file) != count) return {};
  return bytes;
}

std::uint32_t big_endian(const unsigned char* bytes, std::size_t count) {
  std::uint32_t number = 0;
  for (std::size_t index = 0; index < count; ++index) number = number << 8 | bytes[index];
  return number;
}

// ---- NumPy's .npy -------------------------------------------------------------------------------

/// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } and where the elements begin.
std::string npy_header(std::FILE* file, const std::filesystem::path& path, std::uint64_t& end) {
  const Bytes start = read_at(file, 0, 12);
  if (start.empty() || std::memcmp(start.data(), "\x93NUMPY", 6) != 0) {
    refuse(path, "no .npy file, it does not begin with \\x93NUMPY");
  }
  const bool wide = start[6] >= 2;
  std::uint64_t length = start[8] | std::uint64_t{start[9]} << 8;
  if (wide) length |= std::uint64_t{start[10]} << 16 | std::uint64_t{start[11]} << 24;
  const std::uint64_t begin = wide ? 12 : 10;
  // As much as NumPy itself reads of a file that nobody vouches for; what std::regex can search
  // without running out of stack ends at some 100,000.
  constexpr std::uint64_t kMostBytes = 10'000;
  if (length > kMostBytes) {
    refuse(path, "its header has " + std::to_string(length) + " bytes, more than " +
                     std::to_string(kMostBytes) + ": an array of this kind is for Python to send");
  }
  const Bytes text = read_at(file, begin, length);
  if (text.size() != length) refuse(path, "it ends in its header");
  end = begin + length;
  return {text.begin(), text.end()};
}

/// Of one element: "<f4" 4, "<U3" 12, "<M8[ns]" 8.
std::uint64_t item_bytes(const std::string& dtype) {
  std::uint64_t size = 0;
  std::from_chars(dtype.data() + 2, dtype.data() + dtype.size(), size);
  return dtype[1] == 'U' ? 4 * size : size;
}

FileMessage look_at_npy(std::FILE* file, const std::filesystem::path& path, std::uint64_t bytes) {
  FileMessage message;
  const std::string header = npy_header(file, path, message.payload_offset);
  static const std::regex dtype_pattern(R"('descr'\s*:\s*'([<>|][biufcSUVmM][ -&(-~]*)')");
  static const std::regex order_pattern(R"('fortran_order'\s*:\s*(True|False))");
  static const std::regex shape_pattern(R"('shape'\s*:\s*\(([0-9, ]*)\))");
  std::smatch dtype;
  std::smatch order;
  std::smatch shape;
  if (!std::regex_search(header, dtype, dtype_pattern) ||
      !std::regex_search(header, order, order_pattern) ||
      !std::regex_search(header, shape, shape_pattern)) {
    refuse(path, "an array of this kind is for Python to send: " + one_line(header, 80));
  }
  ordered_json metadata = {{"type", "ndarray"}, {"version", "1.0"}, {"dtype", dtype[1].str()}};
  metadata["shape"] = ordered_json::array();
  static const std::regex number_pattern("[0-9]+");
  const std::string dimensions = shape[1].str();
  for (std::sregex_iterator number(dimensions.begin(), dimensions.end(), number_pattern), none;
       number != none; ++number) {
    const std::string digits = number->str();
    std::uint64_t length = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), length).ec != std::errc()) {
      refuse(path, "its shape (" + dimensions + ") is beyond all memory");
    }
    metadata["shape"].push_back(length);
  }
  if (order[1] == "True" && metadata["shape"].size() > 1) metadata["order"] = "F";
  std::uint64_t expected = item_bytes(dtype[1].str());
  for (const auto& length : metadata["shape"]) {
    if (__builtin_mul_overflow(expected, length.get<std::uint64_t>(), &expected)) {
      refuse(path, "its shape " + metadata["shape"].dump() + " is beyond all memory");
    }
  }
  message.metadata_json = metadata.dump();
  message.payload_bytes = bytes - message.payload_offset;
  if (message.payload_bytes != expected) {
    refuse(path, "its header says " + std::to_string(expected) + " bytes of elements, it has " +
                     std::to_string(message.payload_bytes));
  }
  return message;
}

// ---- images -------------------------------------------------------------------------------------

std::string image_metadata(const char* encoding, const std::string& mode, std::uint32_t width,
                           std::uint32_t height) {
  const ordered_json metadata = {{"type", "image"},
                                 {"version", "1.0"},
                                 {"encoding", encoding},
                                 {"mode", mode},
                                 {"size", {width, height}}};
  return metadata.dump();
}

/// The mode that Pillow gives such a file; empty if it depends on the version of Pillow.
std::string mode_of_png(unsigned depth, unsigned color) {
  switch (color) {
    case 0:
      return depth == 1 ? "1" : depth == 16 ? "" : "L";
    case 2:
      return "RGB";
    case 3:
      return "P";
    case 4:
      return "LA";
    default:
      return "RGBA";
  }
}

void look_at_png(std::FILE* file, const std::filesystem::path& path, FileMessage& message) {
  const Bytes head = read_at(file, 0, 26);
  if (head.empty() || std::memcmp(head.data(), "\x89PNG\r\n\x1a\n", 8) != 0) {
    refuse(path, "no PNG file");
  }
  const std::string mode = mode_of_png(head[24], head[25]);
  if (mode.empty()) {
    message.note = "grey of 16 bits, which versions of Pillow read differently: sent as bytes";
    return;
  }
  message.metadata_json =
      image_metadata("png", mode, big_endian(&head[16], 4), big_endian(&head[20], 4));
}

void look_at_jpeg(std::FILE* file, const std::filesystem::path& path, FileMessage& message) {
  const Bytes start = read_at(file, 0, 2);
  if (start.empty() || start[0] != 0xFF || start[1] != 0xD8) refuse(path, "no JPEG file");
  // From segment to segment up to the frame header, which has the size.
  for (std::uint64_t place = 2;;) {
    const Bytes segment = read_at(file, place, 10);
    if (segment.empty() || segment[0] != 0xFF) refuse(path, "a JPEG file without a frame header");
    const unsigned marker = segment[1];
    const bool is_frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (is_frame) {
      const unsigned components = read_at(file, place + 9, 1).at(0);
      const char* mode = components == 1 ? "L" : components == 3 ? "RGB" : "CMYK";
      message.metadata_json =
          image_metadata("jpeg", mode, big_endian(&segment[7], 2), big_endian(&segment[5], 2));
      return;
    }
    place += marker == 0xFF ? 1 : 2 + big_endian(&segment[2], 2);
  }
}

// ---- JSON ---------------------------------------------------------------------------------------

void look_at_json(std::FILE* file, const std::filesystem::path& path, FileMessage& message) {
  const Bytes bytes = read_at(file, 0, message.payload_bytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  try {
    codec::check_json(text, {.error = ErrorCode::invalid_argument, .what = "JSON"});
  } catch (const Error& error) {
    refuse(path, error.what());
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (text.substr(first, 4) == "null") refuse(path, "null alone would mean the end of the stream");
  message.metadata_json = kJsonMetadata;
}

}  // namespace

FilePointer open_file(const std::filesystem::path& path, const char* mode) {
  FilePointer file(std::fopen(path.c_str(), mode));
  if (file == nullptr) {
    throw Failure(kFailed, "cannot open " + path.string() + ": " + std::strerror(errno));
  }
  return file;
}

FileMessage look_at_file(std::FILE* file, const std::filesystem::path& path) {
  FileMessage message;
  message.payload_bytes = std::filesystem::file_size(path);
  std::string ending = path.extension().string();
  for (char& character : ending) {
    character = static_cast<char>(std::tolower(static_cast<unsigned char>(character)));
  }
  if (ending == ".npy") return look_at_npy(file, path, message.payload_bytes);
  if (ending == ".png") look_at_png(file, path, message);
  if (ending == ".jpg" || ending == ".jpeg") look_at_jpeg(file, path, message);
  if (ending == ".json") look_at_json(file, path, message);
  return message;
}

}  // namespace ipc0cp::cli
