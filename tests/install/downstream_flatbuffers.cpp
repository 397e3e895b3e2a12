// SPDX-License-Identifier: Apache-2.0
// The opt-in header: a table with one number, as flatc would generate it, there and back.
#include "ipc0cp/flatbuffer.hpp"

struct Answer : private flatbuffers::Table {
  static constexpr flatbuffers::voffset_t kNumber = 4;

  [[nodiscard]] int number() const { return GetField<int>(kNumber, 0); }
  bool Verify(flatbuffers::Verifier& verifier) const {
    return VerifyTableStart(verifier) && VerifyField<int>(verifier, kNumber, alignof(int)) &&
           verifier.EndTable();
  }
};

int main() {
  flatbuffers::FlatBufferBuilder builder;
  const auto start = builder.StartTable();
  builder.AddElement<int>(Answer::kNumber, 42, 0);
  builder.Finish(flatbuffers::Offset<Answer>(builder.EndTable(start)), "ANSW");
  const auto data = ipc0cp::from_flatbuffer(std::move(builder));
  return ipc0cp::root<Answer>(data, "ANSW")->number() == 42 ? 0 : 1;
}
