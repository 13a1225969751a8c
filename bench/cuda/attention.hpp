// The model's attention kernel against its roofline: what its bytes and its operations need at the ceilings measured in the
// same run, whichever is more. One layer of a batch, as a pass queues it: the same plan of rows, the same arrays.
//
// One layer after the other of as many batches as it takes to read `cold_bytes` of keys and values, between two marks and
// behind other work of the GPU: so keys and values come out of device memory, as they do in a pass of many layers, and
// what the host needs is hidden. Told is the time of one.
//
//   candidates     the histories are in the pages; candidates read them
//   one page new   besides, the last page of each history is computed
//   recompute      all of each history is computed
//
// Needed are 4 * D operations for each pair of a query and a key it sees, and the bytes of keys and values of each history
// once, of queries and outputs once. What keeps the kernel from the roofline besides: a history is read again by every tile
// of its queries, out of the L2 where it fits; and mma.sync, which the kernel uses, may be slower on Hopper than the
// instructions of the library's product. Neither is subtracted here.
#pragma once

#include "support/ceilings.hpp"
#include "support/machine.hpp"
#include "support/report.hpp"

#include "gpu_replay/random_values.hpp"
#include "hstu/bias.hpp"
#include "hstu/gpu/attention.hpp"
#include "hstu/gpu/attention_parts.hpp"
#include "hstu/gpu/upload.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bench {

struct attention_shape
{
  std::string name;
  std::uint32_t heads = 4;
  std::uint32_t head_dim = 128;
  std::uint32_t page_tokens = 32;
  std::uint32_t candidates = 512;
  std::uint32_t requests = 8;
  std::vector<std::uint32_t> histories;
};

