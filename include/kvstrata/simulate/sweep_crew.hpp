// The threads of a sweep. Work is a chunk for all instances; who is free takes the next instance.
#pragma once

#include <kvstrata/simulate/sweep_chunk.hpp>
#include <kvstrata/simulate/sweep_instance.hpp>

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// One round at a time: start(), then help_and_wait(). Waiting threads sleep. The lock is taken twice for an instance and
/// chunk, milliseconds apart.
class sweep_crew
{
 public:
  /// So many threads beside the calling one; may be none. Throws std::system_error.
  sweep_crew(std::span<const std::unique_ptr<sweep_instance>> instances, std::size_t helpers)
      : instances_(instances), next_(instances.size())
  {
    threads_.reserve(helpers);
    try {
      for (std::size_t k = 0; k != helpers; ++k) threads_.emplace_back([this] { serve(); });
    } catch (...) {
      end();
      throw;
    }
  }
  sweep_crew(const sweep_crew&) = delete;
  sweep_crew& operator=(const sweep_crew&) = delete;

  /// Ends the threads; what is under way is run to its end, what was not begun is left.
  ~sweep_crew() { end(); }

  /// Lets the threads begin with a chunk, which must stay as it is until help_and_wait() is back.
  void start(const sweep_chunk& chunk)
  {
    {
      const std::scoped_lock hold(mutex_);
      chunk_ = &chunk;
      next_ = 0;
      left_ = instances_.size();
    }
    work_.notify_all();
  }

  /// Takes part until all instances have seen the chunk. Throws what an instance threw first.
  void help_and_wait()
  {
    std::unique_lock hold(mutex_);
    while (next_ != instances_.size()) run_next(hold);
    done_.wait(hold, [this] { return left_ == 0; });
    if (fault_) std::rethrow_exception(std::exchange(fault_, nullptr));
  }

 private:
  void serve()
  {
    std::unique_lock hold(mutex_);
    for (;;) {
      work_.wait(hold, [this] { return ending_ || next_ != instances_.size(); });
      if (next_ == instances_.size()) return;
      run_next(hold);
    }
  }

  void end() noexcept
  {
    {
      const std::scoped_lock hold(mutex_);
      next_ = instances_.size();
      ending_ = true;
    }
    work_.notify_all();
    for (std::thread& one : threads_) one.join();
  }

  /// With the lock held, which is given up meanwhile.
  void run_next(std::unique_lock<std::mutex>& hold)
  {
    sweep_instance& one = *instances_[next_++];
    const sweep_chunk& chunk = *chunk_;
    hold.unlock();
    std::exception_ptr fault;
    try {
      one.run(chunk);
    } catch (...) {
      fault = std::current_exception();
    }
    hold.lock();
    if (fault && !fault_) fault_ = fault;
    if (--left_ == 0) done_.notify_one();
  }

  std::span<const std::unique_ptr<sweep_instance>> instances_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  const sweep_chunk* chunk_ = nullptr;
  std::size_t next_;      // instance to take; all of them: nothing to do
  std::size_t left_ = 0;  // instances that have not finished the chunk
  std::exception_ptr fault_;
  bool ending_ = false;
  std::vector<std::thread> threads_;  // not jthread, which libc++ has not everywhere
};

}  // namespace kvstrata
