#pragma once
/// \file
/// What products of matrices know of the threads that may help them (parallel/threads.hpp).

namespace gradtape::detail {

class Workers {
 public:
  virtual int count() const = 0;
  /// Calls part(data, i) for each i below `parts`, on whichever thread has time, and returns when all
  /// have ended.  An exception of one of them is thrown again.
  virtual void run(int parts, void (*part)(void*, int), void* data) = 0;

 protected:
  ~Workers() = default;
};

/// Those that help this thread; null: none.
inline constinit thread_local Workers* workers = nullptr;

}  // namespace gradtape::detail
