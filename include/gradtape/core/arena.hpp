#pragma once
/// \file
/// The two kinds of memory of a tape, both kept when a recording is forgotten:
///
///     Stream   a growing array of small records (the scalar statements)
///     Arena    a stack of blocks with stable addresses (tensors and closures); rewinding frees
///              nothing, and once the arena is empty its blocks are joined to one, as large as it
///              had to be
///
/// Both count towards one budget.  AddressSanitizer sees every access to memory of theirs that nobody
/// has asked for, or that was given back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "error.hpp"
#include "guard.hpp"
#include "list.hpp"

namespace gradtape::detail {

/// Alignment of every tensor: a cache line, and the widest vector register.
inline constexpr std::size_t tensor_alignment = 64;

/// Bytes of the widest vector register that this translation unit is compiled for.
#if defined(__AVX512F__)
inline constexpr int register_bytes = 64;
#elif defined(__AVX__)
inline constexpr int register_bytes = 32;
#else
inline constexpr int register_bytes = 16;
#endif

/// Elements that kernels take at once (tile.hpp), in two registers: enough for one to wait for its
/// operands while the other computes, and few enough for the operands of a formula to stay in the
/// sixteen or more that processors have.  Of other types than these kernels take one element.
template <class T>
inline constexpr int tile_width = std::is_same_v<T, float> || std::is_same_v<T, double>
                                      ? 2 * register_bytes / static_cast<int>(sizeof(T))
                                      : 1;

/// Elements that a tensor of so many has memory for: a tile may begin at the last, so that a kernel
/// computes whole tiles and need not know where the elements end.
template <class T>
constexpr std::size_t with_margin(std::size_t size) {
  return size + std::size_t{tile_width<T>} - 1;
}

/// Sets what is behind the last element to zero; together with that, which is to be set later.
template <class T>
void clear_margin(T* data, std::size_t size) {
  if constexpr (tile_width < T >> 1) {
    // of std::fill compilers make an instruction that takes longer than all else for a small node
    using Register [[gnu::vector_size(register_bytes), gnu::aligned(alignof(T)), gnu::may_alias]] =
        T;
    auto* const last = reinterpret_cast<Register*>(data + size - 1);
    last[0] = Register{};
    last[1] = Register{};
  }
}

/// A page of the larger kind.
inline constexpr std::size_t huge_page = std::size_t{1} << 21;

/// Asks for such pages where the system has them: a large matrix is walked through in steps that
/// otherwise each need a page of their own.
inline void advise_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  if (bytes < 2 * huge_page) return;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t start = (address + huge_page - 1) / huge_page * huge_page;
  madvise(reinterpret_cast<void*>(start), address + bytes - start, MADV_HUGEPAGE);
#endif
}

/// Aligned memory for tensors, to be given back by std::free; null if there is none.
inline void* allocate_aligned(std::size_t bytes) {
  const std::size_t unit = bytes < 2 * huge_page ? tensor_alignment : huge_page;
  if (bytes > PTRDIFF_MAX - unit) return nullptr;
  void* const memory = std::aligned_alloc(unit, (bytes + unit) / unit * unit);
  if (memory != nullptr) advise_huge_pages(memory, bytes);
  return memory;
}

/// Bytes that the parts of a tape hold together, and how many they may.
class Budget {
 public:
  std::size_t limit = SIZE_MAX;

  /// \throws TapeError if that were too many.
  void take(std::size_t bytes) {
    if (bytes > limit || taken_ > limit - bytes) {
      fail<TapeError>("tape: it holds ", taken_, " bytes and needs ", bytes,
                      " more, but its limit is ", limit,
                      ": record less at a time, or raise it with limit_bytes");
    }
    taken_ += bytes;
  }
  void give_back(std::size_t bytes) { taken_ -= bytes; }

 private:
  std::size_t taken_ = 0;
};

/// More memory for a stream, which keeps its content and place where it can.
/// \throws std::bad_alloc, TapeError beyond the budget; then the memory is as it was
[[gnu::cold, gnu::noinline]] inline void* grow(Budget& budget, void* memory, std::size_t bytes,
                                               std::size_t new_bytes) {
  budget.take(new_bytes - bytes);
  void* const grown = std::realloc(memory, new_bytes);
  if (grown == nullptr) {
    budget.give_back(new_bytes - bytes);
    throw std::bad_alloc();
  }
  advise_huge_pages(grown, new_bytes);
  forbid_access(static_cast<std::byte*>(grown) + bytes, new_bytes - bytes);
  return grown;
}

/// A growing array of trivially copyable records.  Unlike std::vector it leaves new elements
/// uninitialised, grows in place where the system can, and does not know its length: `open` says
/// which elements are about to be used, `close` which no longer.
template <class T>
class Stream {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit Stream(Budget& budget) : budget_(budget) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { std::free(data_); }

  T* data() const { return data_; }
  std::size_t capacity() const { return capacity_; }
  std::size_t bytes() const { return capacity_ * sizeof(T); }

