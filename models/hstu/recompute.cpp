#include "hstu/recompute.hpp"

#include "hstu/scratch_window.hpp"

namespace hstu {

kvstrata::page_table_view scratch_pages::reserve(const kvstrata::geometry& shape, std::span<const request> requests)
{
  table_.clear();
  kvstrata::page_count next = 0;
  for (const request& r : requests) next = add_window(table_, {r.first_token, r.history}, page_tokens_, next, pages_);
  const kvstrata::placement where{0, page_tokens_ * shape.token_layer_bytes()};
  float* const memory = memory_.reserve(next * where.page_stride / sizeof(float));
  return table_.view(reinterpret_cast<std::byte*>(memory), where, shape, page_tokens_);
}

std::vector<float> recompute(const model& m, std::span<const request> requests, scratch_pages& memory)
{
  std::vector<kvstrata::token_interval> all(requests.size());
  std::vector<request> whole(requests.begin(), requests.end());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    all[i] = {whole[i].first_token, whole[i].history};
    whole[i].compute = std::span(all).subspan(i, 1);
  }
  batch_forward pass(m, whole, memory.reserve(m.shape(), whole));
  pass.embed();
  for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) pass.layer(l);
  pass.head();
  const std::span<const float> scores = pass.scores();
  return {scores.begin(), scores.end()};
}

}  // namespace hstu
