// The steps of pass.hpp, which includes this.
#pragma once

#include "hstu/gpu/support.hpp"
#include "mtgr/gpu/pass.hpp"

namespace mtgr::gpu {

template <runner Runner>
pass<Runner>::pass(lane<Runner>& on, std::span<const request> batch, const part_views& views)
    : on_(on), m_(on.parameters), c_(on.parameters.options()), width_(width_of(c_)), plan_(on.plan), views_(views)
{
  check_batch(c_, bf16_geometry_of(c_), batch, views);
  hstu::gpu::check_pages(views.statics);
  on.await_turn();
  const std::size_t rows = hstu::gpu::attention_tile_rows;
  on.plan.assign(c_, batch, views.statics.page_tokens, {rows, rows, 1});
  arrays_ = upload_layout(c_, plan_, batch, views);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    longest_ = (std::max)(longest_, plan_.recent_begin[i] + batch[i].recent_tokens);
    gaps_ = gaps_ || plan_.recent_begin[i] != batch[i].static_tokens;
  }
  reserve();
  arrays_.fill(on.host.data(), c_, plan_, batch, views);
  if constexpr (hstu::gpu::watches_pages<Runner>) {
    if (on.machine().watches()) {
      const std::size_t bytes = views.statics.shape.key_bytes();
      const auto add = [bytes](std::vector<hstu::gpu::touched_bytes>& to, const kvstrata::page_table_view& view,
                               std::size_t request, std::uint32_t token) {
        const std::byte* const key = view.key(0, request, token);
        to.push_back({key, bytes});
        to.push_back({key + view.value_offset(), bytes});
      };
      for (std::size_t row = 0; row < plan_.page_rows; ++row) {
        add(written_, plan_.is_static(row) ? views.statics : views.recents, plan_.requests[row], plan_.tokens[row]);
      }
      for (std::size_t i = 0; i < batch.size(); ++i) {
        for (std::uint32_t t = 0; t < batch[i].static_tokens; ++t) add(read_, views.statics, i, t);
        for (std::uint32_t t = 0; t < batch[i].recent_tokens; ++t) add(read_, views.recents, i, t);
      }
    }
  }
  on.taken = true;
}

template <runner Runner>
void pass<Runner>::reserve()
{
  const std::size_t host = arrays_.bytes + candidates() * tasks * sizeof(float);
  on_.host.reserve(on_.device(), true, (std::max)(host, std::size_t{1}), "mtgr pass, host");
  on_.arrays.reserve(on_.device(), false, (std::max)(host, std::size_t{1}), "mtgr pass, device");
  std::size_t bytes = 0;
  const auto take = [&bytes](std::size_t some) {
    const std::size_t at = bytes;
    bytes += (some + 255) / 256 * 256;
    return at;
  };
  const std::size_t rows = plan_.rows;
  const auto sums = [this](const section<hstu::query_tile>& tiles) {
    return hstu::gpu::part_floats(tiles.count == 0 ? 1 : parts_of(tiles), tiles.count, width_);
  };
  const std::size_t residual = take(rows * c_.hidden * sizeof(float));
  const std::size_t normal = take(rows * c_.hidden * sizeof(bf16));
  const std::size_t projected = take(rows * 4 * width_ * sizeof(bf16));
  const std::size_t attended = take(rows * width_ * sizeof(bf16));
  const std::size_t inner =
      take(rows * (std::max)(c_.token_hidden, std::uint32_t{tasks} * c_.head_hidden) * sizeof(bf16));
  const std::size_t parts = take((std::max)(sums(arrays_.tiles), sums(arrays_.candidate_tiles)) * sizeof(float));
  std::byte* const base = on_.work.reserve(on_.device(), false, (std::max)(bytes, std::size_t{1}), "mtgr workspaces");
  residual_ = reinterpret_cast<float*>(base + residual);
  normal_ = reinterpret_cast<bf16*>(base + normal);
  projected_ = reinterpret_cast<bf16*>(base + projected);
  attended_ = reinterpret_cast<bf16*>(base + attended);
  inner_ = reinterpret_cast<bf16*>(base + inner);
  part_sums_ = reinterpret_cast<float*>(base + parts);
  if constexpr (requires { on_.device().poison(on_.stream, base, bytes); }) {
    if (bytes != 0) on_.device().poison(on_.stream, base, bytes);
  }
}

template <runner Runner>
void pass<Runner>::require_turn(std::uint32_t step, std::string_view call) const
{
  if (next_ == step) return;
  throw kvstrata::usage_error(std::string(call) + " was called, but " +
                              (next_ == 0                ? std::string("embed() comes first")
                               : next_ <= c_.layers      ? "layer " + std::to_string(next_ - 1) + " is next"
                               : next_ == c_.layers + 1u ? std::string("head() is next")
                                                         : std::string("the pass is finished")));
}

