// The steps of pass.hpp, which includes this.
#pragma once

#include "hstu/gpu/pass.hpp"

namespace hstu::gpu {

template <runner Runner>
pass<Runner>::state::state(lane<Runner>& l, std::span<const request> requests, const kvstrata::page_table_view& table,
                           fronts treated)
    : on(l), options(l.parameters().options()), view(table), how(treated)
{
  check_batch(options, on.parameters().shape(), requests, view);
  check_pages(view);
  for (const request& r : requests) longest = (std::max)(longest, r.history - r.first_token);
  use = on.take();
  try {
    use->plan.assign(options, requests, how, {attention_tile_rows, attention_tile_rows, 1});
    arrays = upload_layout(options, plan(), requests, view);
    wants_states = options.tasks == 0 || plan().first_last.back() != 0;
    use->host.reserve(on.device(), true, bytes(), "pass, on the host");
    use->device.reserve(on.device(), false, bytes(), "pass, on the device");
  } catch (...) {
    on.put(std::move(use));
    throw;
  }
  arrays.fill(use->host.data(), options, plan(), requests, view);
}

template <runner Runner>
pass<Runner>::state::~state()
{
  if (entered) {
    try {
      use->last = on.leave();
    } catch (...) {  // the device has failed, and nothing runs on it any more
    }
  }
  on.put(std::move(use));
}

template <runner Runner>
void pass<Runner>::state::embed()
{
  if (step != steps::planned) throw kvstrata::usage_error("embed() was called a second time");
  on.enter(use.get());
  entered = true;
  work = on.reserve(plan().rows, rows_behind(),
                    (std::max)({floats_of_parts(arrays.front_tiles), floats_of_parts(arrays.tiles),
                                floats_of_parts(arrays.candidate_tiles)}));
  on.poison(use->device.data(), use->device.size());
  on.queue_small(kvstrata::copy_direction::to_device, use->device.data(), use->host.data(), arrays.bytes);
  step = steps::layers;
  if (options.inputs == token_inputs::by_caller) {  // they are the first residual, where they lie
    work.residual = arrays.inputs.in(use->device.data()).data();
    return;
  }
  const auto& weights = on.parameters().parameters();
  embed_kernel k;
  detail::give_rows(k, 0, plan().rows);
  k.items = weights.items;
  k.actions = weights.actions;
  k.position_rows = weights.positions;
  k.tokens = uploaded(arrays.tokens);
  k.positions = uploaded(arrays.position_rows);
  k.residual = {work.residual, options.hidden};
  k.hidden = options.hidden;
  on.machine().launch(on.stream(), "embed", k);
}

template <runner Runner>
void pass<Runner>::state::require_turn(kvstrata::layer_index l, const char* call) const
{
  if (step == steps::layers && l == next_layer && l < options.layers) return;
  throw kvstrata::usage_error(std::string(call) + "(" + std::to_string(l) + ") was called, but " +
                              (step == steps::planned         ? std::string("embed() comes first")
                               : step == steps::finished      ? std::string("the pass is finished")
                               : next_layer == options.layers ? std::string("head() is next")
                                                              : "layer " + std::to_string(next_layer) + " is next"));
}

template <runner Runner>
void pass<Runner>::state::front(kvstrata::layer_index l)
{
  require_turn(l, "front");
  if (how != fronts::apart) {
    throw kvstrata::usage_error("front(" + std::to_string(l) +
                                ") was called, but this pass computes fronts together with the rest; construct it with "
                                "fronts::apart");
  }
  if (front_done) throw kvstrata::usage_error("front(" + std::to_string(l) + ") was called a second time");
  compute(l, 0, plan().front_rows, arrays.front_tiles);
  front_done = true;
}

template <runner Runner>
void pass<Runner>::state::layer(kvstrata::layer_index l)
{
  require_turn(l, "layer");
  if (!front_done) compute(l, 0, plan().front_rows, arrays.front_tiles);
  compute(l, plan().front_rows, plan().rows, l + 1 == options.layers ? arrays.candidate_tiles : arrays.tiles);
  front_done = false;
  ++next_layer;
}

// One layer of the rows [first, last).
template <runner Runner>
void pass<Runner>::state::compute(kvstrata::layer_index l, std::size_t first, std::size_t last,
                                  const section<query_tile>& tiles)
{
  if (first == last) return;
  project(l, first, last);
  const std::size_t whole = l + 1 == options.layers ? (std::max)(first, plan().history_rows) : first;
  if (whole >= last) return;
  attend(l, tiles);
  const device_layer_weights& w = on.parameters().parameters().layers[l];
  gate(w, whole, last);
  product p;
  p.rows = last - whole;
  p.columns = options.hidden;
  p.inner = width;
  p.a = {work.attended + whole * width, width};
  p.b = {w.output, options.hidden};
  p.sums = {work.residual + whole * options.hidden, options.hidden};
  on.machine().multiply(on.stream(), "output", p);
  if (w.output_bias == nullptr) return;
  add_row_kernel k;
  detail::give_rows(k, whole, last);
  k.residual = {work.residual, options.hidden};
  k.bias = w.output_bias;
  k.width = options.hidden;
  on.machine().launch(on.stream(), "output bias", k);
}

// U and Q of all rows that attend, K and V of all; those of history rows into the pages.
template <runner Runner>
void pass<Runner>::state::project(kvstrata::layer_index l, std::size_t first, std::size_t last)
{
  const bf16* matrix = on.parameters().parameters().layers[l].project;
  const std::size_t whole = l + 1 == options.layers ? (std::min)((std::max)(first, plan().history_rows), last) : first;
  normalise(first, last);
  const rows_of<const bf16> from{work.normal, options.hidden};
  multiply("project K, V", 2 * width, options.hidden, first, whole, from, {matrix + 2 * width, 4 * width},
           {work.projected + 2 * width, 4 * width});
  multiply("project", 4 * width, options.hidden, whole, last, from, {matrix, 4 * width}, {work.projected, 4 * width});
  activate(l, first, whole, last);
}

template <runner Runner>
void pass<Runner>::state::attend(kvstrata::layer_index l, const section<query_tile>& tiles)
{
  const device_layer_weights& w = on.parameters().parameters().layers[l];
  const std::size_t candidate = plan().history_rows * 4 * width;
  attention_arguments a;
  a.queries = {work.projected + width, 4 * width};
  a.outputs = {work.attended, width};
  a.candidate_keys = {work.projected + candidate + 2 * width, 4 * width};
  a.candidate_values = {work.projected + candidate + 3 * width, 4 * width};
  a.pages.page_ids = uploaded(arrays.page_ids);
  a.pages.indptr = uploaded(arrays.indptr);
  a.pages.hidden = uploaded(arrays.hidden);
  a.pages.base = view.base + view.where.offset(l, 0);
  a.pages.page_stride = view.where.page_stride;
  a.pages.page_tokens = view.page_tokens;
  a.pages.width = static_cast<std::uint32_t>(width);
  a.bias.by_distance = w.position_bias;
  a.bias.distances = options.position_buckets;
  if (options.time_buckets != 0) {
    a.bias.by_time = w.time_bias;
    a.bias.times = options.time_buckets;
    a.bias.least_seconds = on.parameters().parameters().least_seconds;
    a.bias.event_times = uploaded(arrays.event_times);
    a.bias.first_event = uploaded(arrays.first_event);
    a.bias.row_times = uploaded(arrays.row_times);
    if (arrays.own_buckets.count != 0) a.bias.own_buckets = uploaded(arrays.own_buckets);
  }
  a.tiles = uploaded(tiles);
  a.tile_rows = uploaded(arrays.tile_rows);
  a.visible = uploaded(arrays.positions);  // and their own keys follow these
  a.tile_count = static_cast<std::uint32_t>(tiles.count);
  a.first_candidate = static_cast<std::uint32_t>(plan().history_rows);
  a.heads = options.heads;
  a.factor = 1.0f / static_cast<float>(normaliser_of(options));
  a.parts = parts_of(tiles);
  a.part_sums = work.parts;
  tell(
      "attention", [&] { return bytes_of_tiles(known_view(), l, plan(), tiles.in(use->host.data())); },
      [&] { return std::vector<touched_bytes>(); });
  on.machine().attend(on.stream(), "attention", a, options.head_dim);
}

// Tells a runner that watches which bytes of the pages the next kernel touches.
template <runner Runner>
template <class Reads, class Writes>
void pass<Runner>::state::tell([[maybe_unused]] std::string_view label, [[maybe_unused]] Reads&& reads,
                               [[maybe_unused]] Writes&& writes)
{
  if constexpr (watches_pages<Runner>) {
    if (on.machine().watches()) on.machine().touches(on.stream(), label, reads(), writes());
  }
}

// The view, with its arrays where they were copied to.
template <runner Runner>
kvstrata::page_table_view pass<Runner>::state::known_view() const
{
  kvstrata::page_table_view out = view;
  std::byte* const base = use->host.data();
  out.page_ids = {reinterpret_cast<const kvstrata::page_id*>(base + arrays.page_ids.offset), arrays.page_ids.count};
  out.indptr = arrays.indptr.in(base);
  out.first_tokens = arrays.first_tokens.in(base);
  out.last_page_len = {static_cast<const std::int32_t*>(nullptr),
                       arrays.indptr.count - 1};  // only its length is asked for
  return out;
}

// c = a b for the rows [first, last) of a and c.
template <runner Runner>
void pass<Runner>::state::multiply(std::string_view label, std::size_t columns, std::size_t inner, std::size_t first,
                                   std::size_t last, rows_of<const bf16> a, rows_of<const bf16> b, rows_of<bf16> c)
{
  if (first == last) return;
  product p;
  p.rows = last - first;
  p.columns = columns;
  p.inner = inner;
  p.a = {a.row(first), a.stride};
  p.b = b;
  p.c = {c.row(first), c.stride};
  on.machine().multiply(on.stream(), label, p);
}

}  // namespace hstu::gpu
