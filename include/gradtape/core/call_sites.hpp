#pragma once
/// \file
/// Which line of a program an operation was written in: return addresses are kept while tracing,
/// each stack once, and the program `addr2line` (GNU binutils) tells their lines only when an error
/// asks for one.  Without what that takes there is no line: debug information (`-g`; of clang
/// `-gdwarf-4`, as addr2line 2.40 does not find inlined functions in its version 5), addr2line,
/// `timeout` (GNU coreutils), GNU's C library.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// elsewhere these functions are missing, or in libraries of their own
#ifdef __GLIBC__
#include <execinfo.h>
#include <link.h>
#include <unistd.h>
#endif

#include "error.hpp"

namespace gradtape::detail {

/// A path without "x/..".
inline std::string normal_path(std::string path) {
  for (std::size_t up = 0; (up = path.find("/../", up)) != std::string::npos;) {
    const std::size_t before = up == 0 ? std::string::npos : path.rfind('/', up - 1);
    const std::size_t start = before == std::string::npos ? 0 : before + 1;
    if (up == 0 || path.compare(start, up - start, "..") == 0) {
      up += 3;
      continue;
    }
    path.erase(start, up + 4 - start);
    up = start == 0 ? 0 : start - 1;
  }
  return path;
}

/// Whether a line is neither of this library nor of others that call it.
inline bool is_users(const std::string& line) {
  constexpr std::string_view here = "core/call_sites.hpp";
  std::string library = normal_path(__FILE__);
  if (library.ends_with(here)) library.resize(library.size() - here.size());
  while (library.compare(0, 3, "../") == 0) library.erase(0, 3);  // from where it was compiled
  for (const std::string_view skipped :
       {std::string_view(library), std::string_view("/Eigen/"), std::string_view("/include/c++/"),
        std::string_view("/sysdeps/")}) {
    if (line.find(skipped) != std::string::npos) return false;
  }
  return line.front() != '?';
}

#ifdef __GLIBC__

/// The file of the machine code at an address, and where it is loaded.
struct LoadedFile {
  std::uintptr_t address, base = 0;
  std::string path;

  explicit LoadedFile(const void* code) : address(reinterpret_cast<std::uintptr_t>(code)) {
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* data) {
          auto& file = *static_cast<LoadedFile*>(data);
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& segment = info->dlpi_phdr[i];
            const std::uintptr_t offset = file.address - info->dlpi_addr - segment.p_vaddr;
            if (segment.p_type != PT_LOAD || offset >= segment.p_memsz) continue;
            file.base = info->dlpi_addr;
            file.path = *info->dlpi_name != '\0' ? std::string(info->dlpi_name)
                                                 : concat("/proc/", getpid(), "/exe");
            return 1;
          }
          return 0;
        },
        this);
  }
};

#endif

/// The different stacks from which a tape was called, by number; 0 for none.  A template, so that
/// programs that never trace are spared its compilation.
template <class T>
class CallSites {
 public:
  /// Return addresses, the innermost first.
  using Stack = std::vector<void*>;

  std::uint32_t current() {
    if (stacks_.size() == most) return 0;
    const auto [entry, is_new] =
        numbers_.emplace(current_stack(), static_cast<std::uint32_t>(stacks_.size() + 1));
    if (is_new) stacks_.push_back(&entry->first);
    return entry->second;
  }

  /// ", at model.cpp:42"; nothing if it is not known.
  std::string text(std::uint32_t site) const {
    if (site == 0) return {};
    const std::string line = source_line(*stacks_[site - 1], 20);
    return line.empty() ? line : ", at " + line;
  }

#ifdef __GLIBC__
  [[gnu::noinline]] static Stack current_stack() {
    void* address[32];
    void** const end = address + backtrace(address, std::size(address));
    // before it stands what a sanitizer puts in the place of `backtrace`, from a library of its own
    void** const caller = std::find(std::begin(address), end, __builtin_return_address(0));
    return Stack(caller != end ? caller : address, end);
  }

  /// "model.cpp:42", the innermost line that is the user's; nothing if that cannot be found out in
  /// so many seconds.
  static std::string source_line(const Stack& stack, int seconds) {
    struct Close {
      void operator()(std::FILE* file) const { pclose(file); }
    };
    // what is compiled of this library is in the program itself: the lines of the C library, which
    // calls `main`, are nobody's
    const LoadedFile file(stack.empty() ? nullptr : stack.front());
    if (file.path.empty() || file.path.find('\'') != std::string::npos) return {};
    std::string addresses;
    for (void* const address : stack) {
      // the address that a call returns to may be that of the next line
      if (LoadedFile(address).path == file.path)
        addresses += concat(" ", reinterpret_cast<std::uintptr_t>(address) - file.base - 1);
    }
    // as hexadecimal numbers, by the shell; debug information is not to come from the network
    const std::string command =
        concat("exec 2>/dev/null </dev/null; DEBUGINFOD_URLS= timeout ", seconds,
               " addr2line -f -i -e '", file.path, "' $(printf '%x ' ", addresses, ")");
    const std::unique_ptr<std::FILE, Close> output(popen(command.c_str(), "r"));
    // a function, and below it where it is; the line of this library's may be given to a wrong file
    std::string line, function;
    for (int c = 0; output != nullptr && (c = std::fgetc(output.get())) != EOF;) {
      if (c != '\n') {
        line += static_cast<char>(c);
        continue;
      }
      if (function.empty()) {
        function.swap(line);
        continue;
      }
      line = normal_path(line.substr(0, line.find(" (")));
      if (function.find("8gradtape") > 4 && !line.empty() && is_users(line)) return line;
      line.clear();
      function.clear();
    }
    return {};
  }
#else
  static Stack current_stack() { return {}; }
  static std::string source_line(const Stack&, int) { return {}; }
#endif

 private:
  static constexpr std::size_t most = std::size_t{1} << 16;

  struct Hash {
    std::size_t operator()(const Stack& stack) const {
      const std::string_view bytes(reinterpret_cast<const char*>(stack.data()),
                                   stack.size() * sizeof(void*));
      return std::hash<std::string_view>()(bytes);
    }
  };

  std::unordered_map<Stack, std::uint32_t, Hash> numbers_;
  std::vector<const Stack*> stacks_;
};

}  // namespace gradtape::detail
