// What a copy engine costs a computation that runs beside it: the computation alone, then while batches travel without
// a pause, up or down. Copy engines of the device take nothing but bandwidth; copy kernels take multiprocessors, and
// the budgets show how many are enough.
//
//   products   bf16 matrix products of the library: bound by the multiprocessors
//   copies     copies within device memory: bound by its bandwidth
//
// A computation is a row of steps in chunks; chunks are timed alone and beside the copies, in turn. What travels counts
// from the first batch that arrives while the computation runs to the last one.
#pragma once

#include "support/ceilings.hpp"
#include "support/engines.hpp"
#include "support/laid_out.hpp"
#include "support/report.hpp"

#include <kvstrata/layout/paged_layout.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

struct interference_config
{
  kvstrata::geometry shape{.layers = 8, .kv_heads = 4, .head_dim = 128};
  batch_shape batch{8, 512};  ///< 64 MiB: short enough that what is in flight at the end does not count for much
  kvstrata::token_count page = 32;
  std::size_t copied_bytes = std::size_t{128} << 20;  ///< a step of the computation that copies
  std::size_t ceiling_bytes = std::size_t{512} << 20;
  double seconds = 0.04;      ///< that the computation takes alone
  unsigned chunks = 20;       ///< in which it is timed
  unsigned most_steps = 400;  ///< a runtime's queue is not endless: the host must not wait for it
  sampling_plan plan{.warm_ups = 1, .rounds = 5, .most = 5};
};

struct beside
{
  double seconds = 0;  ///< of the computation
  double worst = 0;    ///< of its chunks, over their mean
  double rate = 0;     ///< bytes a second that travelled meanwhile; 0 when fewer than two batches arrived
};

/// The computation: `step(stream)` queues one step.
struct computation
{
  std::string name;
  std::function<void(kvstrata::stream_id)> step;
  unsigned steps = 0;  ///< a multiple of the chunks
};

/// Runs it once, with batches queued by `transfer(after) -> event` beside it, or alone where there is none. Blocks.
template <machine Machine>
[[nodiscard]] beside run_beside(Machine& m, const computation& work, unsigned chunks, std::size_t batch_bytes,
                                const std::function<kvstrata::event(const kvstrata::fence&)>& transfer)
{
  using namespace kvstrata;
  auto& d = m.device();
  const stream_id compute = m.stream("computation");
  const stream_id meter = m.stream("arrivals");
  m.forget_marks();
  std::vector<time_mark> arrivals;
  std::deque<event> under_way;
  const auto send = [&] {
    under_way.push_back(transfer({}));
    d.wait(meter, under_way.back());
    arrivals.push_back(m.mark(meter));
  };
  if (transfer) {  // copies are under way before the computation starts
    send();
    send();
  }
  std::vector<time_mark> ends{m.mark(compute)};
  for (unsigned i = 0; i < work.steps; ++i) {
    work.step(compute);
    if ((i + 1) % (work.steps / chunks) == 0) ends.push_back(m.mark(compute));
  }
  const event computed = d.record(compute);
  while (transfer && !d.query(computed)) {
    d.wait_sync(under_way.front());
    under_way.pop_front();
    send();
  }
  beside out;
  out.seconds = m.seconds(ends.front(), ends.back());
  for (std::size_t i = 1; i < ends.size(); ++i) {
    out.worst = (std::max)(out.worst, m.seconds(ends[i - 1], ends[i]) * (static_cast<double>(ends.size()) - 1));
  }
  out.worst /= out.seconds > 0 ? out.seconds : 1;
  std::vector<double> within;
  for (const time_mark arrival : arrivals) {
    const double at = m.seconds(ends.front(), arrival);
    if (at > 0 && at <= out.seconds) within.push_back(at);
  }
  if (within.size() > 1 && within.back() > within.front()) {
    out.rate =
        static_cast<double>(batch_bytes) * (static_cast<double>(within.size()) - 1) / (within.back() - within.front());
  }
  for (const event last : under_way) d.wait_sync(last);
  return out;
}

/// The batch again and again without a computation: bytes a second. Blocks.
template <machine Machine>
[[nodiscard]] double rate_alone(Machine& m, std::size_t batch_bytes, unsigned batches,
                                const std::function<kvstrata::event(const kvstrata::fence&)>& transfer)
{
  const double seconds = seconds_of_work(m, [&](const kvstrata::fence& after) {
    kvstrata::fence done;
    for (unsigned i = 0; i < batches; ++i) done.add(transfer(i == 0 ? after : kvstrata::fence()));
    return done;
  });
  return seconds > 0 ? static_cast<double>(batch_bytes) * batches / seconds : 0;
}

