// Layerwise overlap is real: while layer 0 computes, the other layers arrive, and it computes before they have come. Held
// by gates and events, so that no schedule of the machine can make it look otherwise; for any device in real time that
// keeps a trace. The timeline that a cache's tracker draws must show the same.
#pragma once

#include "observe/json_reader.hpp"
#include "support/catch.hpp"
#include "support/device_bed.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/observe/timeline.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// A device with a gate before one of its batches to the device.
template <class Base>
class gated_device : public Base
{
 public:
  using Base::Base;

  /// The batch to the device after the next `after` ones waits on its stream until open().
  void hold_batch(device_bed<Base>& bed, int after)
  {
    bed_ = &bed;
    until_held_ = after;
  }
  void open() { keeper_.open(); }
  /// The last batch to the device.
  [[nodiscard]] kvstrata::event landed() const noexcept { return landed_; }

  void copy_batch(kvstrata::stream_id stream, kvstrata::copy_direction way,
                  std::span<const kvstrata::copy_piece> pieces)
  {
    const bool up = way == kvstrata::copy_direction::to_device;
    if (up && bed_ != nullptr && until_held_-- == 0) keeper_ = bed_->hold(stream);
    Base::copy_batch(stream, way, pieces);
    if (up) landed_ = Base::record(stream);
  }

 private:
  device_bed<Base>* bed_ = nullptr;
  int until_held_ = 0;
  gate_keeper keeper_;
  kvstrata::event landed_;
};

/// A slice of a row of the timeline, in microseconds.
struct drawn_slice
{
  std::string name;
  double begin = 0;
  double end = 0;
};

/// The slices of each stream of a timeline's file, in the order of beginning. One whose clock lets them overlap has
/// several rows: "onload", "onload (2)".
[[nodiscard]] inline std::map<std::string, std::vector<drawn_slice>> slices_of(const kvstrata::timeline& drawn)
{
  std::ostringstream out;
  drawn.write(out);
  const json_value file = json_reader::read(out.str());
  std::map<double, std::string> rows;
  std::map<std::string, std::vector<drawn_slice>> slices;
  for (const json_value& e : file["traceEvents"].items) {
    if (e["ph"].text == "M" && e["name"].text == "thread_name") {
      const std::string& name = e["args"]["name"].text;
      rows[e["tid"].number] = name.substr(0, name.find(" ("));
    }
    if (e["ph"].text != "X" || e["cat"].text == "stall") continue;
    slices[rows.at(e["tid"].number)].push_back({e["name"].text, e["ts"].number, e["ts"].number + e["dur"].number});
  }
  for (auto& [row, all] : slices) {
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  }
  return slices;
}

/// A cache on a device that holds one of two users, who are served in turn.
template <class Device>
struct overlap_scene
{
  static constexpr kvstrata::geometry shape{
      .layers = 4, .kv_heads = 2, .head_dim = 64, .element = kvstrata::element_type::bf16};
  static constexpr kvstrata::token_count page = 32;
  using cache_type = kvstrata::default_cache<Device, kvstrata::lru, kvstrata::timeline>;
  using lease = typename cache_type::lease;

  explicit overlap_scene(Device& on, kvstrata::page_count device_pages = 40)
      : d(on),
        pages(device_pages),
        cache(d, {.shape = shape,
                  .tiers = {{.bytes = pages * page_bytes(shape, page)}, {.bytes = 4 * pages * page_bytes(shape, page)}},
                  .layout = {.page_tokens = page}}),
        compute(d.create_stream("compute")),
        history((pages - 2) * page)
  {
    cache.tracker().use_clock([this] { return d.now(); });
  }

  [[nodiscard]] lease prepare(std::uint64_t user, kvstrata::token_count tokens)
  {
    const kvstrata::request r{.user = kvstrata::user_id{user}, .history_tokens = tokens};
    return cache.prepare({&r, 1}, compute).value();
  }

