// What the steps of pass.hpp, which includes this, do with rows between the products.
#pragma once

#include "hstu/gpu/pass.hpp"

namespace hstu::gpu {

namespace detail {

template <class Kernel>
void give_rows(Kernel& k, std::size_t first, std::size_t last)
{
  k.first_row = static_cast<std::uint32_t>(first);
  k.last_row = static_cast<std::uint32_t>(last);
}

}  // namespace detail

template <runner Runner>
void pass<Runner>::state::normalise(std::size_t first, std::size_t last)
{
  with_row_kernel<normalise_kernel>(options.hidden, [&](auto k) {
    detail::give_rows(k, first, last);
    k.residual = {work.residual, options.hidden};
    k.normal = {work.normal, options.hidden};
    k.width = options.hidden;
    k.epsilon = options.epsilon;
    on.machine().launch(on.stream(), "normalise", k);
  });
}

template <runner Runner>
void pass<Runner>::state::activate(kvstrata::layer_index l, std::size_t first, std::size_t whole, std::size_t last)
{
  const float* const bias = on.parameters().parameters().layers[l].project_bias;
  const auto launch = [&](auto k) {
    detail::give_rows(k, first, last);
    k.projected = {work.projected, 4 * width};
    k.slots = uploaded(arrays.slots);
    k.base = view.base + view.where.offset(l, 0);
    k.value_offset = view.value_offset();
    k.first_whole = static_cast<std::uint32_t>(whole);
    k.first_candidate = static_cast<std::uint32_t>(plan().history_rows);
    k.width = static_cast<std::uint32_t>(width);
    k.bias = bias;
    k.alpha = options.alpha;
    k.gates_only = options.silu == activated::gates_only;
    on.machine().launch(on.stream(), "activate", k);
  };
  tell(
      "activate", [&] { return std::vector<touched_bytes>(); },
      [&] {
        return bytes_of_rows(known_view(), l, arrays.slots.in(use->host.data()), first,
                             (std::min)(last, plan().history_rows));
      });
  if (bias == nullptr && options.alpha == 1 && options.silu == activated::all) launch(activate_kernel());
  else launch(activate_trained_kernel());
}

// Normalised, as the layer asks for, and times U.
template <runner Runner>
void pass<Runner>::state::gate(const device_layer_weights& w, std::size_t first, std::size_t last)
{
  const auto launch = [&](auto k) {
    detail::give_rows(k, first, last);
    k.attended = {work.attended, width};
    k.gate = {work.projected, 4 * width};
    k.weight = w.output_norm_weight;
    k.bias = w.output_norm_bias;
    k.width = static_cast<std::uint32_t>(width);
    k.epsilon = options.epsilon;
    on.machine().launch(on.stream(), "gate", k);
  };
  const bool affine = w.output_norm_weight != nullptr || w.output_norm_bias != nullptr;
  if (affine) with_row_kernel<normalise_affine_gate_kernel>(static_cast<std::uint32_t>(width), launch);
  else with_row_kernel<normalise_gate_kernel>(static_cast<std::uint32_t>(width), launch);
}

}  // namespace hstu::gpu
