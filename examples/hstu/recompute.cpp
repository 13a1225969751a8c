#include "hstu/recompute.hpp"

namespace hstu {

kvstrata::page_table_view scratch_pages::reserve(const kvstrata::geometry& shape,
                                                 std::span<const kvstrata::token_count> tokens)
{
  page_ids_.clear();
  indptr_.assign(1, 0);
  last_page_len_.clear();
  for (const kvstrata::token_count count : tokens) {
    const std::uint32_t pages = (count + page_tokens_ - 1) / page_tokens_;
    for (std::uint32_t i = 0; i < pages; ++i) {
      page_ids_.push_back(kvstrata::to_page(static_cast<std::uint32_t>(page_ids_.size())));
    }
    indptr_.push_back(static_cast<std::int32_t>(page_ids_.size()));
    last_page_len_.push_back(pages == 0 ? 0 : static_cast<std::int32_t>(count - (pages - 1) * page_tokens_));
  }
  kvstrata::page_table_view view;
  view.page_ids = page_ids_;
  view.indptr = indptr_;
  view.last_page_len = last_page_len_;
  view.shape = shape;
  view.page_tokens = page_tokens_;
  view.where = {0, page_tokens_ * shape.token_layer_bytes()};
  view.base = reinterpret_cast<std::byte*>(memory_.reserve(page_ids_.size() * view.where.page_stride / sizeof(float)));
  return view;
}

std::vector<float> recompute(const model& m, std::span<const request> requests, scratch_pages& memory)
{
  std::vector<kvstrata::token_count> lengths;
  std::vector<kvstrata::token_interval> all(requests.size());
  std::vector<request> whole(requests.begin(), requests.end());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    lengths.push_back(whole[i].history);
    all[i] = {0, whole[i].history};
    whole[i].compute = std::span(all).subspan(i, 1);
  }
  batch_forward pass(m, whole, memory.reserve(m.shape(), lengths));
  pass.embed();
  for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) pass.layer(l);
  pass.head();
  const std::span<const float> scores = pass.scores();
  return {scores.begin(), scores.end()};
}

}  // namespace hstu
