// The steps of pass_rows.hpp, which includes this.
#pragma once

#include "decoder/gpu/pass_rows.hpp"

namespace decoder::gpu {

template <runner Runner>
void pass_rows<Runner>::reserve(std::span<const kvstrata::page_table_view> prompts,
                                const kvstrata::page_table_view& scratch, std::size_t logits_of_row)
{
  const row_plan& plan = on_.plan;
  prompts_.assign(prompts.begin(), prompts.end());
  scratch_ = scratch;
  rows_ = plan.rows();
  own_ = plan.own;
  tiles_ = static_cast<std::uint32_t>(plan.tiles.size());
  arrays_ = upload_layout(c_, plan, prompts_, scratch);
  lay_workspace(logits_of_row);
  const std::size_t host = arrays_.bytes + logits_.count * sizeof(float);
  on_.host.reserve(on_.device(), true, (std::max)(host, std::size_t{1}), "decoder pass, host");
  on_.arrays.reserve(on_.device(), false, (std::max)(arrays_.bytes, std::size_t{1}), "decoder pass, device");
  arrays_.fill(on_.host.data(), c_, plan, prompts_, scratch);
  watch(own_ == 0 ? prompts_.back() : scratch_);
}

template <runner Runner>
void pass_rows<Runner>::lay_workspace(std::size_t logits_of_row)
{
  const std::size_t rows = rows_;
  workspace_ = {};
  workspace_.add(residual_, rows * c_.hidden);
  workspace_.add(normal_, rows * c_.hidden);
  workspace_.add(projected_, rows * 3 * width_);
  workspace_.add(attended_, rows * width_);
  workspace_.add(gates_, rows * 2 * c_.ffn);
  workspace_.add(activated_, rows * c_.ffn);
  const bool states = own_ != 0 || prompts_.size() > 1;
  workspace_.add(o_, states ? rows * width_ : 0);
  workspace_.add(lse_, states ? rows * c_.heads : 0);
  workspace_.add(logits_, rows * logits_of_row);
  const std::size_t bytes = (std::max)(workspace_.bytes, std::size_t{1});
  std::byte* const base = on_.work.reserve(on_.device(), false, bytes, "decoder workspaces");
  if constexpr (requires { on_.device().poison(on_.stream, base, bytes); }) {
    on_.device().poison(on_.stream, base, bytes);
  }
}

template <runner Runner>
void pass_rows<Runner>::watch([[maybe_unused]] const kvstrata::page_table_view& to)
{
  written_.clear();
  read_.clear();
  if constexpr (hstu::gpu::watches_pages<Runner>) {
    if (!on_.machine().watches()) return;
    const row_plan& plan = on_.plan;
    const std::size_t bytes = to.shape.key_bytes();
    const auto add = [&](std::vector<touched>& list, const kvstrata::page_table_view& view, const std::byte* key) {
      list.push_back({&view, {key, bytes}});
      list.push_back({&view, {key + view.value_offset(), bytes}});
    };
    for (const std::uint64_t slot : plan.slots) add(written_, to, to.base + slot);
    for (const stage_tile& tile : plan.tiles) {
      for (std::uint32_t t = tile.first_token; t < tile.tokens; ++t) {
        add(read_, prompts_.back(), prompts_.back().key(0, tile.request, t));
      }
      for (std::size_t part = 0; part + 1 < prompts_.size(); ++part) {
        const kvstrata::page_table_view& front = prompts_[part];
        for (auto t = front.first_token(tile.request); t < front.tokens(tile.request); ++t) {
          add(read_, front, front.key(0, tile.request, t));
        }
      }
    }
    for (std::size_t i = 0; i < plan.own_rows.size(); ++i) {
      add(read_, scratch_, scratch_.key(0, plan.requests[i / plan.own], plan.own_rows[i]));
    }
  }
}

template <runner Runner>
void pass_rows<Runner>::tell([[maybe_unused]] std::string_view label, [[maybe_unused]] kvstrata::layer_index l,
                             [[maybe_unused]] bool writes)
{
  if constexpr (hstu::gpu::watches_pages<Runner>) {
    if (!on_.machine().watches()) return;
    std::vector<hstu::gpu::touched_bytes> at;
    for (const touched& t : writes ? written_ : read_) {
      at.push_back({t.in_layer_0.data + t.view->where.offset(l, 0), t.in_layer_0.bytes});
    }
    const std::span<const hstu::gpu::touched_bytes> none;
    on_.machine().touches(on_.stream, label, writes ? none : at, writes ? at : none);
  }
}

template <runner Runner>
void pass_rows<Runner>::embed()
{
  on_.device().copy(on_.stream, kvstrata::copy_direction::to_device, on_.arrays.data(), on_.host.data(), arrays_.bytes);
  embed_rows_kernel k;
  k.table = m_.tokens;
  k.tokens = on_.uploaded(arrays_.tokens);
  k.residual = {work(residual_), c_.hidden};
  k.width = c_.hidden;
  on_.launch("embed", k, 0, rows_);
}

template <runner Runner>
void pass_rows<Runner>::normalise(std::string_view label, const float* weight)
{
  hstu::gpu::with_row_kernel<rms_norm_kernel>(c_.hidden, [&](auto k) {
    k.residual = {work(residual_), c_.hidden};
    k.normal = {work(normal_), c_.hidden};
    k.weight = weight;
    k.width = c_.hidden;
    k.epsilon = c_.epsilon;
    on_.launch(label, k, 0, rows_);
  });
}

template <runner Runner>
void pass_rows<Runner>::multiply(std::string_view label, std::size_t columns, std::size_t inner, const section<bf16>& a,
                                 hstu::gpu::product p)
{
  p.rows = rows_;
  p.columns = columns;
  p.inner = inner;
  p.a = {work(a), inner};
  on_.machine().multiply(on_.stream, label, p);
}

template <runner Runner>
void pass_rows<Runner>::project(kvstrata::layer_index l, const kvstrata::page_table_view& to, bool keys_only)
{
  const device_layer_weights& w = m_.layers[l];
  const std::size_t skipped = keys_only ? width_ : 0;
  normalise("norm", w.attention_norm);
  hstu::gpu::product p;
  p.b = {w.project + skipped, 3 * width_};
  p.c = {work(projected_) + skipped, 3 * width_};
  multiply(keys_only ? "project K, V" : "project", 3 * width_ - skipped, c_.hidden, normal_, p);
  turn_rows_kernel k;
  k.projected = {work(projected_), 3 * width_};
  k.cosines = on_.uploaded(arrays_.cosines);
  k.sines = on_.uploaded(arrays_.sines);
  k.angles = on_.uploaded(arrays_.angles);
  k.slots = on_.uploaded(arrays_.slots);
  k.base = to.base + to.where.offset(l, 0);
  k.value_offset = to.value_offset();
  k.heads = c_.heads;
  k.head_dim = c_.head_dim;
  k.keys_only = keys_only;
  tell("turn", l, true);
  on_.launch("turn", k, 0, rows_);
}

template <runner Runner>
void pass_rows<Runner>::attend(kvstrata::layer_index l)
{
  stage_arguments a;
  a.queries = work(projected_);
  a.query_stride = 3 * width_;
  a.rows = rows_;
  a.heads = c_.heads;
  a.scale = std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(c_.head_dim));
  a.tile_count = tiles_;
  a.outputs = work(attended_);
  a.o = work(o_);
  a.lse = work(lse_);
  a.own = own_;
  if (own_ != 0) {
    a.scratch = kvstrata::layer_of(scratch_, l, on_.uploaded(arrays_.scratch_pages),
                                   kvstrata::page_origins{on_.uploaded(arrays_.scratch_origins)});
    a.requests = on_.uploaded(arrays_.requests);
    a.own_rows = on_.uploaded(arrays_.own_rows);
  }
  tell("attention", l, false);
  for (std::size_t part = 0; part < prompts_.size(); ++part) {
    const bool last_part = part + 1 == prompts_.size();
    const std::size_t requests = prompts_[part].size();
    a.tiles = on_.uploaded(arrays_.tiles) + part * tiles_;
    a.prompts = kvstrata::layer_of(prompts_[part], l, on_.uploaded(arrays_.prompt_pages),
                                   kvstrata::page_origins{on_.uploaded(arrays_.prompt_origins) + part * requests});
    a.seen = last_part && own_ == 0 ? on_.uploaded(arrays_.seen) : nullptr;
    a.continues = part != 0;
    a.last = last_part && own_ == 0;
    with_head_dim([&](auto dim) { on_.machine().launch(on_.stream, "shared stage", shared_stage_kernel<dim>{a}); });
  }
  if (own_ == 0) return;
  with_head_dim([&](auto dim) {
    own_stage_kernel<dim> own;
    own.last_row = a.rows * a.heads;
    own.a = a;
    on_.machine().launch(on_.stream, "own stage", own);
  });
}

