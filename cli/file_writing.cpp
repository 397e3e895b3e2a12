// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "failure.hpp"
#include "file_types.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/stdio.hpp"

namespace ipc0cp::cli {
namespace {

using nlohmann::json;

/// What stands in front of the payload in a file, and how the file's name ends.
struct Form {
  std::string ending;
  std::string header;
};

std::optional<Form> npy_form(const json& metadata) {
  if (!metadata.at("dtype").is_string()) return std::nullopt;
  const auto dtype = metadata.at("dtype").get<std::string>();
  // Names of ml_dtypes are nothing that a .npy file could say.
  if (dtype.find_first_of("<>|") != 0 || metadata.value("scalar", false)) return std::nullopt;
  std::string shape;
  for (const json& length : metadata.at("shape")) shape += length.dump() + ", ";
  if (metadata.at("shape").size() > 1) shape.resize(shape.size() - 2);
  if (metadata.at("shape").size() == 1) shape.pop_back();
  const bool fortran = metadata.value("order", "C") == "F";
  std::string header = "{'descr': '" + dtype +
                       "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" +
                       shape + "), }";
  // Magic, version and length are 10 bytes; with the newline the elements begin at 64 bytes.
  header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  std::string start("\x93NUMPY\x01\x00", 8);
  start += static_cast<char>(header.size() & 0xFF);
  start += static_cast<char>(header.size() >> 8);
  if (header.size() > 0xFFFF) return std::nullopt;
  return Form{".npy", start + header};
}

/// PNG and JPEG as they are; pixels without a palette as Netpbm files, which everything opens.
std::optional<Form> image_form(const json& metadata) {
  const std::string encoding = metadata.at("encoding");
  if (metadata.contains("info")) return std::nullopt;  // Its bytes follow the pixels.
  if (encoding == "png") return Form{".png", {}};
  if (encoding == "jpeg") return Form{".jpg", {}};
  if (metadata.contains("pixel_bytes") || metadata.contains("palette")) return std::nullopt;
  const std::string size =
      metadata.at("size").at(0).dump() + " " + metadata.at("size").at(1).dump();
  const std::string mode = metadata.at("mode");
  if (mode == "L") return Form{".pgm", "P5\n" + size + "\n255\n"};
  if (mode == "RGB") return Form{".ppm", "P6\n" + size + "\n255\n"};
  return std::nullopt;
}

std::optional<Form> form_of(std::string_view metadata_json) {
  if (metadata_json.empty() || metadata_json == kBytesMetadata) return Form{".bin", {}};
  const json metadata = json::parse(metadata_json, nullptr, false);
  try {
    const std::string type = metadata.at("type");
    if (type == "bytes") return Form{".bin", {}};
    if (type == "text") return Form{".txt", {}};
    // Marks are ours: what has some stays a message.
    if (type == "json" && metadata.value("version", "1.0") == "1.0") return Form{".json", {}};
    if (type == "ndarray") return npy_form(metadata);
    if (type == "image") return image_form(metadata);
  } catch (const json::exception&) {
    return std::nullopt;  // Not what its type should be: kept as it came.
  }
  return std::nullopt;
}

/// Makes a file that was not there: what has the name already may be the messages of an earlier
/// run, which are nowhere else. `path` becomes NAME-2 then.
FilePointer make_file(std::filesystem::path& path) {
  const std::filesystem::path stem = path.parent_path() / path.stem();
  const std::string ending = path.extension().string();
  for (std::uint64_t number = 2; std::filesystem::exists(path); ++number) {
    path = stem;
    path += "-" + std::to_string(number) + ending;
  }
  return open_file(path, "wbx");  // Fails if somebody else was faster.
}

void write_stream(std::filesystem::path& path, std::string_view metadata_json,
                  std::span<const std::byte> payload) {
  const FilePointer file = make_file(path);
  StdioProducer producer(fileno(file.get()));
  producer.push_raw(metadata_json, payload);
  producer.close();
}

}  // namespace

std::filesystem::path write_message(const std::filesystem::path& stem,
                                    std::string_view metadata_json,
                                    std::span<const std::byte> payload) {
  std::filesystem::path path = stem;
  const std::optional<Form> form = form_of(metadata_json);
  if (!form) {
    path += ".ipc0cp";
    write_stream(path, metadata_json, payload);
    return path;
  }
  path += form->ending;
  FilePointer file = make_file(path);
  const auto write = [&](const void* bytes, std::size_t count) {
    return std::fwrite(bytes, 1, count, file.get()) == count;
  };
  bool written = write(form->header.data(), form->header.size());
  written = written && write(payload.data(), payload.size());
  if (std::fclose(file.release()) != 0 || !written) {
    throw Failure(kFailed, "cannot write " + path.string() + ": " + std::strerror(errno));
  }
  return path;
}

}  // namespace ipc0cp::cli