  /// Queues every layer by work(layer).
  template <class Work>
  void queue(lease& l, kvstrata::layer_index from, Work&& work)
  {
    for (kvstrata::layer_index layer = from; layer < shape.layers; ++layer) {
      l.wait(layer);
      work(layer);
      l.layer_done(layer);
    }
  }

  /// User 1 is in host memory only, and nothing is under way.
  void displace_user_1()
  {
    for (const auto& [user, tokens] : {std::pair{1U, history}, std::pair{2U, pages * page}}) {
      lease l = prepare(user, tokens);
      queue(l, 0, [](kvstrata::layer_index) {});
      l.commit();
    }
    settle();
  }
  void settle()
  {
    cache.drain_sync();
    d.wait_sync(d.record(compute));
  }

  [[nodiscard]] std::vector<kvstrata::op_span> spans(kvstrata::operation_kind kind, const std::string& stream) const
  {
    std::vector<kvstrata::op_span> out;
    for (const kvstrata::op_span& s : d.trace()) {
      if (s.kind == kind && s.stream_name == stream) out.push_back(s);
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    return out;
  }

  Device& d;
  kvstrata::page_count pages;
  cache_type cache;
  kvstrata::stream_id compute;
  kvstrata::token_count history;
};

/// `d` keeps a trace.
template <class Base>
void layerwise_overlap(gated_device<Base>& d)
{
  using namespace kvstrata;
  device_bed<Base> bed(d);
  overlap_scene<gated_device<Base>> scene(d);
  constexpr layer_index layers = scene.shape.layers;
  scene.displace_user_1();
  d.clear_trace();
  scene.cache.tracker().clear();

  const struct opens_at_last  // whatever is thrown: the scene waits for all work when it goes
  {
    gated_device<Base>& d;
    ~opens_at_last() { d.open(); }
  } opener{d};
  d.hold_batch(bed, 1);  // layer 1 does not come before it is let
  auto lease = scene.prepare(1, scene.history + 1);
  REQUIRE(lease.sources(0).from[1] == scene.history);
  lease.wait(0);
  gate_keeper kernel = bed.hold(scene.compute);
  lease.layer_done(0);
  REQUIRE(comes_true([&] { return kernel.entered(); }));  // it has not waited for layer 1
  REQUIRE_FALSE(d.query(d.landed()));
  d.open();
  REQUIRE(comes_true([&] { return d.query(d.landed()); }));  // the other layers have not waited for it
  kernel.open();
  scene.queue(lease, 1, [&](layer_index) { bed.delay(scene.compute, 1e-3); });
  lease.commit();
  lease.release();
  scene.settle();

  const std::vector<op_span> up = scene.spans(operation_kind::copy_to_device, "onload");
  const std::vector<op_span> kernels = scene.spans(operation_kind::kernel, "compute");
  REQUIRE(up.size() == layers);
  REQUIRE(kernels.size() >= 1);
  constexpr double tick = 20e-6;  // of the clocks of events
  REQUIRE(up[0].end <= kernels[0].begin + tick);
  for (layer_index layer = 1; layer < layers; ++layer) {  // wholly within layer 0's kernel
    REQUIRE(kernels[0].begin <= up[layer].begin + tick);
    REQUIRE(up[layer].end <= kernels[0].end + tick);
    REQUIRE(up[layer].begin < up[layer].end);
  }

  scene.cache.tracker().add_spans(d.trace());
  const auto drawn = slices_of(scene.cache.tracker());
  const auto& onload = drawn.at("onload");
  const auto& compute = drawn.at("compute");
  const auto is_gate = [](const drawn_slice& s) { return s.name == "gate"; };
  REQUIRE(std::count_if(onload.begin(), onload.end(), is_gate) == 1);
  REQUIRE(static_cast<layer_index>(onload.size()) == layers + 1);
  REQUIRE(is_gate(compute.front()));
  REQUIRE(onload.back().begin + 1e6 * tick >= compute.front().begin);
  REQUIRE(onload.back().end <= compute.front().end + 1e6 * tick);
  REQUIRE(drawn.at("cache").size() >= 3);  // prepare, commit, release
}

}  // namespace kvstrata_test