template <runner Runner>
void pass_rows<Runner>::finish(kvstrata::layer_index l)
{
  const device_layer_weights& w = m_.layers[l];
  hstu::gpu::product output;
  output.b = {w.output, c_.hidden};
  output.sums = {work(residual_), c_.hidden};
  multiply("output", c_.hidden, width_, attended_, output);
  normalise("norm", w.ffn_norm);
  hstu::gpu::product gate_up;
  gate_up.b = {w.gate_up, 2 * std::size_t{c_.ffn}};
  gate_up.c = {work(gates_), 2 * std::size_t{c_.ffn}};
  multiply("gate and up", 2 * std::size_t{c_.ffn}, c_.hidden, normal_, gate_up);
  gate_rows_kernel k;
  k.gates = {work(gates_), 2 * std::size_t{c_.ffn}};
  k.activated = {work(activated_), c_.ffn};
  k.width = c_.ffn;
  on_.launch("gate", k, 0, rows_);
  hstu::gpu::product down;
  down.b = {w.down, c_.hidden};
  down.sums = {work(residual_), c_.hidden};
  multiply("down", c_.hidden, c_.ffn, activated_, down);
}

template <runner Runner>
void pass_rows<Runner>::logits(std::uint32_t level)
{
  if (rows_ == 0) return;
  const std::size_t codebook = c_.codebooks[level];
  const std::size_t bytes = logits_.count * sizeof(float);
  normalise("norm", m_.final_norm);
  auto* const at = reinterpret_cast<std::byte*>(work(logits_));
  on_.machine().zero(on_.stream, at, bytes);
  hstu::gpu::product p;
  p.b = {m_.heads[level], codebook};
  p.sums = {work(logits_), codebook};
  multiply("logits", codebook, c_.hidden, normal_, p);
  on_.device().copy(on_.stream, kvstrata::copy_direction::from_device, on_.host.data() + arrays_.bytes, at, bytes);
}

}  // namespace decoder::gpu
