// What the host pays: microseconds of each call to the device, and of queueing a whole batch by each engine. None of
// them may block, so the queues are emptied between the rounds, outside the clock.
#pragma once

#include "support/engines.hpp"
#include "support/laid_out.hpp"
#include "support/machine.hpp"
#include "support/report.hpp"

#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace bench {

struct control_config
{
  kvstrata::geometry shape{.layers = 8, .kv_heads = 4, .head_dim = 128};
  std::vector<batch_shape> batches{{1, 40'000}, {8, 512}};
  std::vector<unsigned> pieces{1, 64, 1024, 4096};  ///< of one batch or one copy kernel
  std::size_t piece_bytes = 4096;
  unsigned calls = 200;  ///< a round; few enough for the runtime's queue to hold them
  sampling_plan plan{.warm_ups = 1, .rounds = 9, .most = 9};
};

/// Host seconds a call, over rounds of `calls` calls. Blocks between the rounds.
template <machine Machine>
[[nodiscard]] spread host_seconds(Machine& m, const sampling_plan& plan, unsigned calls, kvstrata::stream_id stream,
                                  const std::function<void()>& call)
{
  return sample(plan, [&] {
    const double seconds = seconds_of([&] {
      for (unsigned i = 0; i < calls; ++i) call();
    });
    m.device().wait_sync(m.device().record(stream));
    return seconds / calls;
  });
}

/// Measures everything and tells it.
template <machine Machine>
void control(Machine& m, const control_config& c, report& out)
{
  using namespace kvstrata;
  auto& d = m.device();
  unsigned most_pieces = 1;
  for (const unsigned n : c.pieces) most_pieces = (std::max)(most_pieces, n);
  const auto above = d.allocate_device(2 * most_pieces * c.piece_bytes, "control");
  const auto below = d.allocate_pinned(2 * most_pieces * c.piece_bytes, "control");
  std::vector<copy_piece> pieces;  // every second one, so that none joins its neighbour
  for (std::size_t i = 0; i < most_pieces; ++i) {
    pieces.push_back({above.data() + 2 * i * c.piece_bytes, below.data() + 2 * i * c.piece_bytes, c.piece_bytes});
  }
  const stream_id stream = m.stream("control");
  const stream_id other = m.stream("control, other");

  table calls{.title = "Host time of one call, or of the row that is named",
              .columns = {"call", "us", "low", "high"},
              .rows = {},
              .foot = {},
              .left = 1};
  const auto line = [&](table& to, const std::string& name, const spread& seconds, const char* kind) {
    const spread us = scaled(seconds, 1e6);
    to.rows.push_back({name, text("%.2f", us.median), text("%.2f", us.low), text("%.2f", us.high)});
    out.records.emplace_back().add("kind", kind).add("call", name).add("host_us", us);
  };
  const auto one = [&](const std::string& name, unsigned times, const std::function<void()>& call) {
    line(calls, name, host_seconds(m, c.plan, times, stream, call), "call");
  };
  const auto copy = [&](stream_id on) {
    d.copy(on, copy_direction::to_device, pieces[0].dst, pieces[0].src, pieces[0].bytes);
  };
  one("copy", c.calls, [&] { copy(stream); });
  one("copy, record", c.calls, [&] {
    copy(stream);
    static_cast<void>(d.record(stream));
  });
  one("copy, record, query", c.calls, [&] {
    copy(stream);
    static_cast<void>(d.query(d.record(stream)));
  });
  one("copy, record, wait on another stream", c.calls, [&] {
    copy(other);
    d.wait(stream, d.record(other));
  });
  for (const unsigned n : c.pieces) {
    const std::span<const copy_piece> some = std::span(pieces).first(n);
    const unsigned times = (std::max)(4U, c.calls / n);
    const std::string many = " of " + std::to_string(n) + (n == 1 ? " piece" : " pieces");
    one("copy batch" + many, times, [&] { d.copy_batch(stream, copy_direction::to_device, some); });
    one("copy kernel" + many, times,
        [&] { d.copy_kernel_launch(stream, {.label = "control", .route = copy_route::to_device, .sms = 8}, some); });
  }
  out.add(std::move(calls));

  unsigned users = 0;
  token_count most = 0;
  for (const batch_shape& b : c.batches) {
    users = (std::max)(users, b.users);
    most = (std::max)(most, b.users * b.tokens);
  }
  workplace<typename Machine::device_type> place(d, c.shape, users, most, 32);
  const std::vector<engine_in_use> engines = all_engines(d);
  for (const batch_shape& b : c.batches) {
    const std::string who =
        std::to_string(b.users) + (b.users == 1 ? " user of " : " users of ") + std::to_string(b.tokens) + " tokens";
    const named_layout lists[] = {{"paged, page first", place.lay_out(paged_layout{}, b, device_pages::scattered)},
                                  {"hybrid, layer first", place.lay_out(hybrid_layout{}, b, device_pages::scattered)}};
    table onload{.title = "Host time of queueing the onload of " + who + ", all layers, pages of 32 tokens",
                 .columns = {"layout and engine", "us", "low", "high"},
                 .rows = {},
                 .foot = {},
                 .left = 1};
    for (const named_layout& layout : lists) {
      for (const engine_in_use& engine : engines) {
        kvstrata::ticket last;
        const spread seconds = sample(c.plan, [&] {
          const double s = seconds_of([&] { last = engine.up_to_pages(layout.at, {}); });
          d.wait_sync(last.last());
          return s;
        });
        line(onload, layout.name + ", " + engine.name, seconds, "onload");
        out.records.back().add("users", double(b.users)).add("tokens", double(b.tokens));
        out.records.back().add("calls", double(last.copies)).add("pieces", double(last.pieces));
      }
    }
    onload.foot =
        "A list with more calls than the runtime's queue holds waits for the copies: then this is their time.";
    out.add(std::move(onload));
  }
}

}  // namespace bench