/// Engines and budgets: the device's own copy engines first, then kernels by how many multiprocessors they may take.
template <kvstrata::device Device>
[[nodiscard]] std::vector<engine_in_use> engines_by_budget(Device& d)
{
  using namespace kvstrata;
  constexpr std::size_t slot = std::size_t{2} << 20;
  return {use<per_page_copy>(d, "per_page"),
          use<coalesced_copy>(d, "coalesced"),
          use<batched_copy<>>(d, "batched"),
          use<staged_copy<slot, 4, 2>>(d, "staged, 2"),
          use<staged_copy<slot, 4, 8>>(d, "staged, 8"),
          use<window_copy<batched_copy<>, 2>>(d, "window, 2"),
          use<window_copy<batched_copy<>, 8>>(d, "window, 8"),
          use<kernel_copy<1>>(d, "kernel, 1"),
          use<kernel_copy<2>>(d, "kernel, 2"),
          use<kernel_copy<4>>(d, "kernel, 4"),
          use<kernel_copy<8>>(d, "kernel, 8"),
          use<kernel_copy<16>>(d, "kernel, 16"),
          use<kernel_copy<32>>(d, "kernel, 32"),
          use<kernel_copy<0>>(d, "kernel, all")};
}

/// Measures everything and tells it.
template <machine Machine>
void interference(Machine& m, const interference_config& c, report& out)
{
  using namespace kvstrata;
  auto& d = m.device();
  tell(out, measure_ceilings(m, c.plan, c.ceiling_bytes), c.ceiling_bytes);
  workplace<typename Machine::device_type> place(d, c.shape, c.batch.users, c.batch.users * c.batch.tokens, c.page);
  const laid_out at = place.lay_out(paged_layout{.page_tokens = c.page}, c.batch, device_pages::scattered);
  const auto scratch = d.allocate_device(2 * c.copied_bytes, "computation");
  const std::vector<engine_in_use> engines = engines_by_budget(d);

  std::vector<computation> works;
  works.push_back({"products", [&m](stream_id s) { m.product(s); }, 0});
  works.push_back(
      {"copies",
       [&](stream_id s) { m.copy_on_device(s, scratch.data(), scratch.data() + c.copied_bytes, c.copied_bytes); }, 0});
  for (computation& work : works) {
    work.steps = c.chunks;
    const double chunk = sample(c.plan, [&] { return run_beside(m, work, c.chunks, 0, {}).seconds; }).median;
    const double wanted = chunk > 0 ? c.seconds / chunk : 1.0;
    const double most = c.most_steps / c.chunks;
    work.steps *= static_cast<unsigned>((std::max)(1.0, (std::min)(wanted, most)));

    for (const bool up : {true, false}) {
      table t{.title = "Beside " + work.name + (up ? ": onload" : ": offload"),
              .columns = {"engine, multiprocessors", "computation slower by", "low", "high", "worst chunk",
                          "copies beside it", "copies alone"},
              .rows = {},
              .foot = {},
              .left = 1};
      for (const engine_in_use& engine : engines) {
        if (!up && engine.lands_in_window) continue;  // its offload is its inner engine's
        event before;  // a window is free again when what landed in it has been relocated
        const std::function<event(const fence&)> transfer = [&](fence after) {
          if (engine.lands_in_window) after.add(before);
          return before = (up ? engine.up_to_pages(at, after) : engine.down(at.down, after)).last();
        };
        std::vector<double> slower, worst, rate;
        const auto once = [&](bool counts) {
          const beside alone = run_beside(m, work, c.chunks, at.bytes(), {});
          const beside with = run_beside(m, work, c.chunks, at.bytes(), transfer);
          if (!counts) return;
          slower.push_back(alone.seconds > 0 ? with.seconds / alone.seconds : 0);
          worst.push_back(with.worst);
          rate.push_back(with.rate);
        };
        for (unsigned i = 0; i < c.plan.warm_ups; ++i) once(false);
        for (unsigned i = 0; i < c.plan.rounds; ++i) once(true);
        const spread alone = sample(c.plan, [&] { return rate_alone(m, at.bytes(), 4, transfer); });
        const spread slow = spread_of(slower), far = spread_of(worst), beside_it = spread_of(rate);
        const auto more = [](double times) { return text("%.1f %%", std::round(1000 * (times - 1)) / 10 + 0.0); };
        t.rows.push_back({engine.name, more(slow.median), more(slow.low), more(slow.high), text("%.2fx", far.median),
                          beside_it.median > 0 ? text("%.1f GB/s", beside_it.median / 1e9) : "too few arrived",
                          text("%.1f GB/s", alone.median / 1e9)});
        record& r = out.records.emplace_back();
        r.add("kind", "interference").add("computation", work.name).add("travel", up ? "onload" : "offload");
        r.add("engine", engine.name).add("time_over_time_alone", slow).add("worst_chunk_over_mean", far);
        r.add("gb_per_second_beside", scaled(beside_it, 1e-9)).add("gb_per_second_alone", scaled(alone, 1e-9));
      }
      t.foot = text(
          "Each in turn with the computation alone, %u steps in %u chunks. Worst chunk: the slowest chunk beside "
          "the copies over their mean.",
          work.steps, c.chunks);
      out.add(std::move(t));
    }
  }
}

}  // namespace bench
