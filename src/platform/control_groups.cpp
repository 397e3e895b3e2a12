// SPDX-License-Identifier: Apache-2.0
#include "platform/control_groups.hpp"

#include <fstream>

namespace ipc0cp::platform {
namespace {

using Visit = std::function<void(const std::string& directory, GroupVersion)>;

void look_upwards(const std::string& root, std::string group, GroupVersion version,
                  const Visit& visit) {
  while (true) {
    while (!group.empty() && group.back() == '/') group.pop_back();
    visit(root + group, version);
    if (group.empty()) return;
    group.erase(group.rfind('/'));
  }
}

/// Whether `name` is in a list with commas.
bool lists(std::string_view names, std::string_view name) {
  const std::string list = "," + std::string(names) + ",";
  return list.find("," + std::string(name) + ",") != std::string::npos;
}

}  // namespace

void visit_groups(const GroupFiles& files, std::string_view controller, const Visit& visit) {
  std::ifstream file(files.groups);
  for (std::string line; std::getline(file, line);) {  // hierarchy:controllers:group
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) look_upwards(files.root, group, GroupVersion::two, visit);
    if (lists(controllers, controller)) {
      look_upwards(files.root + "/" + std::string(controller), group, GroupVersion::one, visit);
    }
  }
}

}  // namespace ipc0cp::platform
