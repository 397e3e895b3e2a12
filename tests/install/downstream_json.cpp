// SPDX-License-Identifier: Apache-2.0
// The opt-in header: JSON text to nlohmann::json and back.
#include "ipc0cp/json.hpp"

int main() {
  const nlohmann::json value = {{"label", 3}, {"scores", {0.5, 0.25}}};
  return ipc0cp::to_json(ipc0cp::from_json(value)) == value ? 0 : 1;
}
