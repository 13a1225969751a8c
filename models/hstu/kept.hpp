// Objects that are kept for the next who needs one.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace hstu {

/// Those nobody uses now. Threads: any.
template <class T>
class kept
{
 public:
  [[nodiscard]] std::unique_ptr<T> take()
  {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<T>();
    auto out = std::move(idle_.back());
    idle_.pop_back();
    return out;
  }

  void put(std::unique_ptr<T> used)
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(used));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace hstu
