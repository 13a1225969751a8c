#include "replay/seen_values.hpp"

#include "hstu/model.hpp"
#include "hstu/recompute.hpp"

#include <kvstrata/core/interval.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace replay {

seen_values see_values(const workload& w, const hstu::model& model)
{
  constexpr std::size_t most_requests = 8;
  kvstrata::codec::exponent_counts counts;
  seen_values out;
  hstu::scratch_pages memory;
  const kvstrata::geometry shape = model.shape();
  const std::size_t row = std::size_t{shape.kv_heads} * shape.head_dim;
  const std::size_t some = (std::min)(most_requests, w.batches.size());
  for (std::size_t i = 0; i < some; ++i) {
    // From the middle of each stretch of the workload: its beginning has the shortest histories.
    hstu::request asked = model_request(w, w.batches[(2 * i + 1) * w.batches.size() / (2 * some)].requests.front());
    const kvstrata::token_interval whole[] = {{asked.first_token, asked.history}};
    if (whole[0].empty()) continue;
    asked.compute = whole;
    const kvstrata::page_table_view view = memory.reserve(shape, {&asked, 1});
    hstu::batch_forward pass(model, {&asked, 1}, view);
    pass.embed();
    for (kvstrata::layer_index l = 0; l < shape.layers; ++l) {
      pass.layer(l);  // every layer's lie in the same memory
      for (kvstrata::token_count t = whole[0].begin; t < whole[0].end; ++t) {
        for (const std::size_t at : {std::size_t{0}, view.value_offset()}) {
          const auto* const values = reinterpret_cast<const float*>(view.key(l, 0, t) + at);
          counts.count(std::as_bytes(std::span(values, row)), kvstrata::element_type::f32);
          out.least = (std::min)(out.least, *std::min_element(values, values + row));
        }
      }
    }
  }
  out.values = counts.total();
  out.table = counts.table();
  out.outside = counts.share_outside(out.table);
  out.outside_default = counts.share_outside({});
  return out;
}

}  // namespace replay
