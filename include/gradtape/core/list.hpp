#pragma once
/// \file
/// A growing array of trivially copyable records.  std::vector would do, but is compiled anew for
/// each kind of record, of which a recording has many: it took an eighth of a small program's
/// compile time.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <type_traits>

namespace gradtape::detail {

/// \throws std::bad_alloc, and the memory is as it was
[[gnu::cold, gnu::noinline]] inline void* reallocate(void* memory, std::size_t count,
                                                     std::size_t size) {
  void* const grown = count <= PTRDIFF_MAX / size ? std::realloc(memory, count * size) : nullptr;
  if (grown == nullptr) throw std::bad_alloc();
  return grown;
}

template <class T>
class List {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  List() = default;
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() { std::free(data_); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() const { return data_; }
  T* end() const { return data_ + size_; }
  T& operator[](std::size_t i) const { return data_[i]; }
  T& back() const { return data_[size_ - 1]; }

  /// \throws std::bad_alloc
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    data_ = static_cast<T*>(reallocate(data_, capacity, sizeof(T)));
    capacity_ = capacity;
  }
  /// Makes sure that the next `push_back` needs no memory.
  /// \throws std::bad_alloc
  void make_room_for_one() {
    if (size_ == capacity_) reserve(2 * capacity_ + 8);
  }
  /// \throws std::bad_alloc
  void push_back(T x) {
    make_room_for_one();
    data_[size_++] = x;
  }
  void pop_back() { --size_; }
  /// Keeps the first elements, at most so many.
  void truncate(std::size_t size) { size_ = std::min(size_, size); }
  void clear() { size_ = 0; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace gradtape::detail