  /// \throws std::bad_alloc, TapeError beyond the budget
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    data_ = static_cast<T*>(grow(budget_, data_, bytes(), capacity * sizeof(T)));
    capacity_ = capacity;
  }

  [[gnu::always_inline]] T* open(std::size_t first, std::size_t count = 1) {
    if constexpr (guards_memory) {
      const std::size_t end =
          std::min(first + count, capacity_);  // beyond is somebody else's memory
      if (first < end) permit_access(data_ + first, (end - first) * sizeof(T));
    }
    return data_ + first;
  }
  void close(std::size_t first, std::size_t last) {
    if (first < last) forbid_access(data_ + first, (last - first) * sizeof(T));
  }

  /// Opens elements behind which none is in use, and sets them to zero.
  void open_zeros(std::size_t first, std::size_t count) {
    std::uninitialized_fill_n(open(first, count), count, T(0));
  }
  /// The same of up to n, for which there is memory: sets all n, as to count them and to call memset
  /// takes longer.
  template <std::size_t n>
  [[gnu::always_inline]] void open_few_zeros(std::size_t first, std::size_t count) {
    if constexpr (std::is_floating_point_v<T> || std::is_enum_v<T>) {
      // no wider than an allocation is aligned: behind a store to two cache lines a load has to wait
      constexpr std::size_t step = std::min<std::size_t>(n * sizeof(T), 16);
      using Register [[gnu::vector_size(step), gnu::aligned(1), gnu::may_alias]] = unsigned char;
      auto* const memory = reinterpret_cast<unsigned char*>(open(first, n));
      for (std::size_t i = 0; i < n * sizeof(T); i += step) {
        *reinterpret_cast<Register*>(memory + i) = Register{};
        asm("");  // or the compiler makes wider ones
      }
      close(first + count, first + n);
    } else {
      open_zeros(first, count);
    }
  }

 private:
  Budget& budget_;
  T* data_ = nullptr;
  std::size_t capacity_ = 0;
};

/// Bump allocator.
class Arena {
 public:
  /// A place to rewind to.
  struct Mark {
    std::size_t block = 0, offset = 0;
  };

  explicit Arena(Budget& budget) : budget_(budget) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    for (const Block& block : blocks_) std::free(block.memory);
  }

  /// Uninitialised memory that stays where it is until the arena is rewound before it.
  /// \throws std::bad_alloc, TapeError beyond the budget
  void* allocate(std::size_t bytes, std::size_t alignment) {
    const std::size_t start = (offset_ + alignment - 1) & ~(alignment - 1);
    if (start + bytes <= size_) [[likely]] {
      offset_ = start + bytes + gap;
      permit_access(memory_ + start, bytes);
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

  bool is_empty() const { return offset_ == 0; }  // of every later block something is in use

  void rewind(Mark mark) {
    if (blocks_.size() > 1) {
      peak_ = std::max(peak_, used());
      if (mark.block == 0 && mark.offset == 0) join();
    }
    if constexpr (guards_memory) close_from(mark);
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
    std::size_t size, used;  // `used` of those before the present one
  };

  /// Bytes that have been asked for: in one block nothing would be left over at the ends of others.
  std::size_t used() const {
    std::size_t sum = offset_;
    for (std::size_t i = 0; i < block_; ++i) sum += blocks_[i].used;
    return sum;
  }

  void select(std::size_t block, std::size_t offset) {
    block_ = block;
    offset_ = offset;
    memory_ = block < blocks_.size() ? blocks_[block].memory : nullptr;
    size_ = block < blocks_.size() ? blocks_[block].size : 0;
  }

  [[gnu::cold, gnu::noinline]] void* allocate_in_next_block(std::size_t bytes) {
    std::size_t next = block_;
    if (memory_ != nullptr) blocks_[next++].used = offset_;
    for (; next < blocks_.size() && blocks_[next].size < bytes; ++next) blocks_[next].used = 0;
    if (next == blocks_.size()) {
      const std::size_t size = std::max({bytes, smallest_block, this->bytes()});
      blocks_.reserve(blocks_.size() + 1);
      budget_.take(size);
      auto* const memory = static_cast<std::byte*>(allocate_aligned(size));
      if (memory == nullptr) {
        budget_.give_back(size);
        throw std::bad_alloc();
      }
      forbid_access(memory, size);
      blocks_.push_back({memory, size, 0});
    }
    select(next, std::max<std::size_t>(bytes, 1) + gap);
    permit_access(memory_, bytes);
    return memory_;
  }

  void close_from(Mark mark) {
    for (std::size_t i = mark.block; i < blocks_.size() && i <= block_; ++i) {
      const std::size_t begin = i == mark.block ? mark.offset : 0,
                        end = i == block_ ? std::min(offset_, size_) : blocks_[i].size;
      if (begin < end) forbid_access(blocks_[i].memory + begin, end - begin);
    }
  }

  /// Never larger than the blocks: what a recording needs varies by an eighth at most, or a block
  /// is added again.
  [[gnu::cold, gnu::noinline]] void join() {
    const std::size_t size = std::min(bytes(), peak_ + peak_ / 8);
    budget_.give_back(bytes() - size);
    for (const Block& block : blocks_) std::free(block.memory);
    blocks_.clear();
    peak_ = 0;
    if (auto* const memory = static_cast<std::byte*>(allocate_aligned(size))) {
      forbid_access(memory, size);
      blocks_.push_back({memory, size, 0});
    } else {
      budget_.give_back(size);
    }
  }

  static constexpr std::size_t smallest_block = std::size_t{1} << 16;
  static constexpr std::size_t gap = guards_memory ? tensor_alignment : 0;

  Budget& budget_;
  List<Block> blocks_;
  std::size_t block_ = 0, offset_ = 0, size_ = 0;
  std::size_t peak_ = 0;  // of `used`, since there is more than one block
  std::byte* memory_ = nullptr;
};

}  // namespace gradtape::detail
