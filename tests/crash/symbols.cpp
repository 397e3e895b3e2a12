// SPDX-License-Identifier: Apache-2.0
#include "symbols.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

namespace ipc0cp::crash {
namespace {

struct Function {
  std::uint64_t bytes;
  std::string name;
};

/// The first object that the loader lists is the program itself.
std::uint64_t load_address() {
  std::uint64_t base = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* result) {
        *static_cast<std::uint64_t*>(result) = info->dlpi_addr;
        return 1;
      },
      &base);
  return base;
}

std::map<std::uint64_t, Function> functions_of_this_program() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::vector<char> image{std::istreambuf_iterator<char>(file), {}};
  std::map<std::uint64_t, Function> functions;
  Elf64_Ehdr header;
  if (image.size() < sizeof header) return functions;
  std::memcpy(&header, image.data(), sizeof header);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), image.data() + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  const std::uint64_t base = load_address();
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB) continue;
    const char* names = image.data() + sections[section.sh_link].sh_offset;
    for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, image.data() + section.sh_offset + at, sizeof symbol);
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_value == 0) continue;
      functions[base + symbol.st_value] = {symbol.st_size, names + symbol.st_name};
    }
  }
  return functions;
}

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  std::string result = status == 0 ? text.get() : name;
  return result.substr(0, result.find('('));
}

}  // namespace

std::string symbol_of(std::uint64_t address) {
  static const auto functions = functions_of_this_program();
  std::ostringstream text;
  auto next = functions.upper_bound(address);
  if (next != functions.begin()) {
    const auto& [start, function] = *--next;
    if (address < start + function.bytes) {
      text << demangled(function.name.c_str()) << "+0x" << std::hex << address - start;
      return text.str();
    }
  }
  Dl_info info{};
  const void* code = reinterpret_cast<const void*>(address);  // NOLINT(performance-no-int-to-ptr)
  if (dladdr(code, &info) != 0 && info.dli_sname != nullptr) {
    text << info.dli_sname << "+0x" << std::hex
         << address - reinterpret_cast<std::uint64_t>(info.dli_saddr);
  } else {
    text << (info.dli_fname != nullptr ? info.dli_fname : "?") << " 0x" << std::hex << address;
  }
  return text.str();
}

}  // namespace ipc0cp::crash
