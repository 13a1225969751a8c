#include "hstu/crew.hpp"

#include "hstu/one_thread.hpp"

#include <algorithm>

namespace hstu {

crew::crew(std::size_t members)
{
  if (members == 0) members = std::max(1u, std::thread::hardware_concurrency());
  helpers_.reserve(members - 1);
  for (std::size_t member = 1; member < members; ++member) helpers_.emplace_back([this, member] { help(member); });
}

crew::~crew()
{
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void crew::run(std::size_t count, invoke call, void* context)
{
  const one_thread guard;
  std::unique_lock turn(turn_, std::defer_lock);
  if (count <= 1 || helpers_.empty() || !turn.try_lock()) {
    for (std::size_t item = 0; item < count; ++item) call(context, item, 0);
    return;
  }
  std::unique_lock lock(mutex_);
  job_ = {call, context, count, 0};
  failure_ = nullptr;
  ++generation_;
  lock.unlock();  // or the helpers would wake into a locked mutex
  wake_.notify_all();
  lock.lock();
  work(lock, 0);
  done_.wait(lock, [this] { return active_ == 0; });
  if (failure_) std::rethrow_exception(failure_);
}

void crew::help(std::size_t member)
{
  const one_thread guard;
  std::unique_lock lock(mutex_);
  for (std::uint64_t seen = 0;;) {
    wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
    if (stop_) return;
    seen = generation_;
    ++active_;
    work(lock, member);
    if (--active_ == 0) done_.notify_one();
  }
}

// Items are large (tens of microseconds and more), so the mutex hands them out.
void crew::work(std::unique_lock<std::mutex>& lock, std::size_t member)
{
  while (job_.next < job_.count) {
    const std::size_t item = job_.next++;
    lock.unlock();
    try {
      job_.call(job_.context, item, member);
      lock.lock();
    } catch (...) {
      lock.lock();
      if (!failure_) failure_ = std::current_exception();
      job_.next = job_.count;
    }
  }
}

}  // namespace hstu