// Rows [first, last) of a and c, or a and sums, which p gives by their row 0.
template <runner Runner>
void pass<Runner>::multiply(std::string_view label, std::size_t first, std::size_t last, std::size_t columns,
                            std::size_t inner, hstu::gpu::product p)
{
  if (first == last) return;
  p.rows = last - first;
  p.columns = columns;
  p.inner = inner;
  p.a.data = p.a.row(first);
  if (p.c.data != nullptr) p.c.data = p.c.row(first);
  else p.sums.data = p.sums.row(first);
  on_.machine().multiply(on_.stream, label, p);
}

template <runner Runner>
void pass<Runner>::tell([[maybe_unused]] std::string_view label, [[maybe_unused]] kvstrata::layer_index l,
                        [[maybe_unused]] bool writes)
{
  if constexpr (hstu::gpu::watches_pages<Runner>) {
    if (!on_.machine().watches()) return;
    std::vector<hstu::gpu::touched_bytes> at = writes ? written_ : read_;
    const std::uint64_t skip = views_.statics.where.offset(l, 0);
    for (hstu::gpu::touched_bytes& one : at) one.data += skip;
    const std::span<const hstu::gpu::touched_bytes> none;
    on_.machine().touches(on_.stream, label, writes ? none : at, writes ? at : none);
  }
}

template <runner Runner>
void pass<Runner>::embed()
{
  require_turn(0, "embed()");
  on_.device().copy(on_.stream, kvstrata::copy_direction::to_device, on_.arrays.data(), on_.host.data(), arrays_.bytes);
  if (plan_.rows != 0) {
    on_.machine().zero(on_.stream, reinterpret_cast<std::byte*>(residual_), plan_.rows * c_.hidden * sizeof(float));
  }
  const std::size_t inner = c_.token_hidden;
  for (std::size_t d = 0; d < domains; ++d) {
    const std::size_t first = plan_.begin[d];
    const std::size_t last = plan_.begin[d + 1];
    if (first == last) continue;
    const std::size_t features = features_of(c_, domain(d));
    const device_token_weights& w = m_.tokens[d];
    hstu::gpu::product in;
    in.a = {on_.uploaded(arrays_.features[d]), features};
    in.b = {w.in, inner};
    in.c = {inner_ + first * inner, inner};
    multiply("token in", 0, last - first, inner, features, in);
    token_kernel k;
    k.inner = {inner_, inner};
    k.bias = w.in_bias;
    k.bias_rows = domain(d) == domain::user ? on_.uploaded(arrays_.tokens) : nullptr;
    k.width = c_.token_hidden;
    on_.launch("token bias and silu", k, first, last);
    hstu::gpu::product out;
    out.a = {inner_, inner};
    out.b = {w.out, c_.hidden};
    out.sums = {residual_, c_.hidden};
    multiply("token out", first, last, c_.hidden, inner, out);
    hstu::gpu::add_row_kernel add;
    add.residual = {residual_, c_.hidden};
    add.bias = w.out_bias;
    add.width = c_.hidden;
    on_.launch("token bias", add, first, last);
  }
  next_ = 1;
}

template <runner Runner>
void pass<Runner>::layer(kvstrata::layer_index l)
{
  require_turn(l + 1, "layer(" + std::to_string(l) + ")");
  const bool last = l + 1 == c_.layers;
  const std::size_t whole = last ? plan_.page_rows : 0;  // rows in front have K and V alone
  if (plan_.rows != 0) {
    project(l, whole);
    if (whole < plan_.rows) {
      attend(l, last ? arrays_.candidate_tiles : arrays_.tiles);
      gate_and_add(l, whole);
    }
  }
  ++next_;
}

template <runner Runner>
void pass<Runner>::project(kvstrata::layer_index l, std::size_t whole)
{
  const device_layer_weights& w = m_.layers[l];
  hstu::gpu::with_row_kernel<group_normalise_kernel>(c_.hidden, [&](auto k) {
    k.residual = {residual_, c_.hidden};
    k.normal = {normal_, c_.hidden};
    k.groups = groups(w.input_gain, w.input_bias);
    k.width = c_.hidden;
    k.epsilon = c_.epsilon;
    on_.launch("group norm", k, 0, plan_.rows);
  });
  hstu::gpu::product p;
  p.a = {normal_, c_.hidden};
  p.b = {w.project + 2 * width_, 4 * width_};
  p.c = {projected_ + 2 * width_, 4 * width_};
  multiply("project K, V", 0, whole, 2 * width_, c_.hidden, p);
  p.b = {w.project, 4 * width_};
  p.c = {projected_, 4 * width_};
  multiply("project", whole, plan_.rows, 4 * width_, c_.hidden, p);
  hstu::gpu::activate_trained_kernel k;
  k.projected = {projected_, 4 * width_};
  k.slots = on_.uploaded(arrays_.slots);
  k.base = views_.statics.base + views_.statics.where.offset(l, 0);
  k.value_offset = views_.statics.value_offset();
  k.first_whole = static_cast<std::uint32_t>(whole);
  k.first_candidate = static_cast<std::uint32_t>(plan_.page_rows);
  k.width = static_cast<std::uint32_t>(width_);
  k.bias = w.project_bias;
  tell("activate", l, true);
  on_.launch("activate", k, 0, plan_.rows);
}

