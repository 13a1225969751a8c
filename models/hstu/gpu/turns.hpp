// A compute stream whose passes take turns: one has it, and its memory, until it gives it back.
#pragma once

#include "hstu/gpu/growing_memory.hpp"
#include "hstu/gpu/runner.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/event.hpp>

namespace hstu::gpu {

/// What such passes share. One thread at a time. The runner must outlive it; destroying it blocks until the last pass is over.
template <runner Runner>
class turns
{
 public:
  using device_type = typename Runner::device_type;

  turns(Runner& r, kvstrata::stream_id on) : stream(on), last(r.device().record(on)), runner_(r) {}
  turns(const turns&) = delete;
  turns& operator=(const turns&) = delete;
  ~turns()
  {
    try {
      device().wait_sync(last);
    } catch (...) {  // the device has failed, and nothing runs on it any more
    }
  }

  [[nodiscard]] Runner& machine() const noexcept { return runner_; }
  [[nodiscard]] device_type& device() const noexcept { return runner_.device(); }

  // --- for passes --------------------------------------------------------------------------------------------------

  /// May a pass begin? Throws kvstrata::usage_error while another one has the lane; blocks until the last one is over, whose
  /// memory this one takes.
  void await_turn()
  {
    if (taken) throw kvstrata::usage_error("a pass was made while another one has its lane; destroy that first");
    device().wait_sync(last);
  }
  /// The pass is destroyed; what it has queued goes on.
  void give_back() noexcept
  {
    try {
      last = device().record(stream);
    } catch (...) {  // the device has failed, and nothing runs on it any more
    }
    taken = false;
  }

  const kvstrata::stream_id stream;
  kvstrata::event last;  ///< behind the last pass
  bool taken = false;
  growing_memory<device_type> host, arrays, work;

 private:
  Runner& runner_;
};

}  // namespace hstu::gpu
