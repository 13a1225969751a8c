// Beam search as work on a device: all steps of a batch are queued at once, passes and selections on a stream, the host's part
// of each step beside them; whoever wants the result waits once, at the end. Several pipelines fill each other's gaps.
//
//   host                 index 0, allowed 0    index 1, allowed 1          index 2, ...
//   stream                        pass 0   select 0      pass 1      select 1     pass 2
//
// index(s) must be there before pass s begins; the allowed lists are made while it runs, and select(s) waits for both. As
// xGR's pipeline does it (arXiv 2512.11529); steps are fixed, so nothing has to be asked before the next one is queued.
#pragma once

#include "decoder/beam_search.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/host_io.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace decoder {

/// What a step's parts cost in virtual time, in seconds; real time takes what it takes.
struct step_seconds
{
  double pass = 0;     ///< on the stream
  double select = 0;   ///< on the stream
  double index = 0;    ///< the host's, before the pass
  double allowed = 0;  ///< the host's, beside it
};

/// One pipeline: a stream for the device's part and one for the host's; one batch at a time. In virtual time the host's part is a
/// promise that the host keeps so much later; in real time a thread of its own carries it out. Must outlive its work; the
/// model and the device must outlive it. One thread at a time.
template <kvstrata::beam_layout Layout>
class beam_pipeline
{
 public:
  /// Throws kvstrata::config_error as beam_search. `name`: of its streams, in timelines.
  beam_pipeline(kvstrata::emulated_device& device, const model& m, const search_options& how, const std::string& name)
      : device_(&device),
        search_(m, how),
        steps_(depth_of(m.options())),
        virtual_(device.config().time == kvstrata::time_mode::virtual_time),
        stream_(device.create_stream(name)),
        host_(virtual_ ? device.create_host_stream(name + ", host") : device.create_stream(name + ", host"))
  {
    for (std::uint32_t s = 0; s < steps_; ++s) {
      for (const char* part : {"pass ", "select ", "index ", "allowed "}) labels_.push_back(part + std::to_string(s));
    }
  }

  [[nodiscard]] kvstrata::stream_id stream() const noexcept { return stream_; }
  [[nodiscard]] beam_search<Layout>& search() noexcept { return search_; }
  [[nodiscard]] const beam_search<Layout>& search() const noexcept { return search_; }

  /// Begins a batch, as beam_search::start() (which throws, and nothing is queued), and queues all of its steps. The batch
  /// before must be over. cost(s) tells what step s costs. Returns the point behind the last selection; does not block.
  template <class Cost>
  kvstrata::event queue(const prompt_views& prompts, const kvstrata::page_table_view& scratch,
                        std::shared_ptr<const catalogue> items, Cost&& cost)
  {
    search_.start(prompts, scratch, std::move(items));
    kvstrata::event selected = device_->record(stream_);  // the prompts are there
    for (std::uint32_t s = 0; s < steps_; ++s) {
      const step_seconds c = cost(s);
      const kvstrata::event indexed = by_host(selected, label(s, 2), c.index, [this] { search_.index(); });
      const kvstrata::event listed = by_host(indexed, label(s, 3), c.allowed, [this] { search_.list_allowed(); });
      device_->wait(stream_, indexed);
      device_->launch(stream_, {.label = label(s, 0), .seconds = c.pass}, [this] { search_.pass(); });
      device_->wait(stream_, listed);
      device_->launch(stream_, {.label = label(s, 1), .seconds = c.select}, [this] { search_.select(); });
      selected = device_->record(stream_);
    }
    return selected;
  }

 private:
  [[nodiscard]] const std::string& label(std::uint32_t step, std::size_t part) const
  {
    return labels_[4 * step + part];
  }

  /// Work of the host that begins when `ready` has come to pass.
  template <class Work>
  kvstrata::event by_host(kvstrata::event ready, const std::string& label, double seconds, Work&& work)
  {
    if (!virtual_) {
      device_->wait(host_, ready);
      device_->launch(host_, {.label = label}, std::forward<Work>(work));
      return device_->record(host_);
    }
    kvstrata::host_io io{.label = label};
    io.ready.add(ready);
    const kvstrata::event done = device_->promise(host_, io);
    device_->complete_later(done, seconds, std::forward<Work>(work));
    return done;
  }

  kvstrata::emulated_device* device_;
  beam_search<Layout> search_;
  std::uint32_t steps_;
  bool virtual_;
  kvstrata::stream_id stream_, host_;
  std::vector<std::string> labels_;  // [steps][pass, select, index, allowed]
};

}  // namespace decoder