template <runner Runner>
void pass<Runner>::attend(kvstrata::layer_index l, const section<hstu::query_tile>& tiles)
{
  const std::size_t candidate = plan_.page_rows * 4 * width_;
  hstu::gpu::attention_arguments a;
  a.queries = {projected_ + width_, 4 * width_};
  a.outputs = {attended_, width_};
  a.candidate_keys = {projected_ + candidate + 2 * width_, 4 * width_};
  a.candidate_values = {projected_ + candidate + 3 * width_, 4 * width_};
  a.pages.page_ids = on_.uploaded(arrays_.page_ids);
  a.pages.indptr = on_.uploaded(arrays_.indptr);
  a.pages.base = views_.statics.base + views_.statics.where.offset(l, 0);
  a.pages.page_stride = views_.statics.where.page_stride;
  a.pages.page_tokens = views_.statics.page_tokens;
  a.pages.width = static_cast<std::uint32_t>(width_);
  a.pages.gaps = gaps_ ? on_.uploaded(arrays_.gaps) : nullptr;
  a.tiles = on_.uploaded(tiles);
  a.tile_rows = on_.uploaded(arrays_.tile_rows);
  a.visible = on_.uploaded(arrays_.visible);
  a.positions = on_.uploaded(arrays_.positions);
  a.tile_count = static_cast<std::uint32_t>(tiles.count);
  a.first_candidate = static_cast<std::uint32_t>(plan_.page_rows);
  a.heads = c_.heads;
  a.factor = 1.0f / static_cast<float>(normaliser_of(c_));
  a.parts = parts_of(tiles);
  a.part_sums = part_sums_;
  tell("attention", l, false);
  on_.machine().attend(on_.stream, "attention", a, c_.head_dim);
}

template <runner Runner>
void pass<Runner>::gate_and_add(kvstrata::layer_index l, std::size_t first)
{
  const device_layer_weights& w = m_.layers[l];
  hstu::gpu::with_row_kernel<group_gate_kernel>(static_cast<std::uint32_t>(width_), [&](auto k) {
    k.attended = {attended_, width_};
    k.gate = {projected_, 4 * width_};
    k.groups = groups(w.gated_gain, w.gated_bias);
    k.width = static_cast<std::uint32_t>(width_);
    k.epsilon = c_.epsilon;
    on_.launch("gate and group norm", k, first, plan_.rows);
  });
  hstu::gpu::product p;
  p.a = {attended_, width_};
  p.b = {w.output, c_.hidden};
  p.sums = {residual_, c_.hidden};
  multiply("output", first, plan_.rows, c_.hidden, width_, p);
  hstu::gpu::add_row_kernel k;
  k.residual = {residual_, c_.hidden};
  k.bias = w.output_bias;
  k.width = c_.hidden;
  on_.launch("output bias", k, first, plan_.rows);
}

template <runner Runner>
void pass<Runner>::head()
{
  require_turn(c_.layers + 1, "head()");
  if (candidates() != 0) {
    const std::size_t first = plan_.page_rows;
    const std::size_t towers = tasks * c_.head_hidden;
    hstu::gpu::with_row_kernel<hstu::gpu::normalise_kernel>(c_.hidden, [&](auto k) {
      k.residual = {residual_, c_.hidden};
      k.normal = {normal_, c_.hidden};
      k.width = c_.hidden;
      k.epsilon = c_.epsilon;
      on_.launch("norm", k, first, plan_.rows);
    });
    hstu::gpu::product p;
    p.a = {normal_ + first * c_.hidden, c_.hidden};
    p.b = {m_.head_in, towers};
    p.c = {inner_, towers};
    multiply("head", 0, candidates(), towers, c_.hidden, p);
    tower_kernel k;
    k.towers = {inner_, towers};
    k.bias = m_.head_in_bias;
    k.out = m_.head_out;
    k.out_bias = m_.head_out_bias;
    k.logits = reinterpret_cast<float*>(on_.arrays.data() + arrays_.bytes);
    k.width = c_.head_hidden;
    on_.launch("towers", k, 0, candidates());
    on_.device().copy(on_.stream, kvstrata::copy_direction::from_device, on_.host.data() + arrays_.bytes,
                      on_.arrays.data() + arrays_.bytes, candidates() * tasks * sizeof(float));
  }
  on_.last = on_.device().record(on_.stream);
  ++next_;
}

}  // namespace mtgr::gpu
