#pragma once
/// \file
/// Several threads for large products of matrices.

#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/workers.hpp"

namespace gradtape {

/// While it lives, products of matrices that the thread that made it computes, forward and backward,
/// are shared out to several threads, of which it is one.
/// \snippet parallel/threads_test.cpp threads
/// Only products of float and double that take some hundred microseconds are; anything else runs as
/// it does without.  Between them the threads sleep, so that they take nothing from other programs.
/// A BLAS (GRADTAPE_BLAS) has threads of its own and is not shared out.  Sums may be cut elsewhere
/// than on one thread: the last digits of a product may differ.
///
/// It must end on the thread that made it, and before those that the same thread made earlier, as a
/// local variable does; otherwise it says so on the standard error output, and ends the program.
class Threads final : detail::Workers {
 public:
  /// \param count  threads that compute together, the present one among them; 1: no others
  /// \throws DomainError for a count below 1, std::system_error if the system has no more
  /// threads.
  explicit Threads(int count) : before_(detail::workers) {
    if (count < 1) {
      detail::fail<DomainError>("Threads: a count of ", count,
                                ": the present thread counts as well, so that it is at least 1");
    }
    try {
      threads_.reserve(static_cast<std::size_t>(count - 1));
      for (int i = 1; i < count; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {
      stop();
      throw;
    }
    detail::workers = helpers();
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() {
    // what it has taken the place of is known to its own thread alone, which would go on with it
    if (std::this_thread::get_id() != maker_ || detail::workers != helpers()) {
      std::fputs("gradtape: Threads must end on the thread that made them, those made last first\n",
                 stderr);
      std::terminate();
    }
    detail::workers = before_;
    stop();
  }

  /// Threads that compute together.
  int count() const override { return static_cast<int>(threads_.size()) + 1; }

 private:
  detail::Workers* helpers() { return threads_.empty() ? nullptr : this; }

  void run(int parts, void (*part)(void*, int), void* data) override {
    std::unique_lock lock(mutex_);
    part_ = part;
    data_ = data;
    left_ = parts;
    begin_.notify_all();
    take_parts(lock);
    // those that have not woken up by now find nothing left to do
    end_.wait(lock, [this] { return running_ == 0; });
    if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      begin_.wait(lock, [this] { return left_ > 0 || is_stopped_; });
      if (is_stopped_) return;
      take_parts(lock);
      if (running_ == 0) end_.notify_one();
    }
  }

  void take_parts(std::unique_lock<std::mutex>& lock) {
    while (left_ > 0) {
      const int i = --left_;
      ++running_;
      lock.unlock();
      std::exception_ptr failure;
      try {
        part_(data_, i);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      --running_;
      if (failure != nullptr) failure_ = failure;
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      is_stopped_ = true;
    }
    begin_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  const std::thread::id maker_ = std::this_thread::get_id();
  detail::Workers* const before_;
  std::mutex mutex_;
  std::condition_variable begin_, end_;
  void (*part_)(void*, int) = nullptr;
  void* data_ = nullptr;
  int left_ = 0, running_ = 0;  // parts that nobody has begun; parts under way
  bool is_stopped_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace gradtape
