// An io_filter that tests script: faults at the calls they name, a gate before one call, and what was called.
#pragma once

#include <kvstrata/tiers/nvme/io/io_filter.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace kvstrata_test {

class faulty_calls final : public kvstrata::nvme::io_filter
{
 public:
  using call = kvstrata::nvme::io_call;
  using verdict = kvstrata::nvme::io_verdict;
  /// The calls are counted from 0 since the rule was set; all calls of it are under one lock.
  using rule = std::function<verdict(const call&, std::size_t number)>;

  [[nodiscard]] verdict before(const call& what) noexcept override
  {
    std::unique_lock lock(mutex_);
    calls_.push_back(what);
    const std::size_t number = number_++;
    changed_.notify_all();
    if (shut_ && number == gate_) changed_.wait(lock, [this] { return !shut_; });
    return rule_ ? rule_(what, number) : verdict{};
  }
  void queued(std::size_t ios) noexcept override
  {
    const std::scoped_lock lock(mutex_);
    queued_ += ios;
    changed_.notify_all();
  }

  void set(rule next)
  {
    const std::scoped_lock lock(mutex_);
    rule_ = std::move(next);
    calls_.clear();
    number_ = 0;
  }
  /// The first call from now on stands until the gate is opened.
  void shut()
  {
    set({});
    const std::scoped_lock lock(mutex_);
    shut_ = true;
    gate_ = 0;
    queued_ = 0;
  }
  void open()
  {
    const std::scoped_lock lock(mutex_);
    shut_ = false;
    changed_.notify_all();
  }
  void wait_for_calls(std::size_t count)
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, count] { return calls_.size() >= count; });
  }
  void wait_for_queued(std::size_t count)
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, count] { return queued_ >= count; });
  }
  [[nodiscard]] std::vector<call> calls()
  {
    const std::scoped_lock lock(mutex_);
    return calls_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  rule rule_;
  std::vector<call> calls_;
  std::size_t number_ = 0, gate_ = 0, queued_ = 0;
  bool shut_ = false;
};

}  // namespace kvstrata_test
