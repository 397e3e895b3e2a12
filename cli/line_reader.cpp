// SPDX-License-Identifier: Apache-2.0
#include "line_reader.hpp"

#include "failure.hpp"
#include "standard_streams.hpp"

namespace ipc0cp::cli {

std::optional<std::string_view> LineReader::next() {
  while (true) {
    const std::size_t end = bytes_.find('\n', searched_);
    const bool is_whole = end != std::string::npos;
    const std::string_view rest = std::string_view(bytes_).substr(begin_);
    const std::string_view line = is_whole ? rest.substr(0, end - begin_) : rest;
    if (line.size() > most_bytes_) {
      throw Failure(kFailed, name_ + ", line " + std::to_string(number_ + 1) + ": more than " +
                                 std::to_string(most_bytes_) +
                                 " bytes, the capacity of the ring; make it larger (--size)");
    }
    if (is_whole || (ended_ && !rest.empty())) {
      begin_ = searched_ = is_whole ? end + 1 : bytes_.size();
      ++number_;
      return line;
    }
    if (ended_) return std::nullopt;
    read_more();
  }
}

void LineReader::read_more() {
  constexpr std::size_t kPiece = 64 << 10;
  bytes_.erase(0, begin_);
  begin_ = 0;
  searched_ = bytes_.size();
  bytes_.resize(searched_ + kPiece);
  const std::size_t count = read_some(descriptor_, bytes_.data() + searched_, kPiece, name_);
  bytes_.resize(searched_ + count);
  ended_ = count == 0;
}

}  // namespace ipc0cp::cli
