#pragma once
/// \file
/// The two kinds of memory of a tape, both kept when a recording is forgotten:
///
///     Stream   a growing array of small records (the scalar statements)
///     Arena    a stack of blocks with stable addresses (tensors and closures); rewinding frees
///              nothing, and once the arena is empty its blocks are joined to one

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

#include "error.hpp"

namespace gradtape::detail {

/// A growing array of trivially copyable records.  Unlike std::vector it leaves new elements
/// uninitialised and grows in place where the system can.
template <class T>
class Stream {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { std::free(data_); }

  T* data() const { return data_; }
  std::size_t capacity() const { return capacity_; }

  /// \throws std::bad_alloc
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    void* grown = std::realloc(static_cast<void*>(data_), capacity * sizeof(T));
    if (grown == nullptr) throw std::bad_alloc();
    data_ = static_cast<T*>(grown);
    capacity_ = capacity;
  }

 private:
  T* data_ = nullptr;
  std::size_t capacity_ = 0;
};

/// Alignment of every tensor: a cache line, and the widest vector register.
inline constexpr std::size_t tensor_alignment = 64;

/// Bump allocator.
class Arena {
 public:
  /// A place to rewind to.
  struct Mark {
    std::size_t block = 0, offset = 0;
  };

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    for (const Block& block : blocks_) std::free(block.memory);
  }

  /// Uninitialised memory that stays where it is until the arena is rewound before it.
  /// \throws std::bad_alloc
  void* allocate(std::size_t bytes, std::size_t alignment) {
    const std::size_t start = (offset_ + alignment - 1) & ~(alignment - 1);
    if (start + bytes <= size_) [[likely]] {
      offset_ = start + bytes;
      return memory_ + start;
    }
    return allocate_in_next_block(bytes);
  }

  template <class T>
  T* allocate(std::size_t count, std::size_t alignment = alignof(T)) {
    if (count > PTRDIFF_MAX / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(allocate(count * sizeof(T), alignment));
  }

  Mark mark() const { return {block_, offset_}; }

  bool is_empty() const { return block_ == 0 && offset_ == 0; }

  void rewind(Mark mark) {
    if (mark.block == 0 && mark.offset == 0 && blocks_.size() > 1) join();
    select(mark.block, mark.offset);
  }

  /// Bytes taken from the system.
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const Block& block : blocks_) sum += block.size;
    return sum;
  }

 private:
  struct Block {
    std::byte* memory;
    std::size_t size;
  };

  static std::byte* take(std::size_t bytes) {
    void* memory = std::aligned_alloc(tensor_alignment, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<std::byte*>(memory);
  }

  void select(std::size_t block, std::size_t offset) {
    block_ = block;
    offset_ = offset;
    memory_ = block < blocks_.size() ? blocks_[block].memory : nullptr;
    size_ = block < blocks_.size() ? blocks_[block].size : 0;
  }

  [[gnu::cold, gnu::noinline]] void* allocate_in_next_block(std::size_t bytes) {
    std::size_t next = memory_ == nullptr ? block_ : block_ + 1;
    while (next < blocks_.size() && blocks_[next].size < bytes) ++next;
    if (next == blocks_.size()) {
      const std::size_t wanted = std::max(bytes, std::max(smallest_block, this->bytes()));
      const std::size_t size = (wanted + tensor_alignment - 1) & ~(tensor_alignment - 1);
      blocks_.reserve(blocks_.size() + 1);
      blocks_.push_back({take(size), size});
    }
    select(next, bytes);
    return memory_;
  }

  void join() {
    const std::size_t size = bytes();
    std::byte* memory = static_cast<std::byte*>(std::aligned_alloc(tensor_alignment, size));
    if (memory == nullptr) return;  // the blocks serve as they are
    for (const Block& block : blocks_) std::free(block.memory);
    blocks_.assign(1, {memory, size});
  }

  static constexpr std::size_t smallest_block = std::size_t{1} << 16;

  std::vector<Block> blocks_;
  std::size_t block_ = 0, offset_ = 0, size_ = 0;
  std::byte* memory_ = nullptr;
};

}  // namespace gradtape::detail
