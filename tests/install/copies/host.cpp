// SPDX-License-Identifier: Apache-2.0
// Exchanges messages with a second copy of the library that a plugin brings along, unloads it, and
// forks: hooks that the second copy has left behind would end the process.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <iostream>
#include <string>

#include "ipc0cp/ring_buffer.hpp"

namespace {

constexpr std::size_t kTotalDataBytes = std::size_t{1} << 20;
constexpr auto kPatience = std::chrono::seconds(30);
constexpr int kMessages = 2000;

template <class Function>
Function* find(void* plugin, const char* name) {
  return reinterpret_cast<Function*>(dlsym(plugin, name));
}

bool receives_from(void* plugin, const std::string& ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kTotalDataBytes);
  auto* produce = find<int(const char*, int)>(plugin, "produce");
  auto sent = std::async(std::launch::async, produce, ring.c_str(), kMessages);
  int received = 0;
  while (auto object = consumer.pop(kPatience)) {
    if (object->as<ipc0cp::TextData>().text() != std::to_string(received)) return false;
    ++received;
  }
  return sent.get() == 0 && received == kMessages;
}

bool sends_to(void* plugin, const std::string& ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kTotalDataBytes);
  auto* consume = find<int(const char*)>(plugin, "consume");
  auto received = std::async(std::launch::async, consume, ring.c_str());
  for (int number = 0; number < kMessages; ++number) {
    if (!producer.push(ipc0cp::TextData(std::to_string(number)), kPatience)) return false;
  }
  producer.close();
  return received.get() == kMessages;
}

bool forks() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  int status = -1;
  return waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 3) return 2;
  const std::string ring = arguments[1];
  void* plugin = dlopen(arguments[2], RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) {
    std::cerr << dlerror() << '\n';
    return 1;
  }
  auto* copy = find<void*()>(plugin, "copy_of_the_library");
  const bool are_two = copy() != reinterpret_cast<void*>(&ipc0cp::close_all_handles);
  const bool received = receives_from(plugin, ring);
  const bool sent = sends_to(plugin, ring);
  const bool unloaded = dlclose(plugin) == 0;
  const bool forked = forks();
  std::cout << "two copies " << are_two << ", received " << received << ", sent " << sent
            << ", unloaded " << unloaded << ", forked " << forked << '\n';
  return are_two && received && sent && unloaded && forked ? 0 : 1;
}
