// A compute stream whose passes take turns: one has it, and its memory, until it gives it back.
#pragma once

#include "hstu/gpu/growing_memory.hpp"
#include "hstu/gpu/runner.hpp"
#include "hstu/gpu/section.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/event.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

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

  /// Queues a kernel of rows, for the rows [begin, end).
  template <class Kernel>
  void launch(std::string_view label, Kernel k, std::size_t begin, std::size_t end)
  {
    k.first_row = static_cast<std::uint32_t>(begin);
    k.last_row = static_cast<std::uint32_t>(end);
    runner_.launch(stream, label, k);
  }
  /// Where the device has what went up with the pass.
  template <class T>
  [[nodiscard]] const T* uploaded(const section<T>& part) const
  {
    return part.at(arrays.data());
  }

  const kvstrata::stream_id stream;
  kvstrata::event last;  ///< behind the last pass
  bool taken = false;
  growing_memory<device_type> host, arrays, work;

 private:
  Runner& runner_;
};

/// Likewise of one model, which must outlive it, with the plan of the pass whose turn it is.
template <class Model, class Plan>
class planned_turns : public turns<typename Model::runner_type>
{
 public:
  planned_turns(const Model& m, kvstrata::stream_id on)
      : turns<typename Model::runner_type>(m.machine(), on), parameters(m)
  {
  }

  // --- for passes --------------------------------------------------------------------------------------------------

  const Model& parameters;
  Plan plan;
};

}  // namespace hstu::gpu
