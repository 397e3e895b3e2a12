// SPDX-License-Identifier: Apache-2.0
// Trees of lists and maps, built as the input says: each byte adds an item, opens or closes a list
// or map. What is built decodes to the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "fuzz_input.hpp"
#include "ipc0cp/objects.hpp"
#include "objects/rebuild.hpp"

namespace ipc0cp::fuzz {
namespace {

class TreeBuilder {
 public:
  explicit TreeBuilder(Input input) : input_(input) { open_.emplace_back(ListData()); }

  ListData build() {
    while (!input_.empty()) step();
    while (open_.size() > 1) close();
    return std::move(std::get<ListData>(open_.front()));
  }

 private:
  using Container = std::variant<ListData, MapData>;

  void step() {
    switch (input_.byte() % 16) {
      case 0:
        return open(ListData());
      case 1:
        return open(MapData());
      case 2:
      case 3:
        if (open_.size() > 1) close();
        return;
      case 4:
        return add(nullptr);
      case 5:
        return add(input_.byte() % 2 == 0);
      case 6:
        return add(input_.number<std::int64_t>());
      case 7:
        return add(input_.number<std::uint16_t>());
      case 8:
        return add(input_.number<double>());
      case 9:
      case 10:
        return add(input_.text());
      case 11:
        return add(BytesData(input_.bytes(input_.byte())));
      case 12:
        return add(NumpyArray("|u1", {input_.byte()}));
      case 13:
        return add(NumpyArray::from<float>({input_.number<float>()}));
      case 14:
        return add(ImageData("L", input_.byte() % 16, input_.byte() % 16));
      default:
        return add_json(input_.text());
    }
  }

  /// Refused values leave the container as it is.
  template <class Item>
  void add(Item&& item) {
    try {
      if (auto* list = std::get_if<ListData>(&open_.back())) {
        list->add(std::forward<Item>(item));
      } else {
        std::get<MapData>(open_.back()).add(next_key(), std::forward<Item>(item));
      }
    } catch (const Error& error) {
      require(error.code() == ErrorCode::unsupported_type ||
                  error.code() == ErrorCode::invalid_argument,
              "what a container refuses is named, not", to_string(error.code()));
    }
  }

  void add_json(std::string_view text) {
    try {
      // In canonical text: a JsonData is sent with the white space it was made with.
      JsonData json = ipc0cp_test::rebuild_json(JsonData(std::string(text)));
      // A string comes back as TextData.
      if (json.kind() == JsonKind::string) return add(json.value<std::string>());
      add(std::move(json));
    } catch (const Error& error) {
      require(error.code() == ErrorCode::unsupported_type, "JSON is refused as unsupported");
    }
  }

  template <class Kind>
  void open(Kind container) {
    // A few more than the format allows.
    if (open_.size() < kMaxContainerLevels + 4) open_.emplace_back(std::move(container));
  }

  void close() {
    Container closed = std::move(open_.back());
    open_.pop_back();
    std::visit([this](auto& container) { add(std::move(container)); }, closed);
  }

  /// Keys repeat now and then.
  std::string next_key() {
    const std::uint8_t choice = input_.byte();
    return choice < 16 ? std::string(input_.text()) : std::to_string(choice);
  }

  Input input_;
  std::vector<Container> open_;
};

}  // namespace
}  // namespace ipc0cp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ipc0cp::fuzz::require_round_trip(ipc0cp::fuzz::TreeBuilder({data, size}).build());
  return 0;
}
