// SPDX-License-Identifier: Apache-2.0
// What the codec needs of the registry besides its public face.
#pragma once

#include <memory>
#include <string_view>

#include "ipc0cp/type_registry.hpp"

namespace ipc0cp::codec {

struct Registration {
  std::shared_ptr<const TypeRegistry::Deserializer> function;  ///< Null: there is none.
  bool built_in = false;

  static Registration find(std::string_view name, std::string_view version);
};

}  // namespace ipc0cp::codec
