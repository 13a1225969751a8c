// Faults that are still to come: which of the next copies fails, which is refused, and which is delayed.
#pragma once

#include <kvstrata/device/emulated/operation.hpp>

#include <cstdint>
#include <mutex>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Safe to use from several threads.
class fault_plan
{
 public:
  void fail(std::uint64_t after)
  {
    const std::lock_guard lock(mutex_);
    until_failure_ = after + 1;
  }
  void refuse(std::uint64_t after, std::uint64_t count)
  {
    const std::lock_guard lock(mutex_);
    until_refusal_ = count == 0 ? 0 : after + 1;
    refusals_ = count;
  }
  void delay(double seconds, std::uint64_t after)
  {
    const std::lock_guard lock(mutex_);
    delay_ = seconds;
    until_delay_ = after + 1;
  }

  /// The turn of one operation, a copy, a batch or a copy kernel, that is to be queued now: strikes it if the plan says so.
  /// Unless the turn is kept, because the operation was queued, it is the next one's.
  class turn
  {
   public:
    turn(fault_plan& plan, operation& work) : plan_(&plan)
    {
      const std::lock_guard lock(plan.mutex_);
      refused_ = plan.until_refusal_ != 0 && --plan.until_refusal_ == 0;
      if (refused_ && --plan.refusals_ != 0) plan.until_refusal_ = 1;
      fails_ = work.fails = plan.until_failure_ != 0 && --plan.until_failure_ == 0;
      delays_ = plan.until_delay_ != 0 && --plan.until_delay_ == 0;
      if (!delays_) return;
      work.delay = plan.delay_;
      work.seconds += plan.delay_;
    }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;
    ~turn()
    {
      if (plan_ == nullptr) return;
      const std::lock_guard lock(plan_->mutex_);
      if (!refused_ && plan_->until_refusal_ != 0)
        ++plan_->until_refusal_;  // a refusal is over; the others are yet to come
      if (fails_ || plan_->until_failure_ != 0) ++plan_->until_failure_;
      if (delays_ || plan_->until_delay_ != 0) ++plan_->until_delay_;
    }
    void keep() noexcept { plan_ = nullptr; }
    /// The operation is not to be queued.
    [[nodiscard]] bool is_refused() const noexcept { return refused_; }

   private:
    fault_plan* plan_;
    bool refused_ = false;
    bool fails_ = false;
    bool delays_ = false;
  };

 private:
  std::mutex mutex_;
  std::uint64_t until_failure_ = 0;  // 0: none
  std::uint64_t until_refusal_ = 0;
  std::uint64_t refusals_ = 0;  // one after the other, once it has come to the first
  std::uint64_t until_delay_ = 0;
  double delay_ = 0;
};

}  // namespace kvstrata::emulated
