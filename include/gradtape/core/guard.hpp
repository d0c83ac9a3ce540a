#pragma once
/// \file
/// Tells AddressSanitizer which of a tape's memory nobody may touch: the gaps behind tensors, what a
/// forgotten recording has left, and what is reserved for later.  Without the sanitizer nothing of
/// this is compiled.

#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#define GRADTAPE_GUARDS_MEMORY
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GRADTAPE_GUARDS_MEMORY
#endif
#endif
#ifdef GRADTAPE_GUARDS_MEMORY
#include <sanitizer/asan_interface.h>
#endif

namespace gradtape::detail {

#ifdef GRADTAPE_GUARDS_MEMORY

inline constexpr bool guards_memory = true;

inline void forbid_access(const void* memory, std::size_t bytes) {
  ASAN_POISON_MEMORY_REGION(memory, bytes);
}
inline void permit_access(const void* memory, std::size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
}

#else

inline constexpr bool guards_memory = false;

[[gnu::always_inline]] inline void forbid_access(const void*, std::size_t) {}
[[gnu::always_inline]] inline void permit_access(const void*, std::size_t) {}

#endif

}  // namespace gradtape::detail
