// A machine with a model on it, pages in its device memory, and how far its answers are from others. What follows is
// the same for an emulated device and a GPU: memory of the device is read and written by copies.
//
//   struct my_machine {              // makes no assumption about what it runs on
//     using runner = ...;
//     runner& machine();
//     static constexpr bool bitwise; // is a row's result the same to the last bit, whatever else is in its pass?
//   };
#pragma once

#include "hstu/fixture.hpp"
#include "hstu/reference.hpp"
#include "hstu_gpu/device_pages.hpp"

#include "hstu/gpu/recompute.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu_gpu_test {

using hstu_test::below;
using hstu_test::generator;
using hstu_test::user;

/// The weights as the device has them: matrices and tables in bf16.
inline hstu::weights rounded_weights(const hstu::config& c)
{
  hstu::weights w = hstu::random_weights(c);
  for (std::vector<float>* part : {&w.items, &w.actions, &w.positions, &w.head_in, &w.head_out}) *part = rounded(*part);
  for (hstu::layer_weights& l : w.layers) {
    l.project = rounded(l.project);
    l.output = rounded(l.output);
  }
  return w;
}

inline hstu::config small_config()
{
  hstu::config c;
  c.layers = 3;
  c.hidden = 64;
  c.heads = 2;
  c.head_dim = 64;
  c.items = 500;
  c.tasks = 3;
  c.max_tokens = 600;
  c.normaliser = 128;
  c.position_buckets = 48;
  c.time_buckets = 40;
  return c;
}

template <class Machine>
class model_bed
{
 public:
  using runner = typename Machine::runner;
  using device_type = typename runner::device_type;

  explicit model_bed(const hstu::config& c, hstu::gpu::lane_config how = {})
      : stream(device().create_stream("compute")),
        model(machine.machine(), c, stream),
        lane(model, stream, how),
        scratch(lane)
  {
  }

  model_bed(const hstu::config& c, const hstu::weights& w)
      : stream(device().create_stream("compute")),
        model(machine.machine(), c, w, stream),
        lane(model, stream),
        scratch(lane)
  {
  }

  [[nodiscard]] device_type& device() { return machine.machine().device(); }

  /// Queues all steps.
  [[nodiscard]] hstu::gpu::pass<runner> queue(std::span<const hstu::request> batch,
                                              const kvstrata::page_table_view& view,
                                              hstu::fronts how = hstu::fronts::together)
  {
    hstu::gpu::pass<runner> pass(lane, batch, view, how);
    pass.embed();
    for (kvstrata::layer_index l = 0; l < model.options().layers; ++l) {
      if (how == hstu::fronts::apart) pass.front(l);
      pass.layer(l);
    }
    pass.head();
    return pass;
  }

  [[nodiscard]] std::vector<float> run(std::span<const hstu::request> batch, const kvstrata::page_table_view& view,
                                       hstu::fronts how = hstu::fronts::together)
  {
    const auto pass = queue(batch, view, how);
    const std::span<const float> scores = pass.scores_sync();
    return {scores.begin(), scores.end()};
  }

  [[nodiscard]] std::vector<float> recompute(std::span<const hstu::request> batch)
  {
    const auto pass = hstu::gpu::recompute(lane, batch, scratch);
    const std::span<const float> scores = pass.scores_sync();
    return {scores.begin(), scores.end()};
  }

  Machine machine;
  kvstrata::stream_id stream;
  hstu::gpu::model<runner> model;
  hstu::gpu::lane<runner> lane;
  hstu::gpu::scratch_pages<runner> scratch;
};

inline std::vector<hstu::request> requests_of(const std::vector<user>& users)
{
  std::vector<hstu::request> out;
  for (const user& u : users) out.push_back(u.request());
  return out;
}

inline std::vector<kvstrata::token_interval> windows_of(const std::vector<user>& users)
{
  std::vector<kvstrata::token_interval> out;
  for (const user& u : users) out.push_back({u.first_token, u.history});
  return out;
}

}  // namespace hstu_gpu_test
