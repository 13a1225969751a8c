// The link by itself: the runtime's own copies of one piece, small and large, between pinned and device memory, one way
// and both at once, and within device memory. The largest pieces are the ceilings that the other programs hold their
// figures against; the small ones tell what a call costs and from which size on it does not matter. No engine takes part.
#pragma once

#include "support/ceilings.hpp"
#include "support/machine.hpp"
#include "support/report.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace bench {

struct plain_copies_config
{
  std::vector<std::size_t> piece_bytes{4 << 10, 16 << 10, 64 << 10,  256 << 10,
                                       1 << 20, 16 << 20, 128 << 20, std::size_t{512} << 20};
  sampling_plan plan;
};

/// Measures everything and tells it. Takes twice the largest piece of device and of pinned memory.
template <machine Machine>
void copies_by_size(Machine& m, const plain_copies_config& c, report& out)
{
  const std::size_t largest = *std::max_element(c.piece_bytes.begin(), c.piece_bytes.end());
  const auto above = m.device().allocate_device(2 * largest, "plain copies");
  const auto below = m.device().allocate_pinned(2 * largest, "plain copies");
  plain_copies<Machine> plain(m, above.data(), below.data());
  table t{.title = "Plain copies of one piece, by its size",
          .columns = {"KiB", "up us", "up GB/s", "down us", "down GB/s", "both at once GB/s", "within GB/s"},
          .rows = {},
          .foot =
              "Up: pinned to device. Both at once: the bytes of both. Within device memory as many are read as are "
              "written. Medians; the JSON has the lowest and the highest.",
          .left = 0};
  ceilings best;
  for (const std::size_t bytes : c.piece_bytes) {
    const ceilings rates = measure_copies(m, c.plan, plain, bytes);
    if (bytes == largest) best = rates;
    const auto us = [&](const spread& rate) {
      return text("%.1f", rate.median > 0 ? 1e6 * static_cast<double>(bytes) / rate.median : 0.0);
    };
    const auto gb = [](const spread& rate) { return text("%.2f", rate.median / 1e9); };
    t.rows.push_back({std::to_string(bytes >> 10), us(rates.up), gb(rates.up), us(rates.down), gb(rates.down),
                      gb(rates.both), gb(rates.device)});
    record& r = out.records.emplace_back();
    r.add("kind", "plain copy").add("bytes", static_cast<double>(bytes));
    r.add("up_bytes_per_second", rates.up).add("down_bytes_per_second", rates.down);
    r.add("both_bytes_per_second", rates.both).add("within_bytes_per_second", rates.device);
  }
  out.add(std::move(t));
  best.product = measure_product(m, c.plan);
  tell(out, best, largest);
}

}  // namespace bench
