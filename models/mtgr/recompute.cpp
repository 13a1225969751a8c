#include "mtgr/recompute.hpp"

#include "hstu/scratch_window.hpp"

#include <kvstrata/core/interval.hpp>

namespace mtgr {

part_views scratch_parts::reserve(const kvstrata::geometry& shape, std::span<const request> requests)
{
  kvstrata::page_count next = 0;
  std::vector<kvstrata::page_id> pages;
  for (kvstrata::page_table& table : tables_) table.clear();
  for (const request& r : requests) {
    const kvstrata::token_count tokens[parts] = {r.static_tokens, r.recent_tokens};
    for (std::size_t p = 0; p < parts; ++p) {
      next = hstu::add_window(tables_[p], {0, tokens[p]}, page_tokens_, next, pages);
    }
  }
  const kvstrata::placement where{0, page_tokens_ * shape.token_layer_bytes()};
  auto* const memory = reinterpret_cast<std::byte*>(memory_.reserve(next * where.page_stride / sizeof(float)));
  return {tables_[0].view(memory, where, shape, page_tokens_), tables_[1].view(memory, where, shape, page_tokens_)};
}

std::vector<float> recompute(const model& m, std::span<const request> requests, scratch_parts& memory)
{
  std::vector<std::array<kvstrata::token_interval, parts>> all(requests.size());
  std::vector<request> whole(requests.begin(), requests.end());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    all[i] = {kvstrata::token_interval{0, whole[i].static_tokens}, kvstrata::token_interval{0, whole[i].recent_tokens}};
    whole[i].static_compute = std::span(all[i]).first(1);
    whole[i].recent_compute = std::span(all[i]).last(1);
  }
  batch_forward pass(m, whole, memory.reserve(m.shape(), whole));
  pass.embed();
  for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) pass.layer(l);
  pass.head();
  const std::span<const float> logits = pass.logits();
  return {logits.begin(), logits.end()};
}

}  // namespace mtgr
