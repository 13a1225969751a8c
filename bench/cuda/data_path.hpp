// Every layout x copy engine x page size, up, down and both at once: bytes a second, beside one plain pinned copy of as
// many bytes in turn. The layouts, tiers, lists and engines are the library's own; the model is left out.
#pragma once

#include "support/ceilings.hpp"
#include "support/engines.hpp"
#include "support/laid_out.hpp"
#include "support/moves_bytes_right.hpp"
#include "support/report.hpp"

#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

struct data_path_config
{
  kvstrata::geometry shape{.layers = 8, .kv_heads = 4, .head_dim = 128};  // MTServe's model, 16 KiB a token
  std::vector<unsigned> pages{16, 32, 64, 128};
  std::vector<unsigned> pages_together{32};  ///< of these also with device pages side by side
  std::vector<batch_shape> batches{{1, 40'000}, {8, 512}};
  std::size_t ceiling_bytes = std::size_t{512} << 20;
  double target = 0.95;  ///< of the plain copy
  sampling_plan plan;

  /// The rows that matter most, for a quick run: the pages that caches have unless told otherwise, scattered.
  void only_main_rows()
  {
    pages = {kvstrata::paged_layout{}.page_tokens};
    pages_together.clear();
  }
};

enum class travel : std::uint8_t { up, down, both };

[[nodiscard]] constexpr std::string_view name_of(travel t) noexcept
{
  switch (t) {
    case travel::up: return "onload";
    case travel::down: return "offload";
    case travel::both: return "onload and offload at once";
  }
  return "unknown";
}

/// The list in every layout. `chunk` and the contiguous range follow the page and the batch.
template <kvstrata::device Device>
[[nodiscard]] std::vector<named_layout> all_layouts(workplace<Device>& place, const batch_shape& batch,
                                                    kvstrata::token_count page, device_pages where)
{
  using namespace kvstrata;
  std::vector<named_layout> out;
  for (const page_order order : {page_order::page_first, page_order::layer_first}) {
    const std::string suffix = order == page_order::page_first ? ", page first" : ", layer first";
    out.push_back(
        {"paged" + suffix, place.lay_out(paged_layout{.page_tokens = page, .host_order = order}, batch, where)});
    out.push_back(
        {"hybrid" + suffix,
         place.lay_out(hybrid_layout{.page_tokens = page, .chunk = 1024, .host_order = order}, batch, where)});
  }
  const token_count longest = (batch.tokens + page - 1) / page * page;
  out.push_back(
      {"contiguous", place.lay_out(contiguous_layout{.page_tokens = page, .longest = longest}, batch, where)});
  return out;
}

/// One column of the tables: an engine, and where its onload ends.
struct way
{
  std::string name;
  const engine_in_use* engine = nullptr;
  bool to_pages = false;

  /// A relocation is no part of an offload.
  [[nodiscard]] bool goes(travel t) const noexcept { return t == travel::up || !engine->lands_in_window || !to_pages; }
};

[[nodiscard]] inline std::vector<way> ways_of(const std::vector<engine_in_use>& engines)
{
  std::vector<way> out;
  for (const engine_in_use& engine : engines) {
    out.push_back({engine.name, &engine, false});
    if (engine.lands_in_window) out.push_back({engine.name + ", relocated", &engine, true});
  }
  return out;
}

struct moved
{
  paired_seconds seconds;
  std::size_t bytes = 0;
  std::uint64_t calls = 0;
  std::uint64_t pieces = 0;
};

/// Times one way in one direction against the plain copy of as many bytes. Blocks.
template <machine Machine>
[[nodiscard]] moved move_batch(Machine& m, const sampling_plan& plan, plain_copies<Machine>& plain, const way& by,
                               travel direction, const laid_out& at)
{
  using kvstrata::fence;
  moved out;
  const std::size_t one_way = at.bytes();
  out.bytes = direction == travel::both ? 2 * one_way : one_way;
  const auto count = [&out](const kvstrata::ticket& t) {
    out.calls += t.copies;
    out.pieces += t.pieces;
    return fence(t.last());
  };
  const auto engine = [&](const fence& after) {
    out.calls = out.pieces = 0;
    fence done;
    if (direction != travel::down)
      done.add(count(by.to_pages ? by.engine->up_to_pages(at, after) : by.engine->up(at, after)));
    if (direction != travel::up) done.add(count(by.engine->down(at.down, after)));
    return done;
  };
  const auto ceiling = [&](const fence& after) {
    if (direction == travel::up) return plain.up(one_way, after);
    return direction == travel::down ? plain.down(one_way, after) : plain.both(one_way, after);
  };
  out.seconds =
      sample_pairs(plan, [&] { return seconds_of_work(m, engine); }, [&] { return seconds_of_work(m, ceiling); });
  return out;
}

/// Measures everything and tells it. Throws std::runtime_error when an engine moved bytes wrong.
template <machine Machine>
void data_path(Machine& m, const data_path_config& c, report& out)
{
  using namespace kvstrata;
  tell(out, measure_ceilings(m, c.plan, c.ceiling_bytes), c.ceiling_bytes);

  unsigned users = 0;
  token_count most = 0;
  batch_shape least = c.batches.front();
  for (const batch_shape& b : c.batches) {
    users = (std::max)(users, b.users);
    most = (std::max)(most, b.users * b.tokens);
    if (b.users * b.tokens < least.users * least.tokens) least = b;
  }
  unsigned page = 0;
  for (const auto* sizes : {&c.pages, &c.pages_together}) {
    for (const unsigned size : *sizes) page = (std::max)(page, size);
  }
  workplace<typename Machine::device_type> place(m.device(), c.shape, users, most, page);
  plain_copies<Machine> plain(m, place.device_side(), place.host_side());
  const std::vector<engine_in_use> engines = all_engines(m.device());
  const std::vector<way> ways = ways_of(engines);

  for (const batch_shape& batch : c.batches) {
    const std::string who = std::to_string(batch.users) + (batch.users == 1 ? " user of " : " users of ") +
                            std::to_string(batch.tokens) + " tokens";
    std::vector<table> tables;
    std::vector<std::size_t> met(3), cells(3);
    std::vector<double> widest(3);
    for (const travel t : {travel::up, travel::down, travel::both}) {
      table& one = tables.emplace_back();
      one.title = who + ": " + std::string(name_of(t));
      one.columns = {"layout", "page", "device pages"};
      one.left = 3;
      for (const way& w : ways) {
        if (w.goes(t)) one.columns.push_back(w.name);
      }
    }
    const auto rows = [&](unsigned page_tokens, device_pages where) {
      const std::string lie = where == device_pages::scattered ? "scattered" : "together";
      for (const named_layout& layout : all_layouts(place, batch, page_tokens, where)) {
        const bool seen = batch.users == least.users && batch.tokens == least.tokens;
        for (const engine_in_use& engine : engines) {
          if (!seen || moves_bytes_right(m, engine, layout.at)) continue;
          throw std::runtime_error("the engine " + engine.name + " moved bytes wrong: layout " + layout.name +
                                   ", pages of " + std::to_string(page_tokens) + " tokens, " + who);
        }
        for (const travel t : {travel::up, travel::down, travel::both}) {
          const auto number = static_cast<std::size_t>(t);
          std::vector<std::string> row{layout.name, std::to_string(page_tokens), lie};
          for (const way& w : ways) {
            if (!w.goes(t)) continue;
            const moved result = move_batch(m, c.plan, plain, w, t, layout.at);
            const auto amount = static_cast<double>(result.bytes);
            const spread rate = scaled(rate_of(amount, result.seconds.subject), 1e-9);
            const spread& share = result.seconds.ratio;
            const bool reached = share.median >= c.target;
            row.push_back(text("%.1f %4.0f %% %c", rate.median, 100 * share.median, reached ? '+' : '-'));
            met[number] += reached ? 1 : 0;
            ++cells[number];
            widest[number] = (std::max)(widest[number], width_of(share));
            record& r = out.records.emplace_back();
            r.add("kind", "data path").add("travel", std::string(name_of(t))).add("layout", layout.name);
            r.add("page_tokens", double(page_tokens)).add("device_pages", lie).add("engine", w.name);
            r.add("users", double(batch.users)).add("tokens", double(batch.tokens)).add("bytes", amount);
            r.add("calls", double(result.calls)).add("pieces", double(result.pieces));
            r.add("gb_per_second", rate).add("share_of_plain_copy", share);
            r.add("plain_gb_per_second", scaled(rate_of(amount, result.seconds.baseline), 1e-9));
            r.add("target", c.target).add("target_met", reached);
          }
          tables[number].rows.push_back(std::move(row));
        }
      }
    };
    for (const unsigned p : c.pages) rows(p, device_pages::scattered);
    for (const unsigned p : c.pages_together) rows(p, device_pages::together);
    for (std::size_t t = 0; t < tables.size(); ++t) {
      tables[t].foot = text(
          "GB/s, and the share of one plain pinned copy of as many bytes, timed in turn: medians; the "
          "widest spread of a share is %.0f %% of it. + meets the target of %.0f %%, - is short of it: "
          "%zu of %zu meet it.",
          100 * widest[t], 100 * c.target, met[t], cells[t]);
      out.add(std::move(tables[t]));
    }
  }
}

}  // namespace bench
