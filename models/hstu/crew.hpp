// A few threads that share a loop and sleep between loops.
//
// Not OpenMP: its threads spin between regions, on the cores that copies run on, and thread checkers cannot see
// through its barriers.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace hstu {

class crew
{
 public:
  /// A crew of `members` threads, the caller of each() being one; 0 stands for one per core.
  explicit crew(std::size_t members);
  ~crew();
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return helpers_.size() + 1; }

  /// Calls body(item, member) for every item in [0, count), in any order, on all members; member < size() tells whose
  /// scratch memory to use. Blocks until all is done and rethrows the first exception. May be called from several
  /// threads: while one call has the crew, another does its items alone, as member 0. oneDNN stays single-threaded
  /// inside.
  template <class Body>
  void each(std::size_t count, Body body)
  {
    run(
        count,
        [](void* context, std::size_t item, std::size_t member) { (*static_cast<Body*>(context))(item, member); },
        &body);
  }

 private:
  using invoke = void (*)(void* context, std::size_t item, std::size_t member);
  struct job
  {
    invoke call = nullptr;
    void* context = nullptr;
    std::size_t count = 0;
    std::size_t next = 0;
  };

  void run(std::size_t count, invoke call, void* context);
  void help(std::size_t member);
  void work(std::unique_lock<std::mutex>& lock, std::size_t member);

  std::mutex turn_;   // who has the crew
  std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  std::condition_variable done_;
  job job_;
  std::uint64_t generation_ = 0;
  std::size_t active_ = 0;  // helpers inside the job
  std::exception_ptr failure_;
  bool stop_ = false;
  std::vector<std::thread> helpers_;
};

}  // namespace hstu