struct attention_config
{
  std::vector<attention_shape> shapes{
      {"MTServe, 4 x 128", 4, 128, 32, 512, 8, {1024, 4096, 10'000, 23'424, 40'000}},
      {"NVIDIA, 4 x 256", 4, 256, 32, 256, 8, {256, 1024, 4096}},
  };
  bool position_bias = false;
  bool time_bias = false;
  std::size_t ceiling_bytes = std::size_t{512} << 20;
  std::size_t cold_bytes = std::size_t{256} << 20;  ///< keys and values between two reads of the same: beyond the L2
  std::size_t most_batches = 64;                    ///< that take turns
  unsigned products_before = 8;                     ///< work of the GPU that hides the host
  sampling_plan plan{.warm_ups = 2, .rounds = 5, .most = 51};

  /// The shapes that matter most, for a quick run: of each model a short, a middle and the longest history.
  void only_main_shapes()
  {
    for (attention_shape& shape : shapes) {
      const std::vector<std::uint32_t>& all = shape.histories;
      if (all.size() > 3) shape.histories = {all.front(), all[all.size() / 2], all.back()};
    }
  }
};

enum class attention_work : std::uint8_t { candidates, one_page_new, recompute };

[[nodiscard]] inline const char* name_of(attention_work work)
{
  switch (work) {
    case attention_work::candidates: return "candidates";
    case attention_work::one_page_new: return "one page new";
    case attention_work::recompute: return "recompute";
  }
  return "unknown";
}

/// One layer of one batch, in device memory.
template <machine Machine>
class attention_batch
{
 public:
  attention_batch(Machine& m, std::uint32_t multiprocessors, const attention_shape& shape, std::uint32_t history,
                  attention_work work, const attention_config& c)
      : width_(shape.heads * shape.head_dim)
  {
    hstu::config model;
    model.heads = shape.heads;
    model.head_dim = shape.head_dim;
    model.max_tokens = std::bit_ceil(history + 1);
    if (!c.position_bias) model.position_buckets = 0;
    if (!c.time_bias) model.time_buckets = 0;

    // Requests, their pages in no order, and the plan of a pass.
    const std::uint32_t pages = (history + shape.page_tokens - 1) / shape.page_tokens;
    const std::uint32_t computed = work == attention_work::candidates     ? 0
                                   : work == attention_work::one_page_new ? (std::min)(history, shape.page_tokens)
                                                                          : history;
    const std::vector<std::uint64_t> items((std::size_t{history} + 1) / 2, 1);
    const std::vector<std::uint32_t> actions(items.size(), 1);
    std::vector<std::int64_t> times(items.size());
    for (std::size_t e = 0; e < times.size(); ++e) times[e] = static_cast<std::int64_t>(15 * e);
    const std::vector<std::uint64_t> candidates(shape.candidates, 1);
    const kvstrata::token_interval some{history - computed, history};
    const hstu::request one{.items = items,
                            .actions = actions,
                            .times = times,
                            .history = history,
                            .compute = std::span(&some, computed == 0 ? 0 : 1),
                            .candidates = candidates,
                            .time = static_cast<std::int64_t>(15 * times.size())};
    const std::vector<hstu::request> batch(shape.requests, one);
    std::vector<kvstrata::page_id> page_ids;
    std::vector<std::int32_t> indptr{0};
    for (std::uint32_t r = 0; r < shape.requests; ++r) {
      for (std::uint32_t p = 0; p < pages; ++p) page_ids.push_back(kvstrata::to_page(p * shape.requests + r));
      indptr.push_back(static_cast<std::int32_t>(page_ids.size()));
    }
    const std::vector<std::int32_t> last(shape.requests,
                                         static_cast<std::int32_t>(history - (pages - 1) * shape.page_tokens));
    hstu::row_plan plan;
    plan.assign(model, batch, hstu::fronts::together,
                {hstu::gpu::attention_tile_rows, hstu::gpu::attention_tile_rows, 1});

    // Queries, keys, values and outputs by row; pages; the plan's arrays.
    auto& d = m.device();
    const std::size_t page_bytes = std::size_t{2} * shape.page_tokens * width_ * sizeof(hstu::gpu::bf16);
    kv_.emplace_back(d.allocate_device((std::max)(page_ids.size(), std::size_t{1}) * page_bytes, "attention pages"));
    rows_.emplace_back(d.allocate_device((std::max)(plan.rows, std::size_t{1}) * 4 * width_ * sizeof(hstu::gpu::bf16),
                                         "attention rows"));
    kvstrata::page_table_view view;
    view.page_ids = page_ids;
    view.indptr = indptr;
    view.last_page_len = last;
    view.shape = {1, shape.heads, shape.head_dim, kvstrata::element_type::bf16};
    view.page_tokens = shape.page_tokens;
    view.where = {0, page_bytes};
    view.base = kv_.back().data();
    const hstu::gpu::upload_layout arrays(model, plan, batch, view);
    const std::size_t bias_at = arrays.bytes;
    const std::size_t table_bytes = shape.heads * (model.position_buckets + model.time_buckets) * sizeof(float);
    const std::size_t least_at = (bias_at + table_bytes + sizeof(std::int64_t) - 1) & ~(sizeof(std::int64_t) - 1);
    const std::size_t bias_bytes = least_at - bias_at + model.time_buckets * sizeof(std::int64_t);
    arrays_.emplace_back(d.allocate_device(bias_at + bias_bytes + 1, "attention arrays"));
    const auto staging = d.allocate_pinned(bias_at + bias_bytes + 1, "attention arrays");
    std::memset(staging.data(), 0, staging.size());
    arrays.fill(staging.data(), model, plan, batch, view);
    for (std::size_t b = 0; b < model.time_buckets; ++b) {  // as device_weights.hpp lays them out
      const std::int64_t least = b == 0 ? std::numeric_limits<std::int64_t>::min() : hstu::least_seconds(b);
      std::memcpy(staging.data() + least_at + b * sizeof least, &least, sizeof least);
    }
    const kvstrata::stream_id stream = m.stream("attention");
    d.copy(stream, kvstrata::copy_direction::to_device, arrays_.back().data(), staging.data(), staging.size());
    gpu_replay::fill_at_random(d, stream, kv_.back().data(), kv_.back().size() / sizeof(hstu::gpu::bf16));
    gpu_replay::fill_at_random(d, stream, rows_.back().data(), rows_.back().size() / sizeof(hstu::gpu::bf16));

    using hstu::gpu::bf16;
    const auto* const base = arrays_.back().data();
    auto* const rows = reinterpret_cast<bf16*>(rows_.back().data());
    const std::size_t first_candidate = plan.history_rows;
    attention_.queries = {rows, 4 * width_};
    attention_.outputs = {rows + width_, 4 * width_};
    attention_.candidate_keys = {rows + first_candidate * 4 * width_ + 2 * width_, 4 * width_};
    attention_.candidate_values = {rows + first_candidate * 4 * width_ + 3 * width_, 4 * width_};
    attention_.pages = {
        arrays.page_ids.at(base),          arrays.indptr.at(base), view.base, page_bytes, shape.page_tokens,
        static_cast<std::uint32_t>(width_)};
    attention_.tiles = arrays.tiles.at(base);
    attention_.tile_rows = arrays.tile_rows.at(base);
    attention_.visible = arrays.positions.at(base);
    attention_.tile_count = static_cast<std::uint32_t>(arrays.tiles.count);
    attention_.first_candidate = static_cast<std::uint32_t>(first_candidate);
    attention_.heads = shape.heads;
    attention_.parts = hstu::gpu::attention_parts(arrays.tiles.count, shape.heads, history, multiprocessors);
    if (attention_.parts > 1) {
      const std::size_t floats = hstu::gpu::part_floats(attention_.parts, arrays.tiles.count, width_);
      sums_.emplace_back(d.allocate_device(floats * sizeof(float), "attention sums"));
      attention_.part_sums = reinterpret_cast<float*>(sums_.back().data());
    }
    attention_.factor = 1.0f / static_cast<float>(model.max_tokens);
    const auto* const bias = reinterpret_cast<const float*>(base + bias_at);
    if (c.position_bias) {
      attention_.bias.by_distance = bias;
      attention_.bias.distances = model.position_buckets;
    }
    if (c.time_bias) {
      attention_.bias.by_time = bias + shape.heads * model.position_buckets;
      attention_.bias.times = model.time_buckets;
      attention_.bias.least_seconds = reinterpret_cast<const std::int64_t*>(base + least_at);
      attention_.bias.event_times = arrays.event_times.at(base);
      attention_.bias.first_event = arrays.first_event.at(base);
      attention_.bias.row_times = arrays.row_times.at(base);
    }

    const double pairs = computed * (static_cast<double>(history - computed) + 0.5 * (computed + 1.0)) +
                         shape.candidates * (history + 1.0);
    const auto width = static_cast<double>(width_);
    flops = shape.requests * pairs * 4 * width;
    bytes = static_cast<double>(sizeof(bf16)) * width *
            (shape.requests * 2.0 * history + 2.0 * static_cast<double>(plan.rows) +
             2.0 * shape.requests * shape.candidates);
  }

  [[nodiscard]] const hstu::gpu::attention_arguments& arguments() const noexcept { return attention_; }
  [[nodiscard]] std::size_t kv_bytes() const noexcept { return kv_.back().size(); }

  double flops = 0;
  double bytes = 0;

 private:
  using memory = typename Machine::device_type::memory;

  std::size_t width_;
  std::vector<memory> kv_, rows_, arrays_, sums_;
  hstu::gpu::attention_arguments attention_;
};

/// Batches of one shape, each with memory of its own: enough of them that none finds its keys and values in the L2.
template <machine Machine>
[[nodiscard]] std::vector<std::unique_ptr<attention_batch<Machine>>> cold_batches(
    Machine& m, std::uint32_t multiprocessors, const attention_shape& shape, std::uint32_t history, attention_work work,
    const attention_config& c)
{
  std::vector<std::unique_ptr<attention_batch<Machine>>> out;
  std::size_t held = 0;
  do {
    out.push_back(std::make_unique<attention_batch<Machine>>(m, multiprocessors, shape, history, work, c));
    held += out.back()->kv_bytes();
  } while (held < c.cold_bytes && out.size() < c.most_batches);
  return out;
}

/// `runner` is of the machine's device (hstu/gpu/runner.hpp).
template <machine Machine, class Runner>
void attention(Machine& m, Runner& runner, const attention_config& c, report& out)
{
  const ceilings best = measure_ceilings(m, c.plan, c.ceiling_bytes);
  tell(out, best, c.ceiling_bytes);
  const double read_and_written = 2 * best.device.median;
  for (const attention_shape& shape : c.shapes) {
    table t{.title = shape.name + ", pages of " + std::to_string(shape.page_tokens) + ", " +
                     std::to_string(shape.requests) + " requests of " + std::to_string(shape.candidates) +
                     " candidates: one layer's attention",
            .columns = {"work", "history", "batches", "us", "TFLOP/s", "GB/s", "needs us", "bound by",
                        "share of the roofline"},
            .rows = {},
            .foot = {},
            .left = 1};
    for (const attention_work work :
         {attention_work::candidates, attention_work::one_page_new, attention_work::recompute}) {
      for (const std::uint32_t history : shape.histories) {
        const auto batches = cold_batches(m, runner.multiprocessors(), shape, history, work, c);
        const attention_batch<Machine>& batch = *batches.front();
        const kvstrata::stream_id stream = m.stream("attention");
        const spread seconds = sample(c.plan, [&] {
          m.forget_marks();
          for (unsigned i = 0; i < c.products_before; ++i) m.product(stream);
          const time_mark begin = m.mark(stream);
          for (const auto& one : batches) runner.attend(stream, "attention", one->arguments(), shape.head_dim);
          return m.seconds(begin, m.mark(stream)) / static_cast<double>(batches.size());
        });
        const auto over = [](double a, double b) { return b > 0 ? a / b : 0.0; };
        const double by_bytes = over(batch.bytes, read_and_written);
        const double by_flops = over(batch.flops, best.product.median);
        const double needed = (std::max)(by_bytes, by_flops);
        const double share = over(needed, seconds.median);
        t.rows.push_back({name_of(work), std::to_string(history), std::to_string(batches.size()),
                          text_of(scaled(seconds, 1e6), 1), text("%.1f", over(batch.flops, seconds.median) / 1e12),
                          text("%.0f", over(batch.bytes, seconds.median) / 1e9), text("%.1f", needed * 1e6),
                          by_bytes > by_flops ? "bytes" : "operations", text("%.1f %%", 100 * share)});
        out.records.push_back({});
        out.records.back()
            .add("kind", "attention")
            .add("shape", shape.name)
            .add("work", name_of(work))
            .add("history", static_cast<double>(history))
            .add("batches", static_cast<double>(batches.size()))
            .add("seconds", seconds)
            .add("bytes", batch.bytes)
            .add("flops", batch.flops)
            .add("needed_seconds", needed)
            .add("share", share);
      }
    }
    out.add(std::move(t));
  }
}

}  // namespace bench
