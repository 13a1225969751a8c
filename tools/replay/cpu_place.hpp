// Where a case serves: a device of its own and, on it, passes of a model. The replay's is an emulated device and the model
// on the CPU; tools/gpu_replay has one for the model's kernels.
//
// expression                                 meaning
// ------------------------------------------ -------------------------------------------------------------------------
// typename P::device_type                    the kvstrata::device of its caches
// typename P::machine                        what all cases of a run share
// P(machine, with_link)                      a place; without a link nothing is copied there
// p.device() -> device_type&
// p.compute() -> stream_id                   the stream of the passes
// p.begin(requests, view, fronts)            makes the next pass, over the pages of a lease. The one before is over; the
//                                            requests are read during the call, what they point to until the pass is over
// p.begin_alone(requests)                    likewise, of whole histories, over pages of the place's own
// p.embed(), p.has_front(), p.front(l),      queue the pass's steps in turn, as hstu::batch_forward has them
//   p.layer(l), p.head()
// p.finish_sync()                            blocks until the pass is over
// p.scores(r) -> span<const float>           of request r; valid until the next pass begins
// p.last_state(r) -> span<const float>       likewise of its history's last token, where the request asks for it; and
// p.ranked(next_items) -> uint64             how many of these have the next item among the best. A place may lack both
// p.blocked_seconds() -> double              for so long the host was blocked by now
// p.stalled_seconds() -> double              for so long the compute stream stood still by now, as far as the device tells
#pragma once

#include "hstu/model.hpp"
#include "hstu/recompute.hpp"
#include "replay/next_items.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace replay {

struct cpu_machine
{
  const hstu::model& model;
  kvstrata::link_model link;
};

class cpu_place
{
 public:
  using device_type = kvstrata::emulated_device;
  using machine = cpu_machine;

  cpu_place(const machine& m, bool with_link)
      : model_(m.model),
        device_(with_link ? kvstrata::emulated_device_config{.to_device = m.link, .from_device = m.link, .trace = true}
                          : kvstrata::emulated_device_config{.trace = true}),
        compute_(device_.create_stream("compute"))
  {
    for (std::uint32_t l = 0; l < model_.options().layers; ++l) labels_.push_back("layer " + std::to_string(l));
  }

  [[nodiscard]] device_type& device() noexcept { return device_; }
  [[nodiscard]] kvstrata::stream_id compute() const noexcept { return compute_; }

  void begin(std::span<const hstu::request> requests, const kvstrata::page_table_view& view, hstu::fronts how)
  {
    pass_.emplace(model_, requests, view, how);
  }

  void begin_alone(std::span<const hstu::request> requests)
  {
    std::vector<kvstrata::token_interval> whole;
    for (const hstu::request& r : requests) whole.push_back({r.first_token, r.history});
    std::vector<hstu::request> asked(requests.begin(), requests.end());
    for (std::size_t r = 0; r < asked.size(); ++r) {
      asked[r].compute = std::span(whole).subspan(r, whole[r].empty() ? 0 : 1);
    }
    begin(asked, memory_.reserve(model_.shape(), asked), hstu::fronts::together);
  }

  void embed()
  {
    device_.launch(compute_, {.label = "embed"}, [this] { pass_->embed(); });
  }
  [[nodiscard]] bool has_front() const { return pass_->has_front(); }
  void front(std::uint32_t l)
  {
    device_.launch(compute_, {.label = labels_[l] + ", front"}, [this, l] { pass_->front(l); });
  }
  void layer(std::uint32_t l)
  {
    device_.launch(compute_, {.label = labels_[l]}, [this, l] { pass_->layer(l); });
  }
  void head()
  {
    device_.launch(compute_, {.label = "head"}, [this] { pass_->head(); });
  }

  void finish_sync() { device_.wait_sync(device_.record(compute_)); }
  [[nodiscard]] std::span<const float> scores(std::size_t request) const { return pass_->scores(request); }

  [[nodiscard]] std::span<const float> last_state(std::size_t request) const { return pass_->last_state(request); }
  [[nodiscard]] std::uint64_t ranked(const next_items& next) const
  {
    return next.hits(model_.options(), model_.parameters().items);
  }

  [[nodiscard]] double blocked_seconds() const { return device_.stats().host_wait_seconds; }
  [[nodiscard]] double stalled_seconds() const
  {
    return device_.stats().streams[static_cast<std::size_t>(compute_)].stall_seconds;
  }

 private:
  const hstu::model& model_;
  hstu::scratch_pages memory_;
  std::optional<hstu::batch_forward> pass_;
  std::vector<std::string> labels_;
  device_type device_;  // last: its work uses the others
  kvstrata::stream_id compute_;
};

}  // namespace replay
