// What a request of a decoder asks of the cache: its prompt, and scratch for its beams.
#pragma once

#include "decoder/prompt_forward.hpp"

#include <kvstrata/core/ids.hpp>
#include <kvstrata/plan/part.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace decoder {

/// Numbers of the parts: lease.view(prompt_part), lease.view(scratch_part).
inline constexpr std::size_t prompt_part = 0, scratch_part = 1;

/// The parts of a request whose prompt is `prompt`: an append part, a history that grows; or a read part, where several
/// requests have the same one. Scratch has as many tokens as the search says (beam_search::scratch_rows()): its pages are
/// reserved when the lease is planned, or the lease is refused with the numbers; nobody evicts them, and they go with
/// the lease.
[[nodiscard]] inline std::array<kvstrata::part, 2> beam_parts(const kvstrata::part& prompt, std::uint32_t scratch_rows)
{
  return {prompt, kvstrata::part{.tokens = scratch_rows, .mode = kvstrata::part_mode::scratch}};
}

/// The same with a prompt in two parts: `front`, which is read by the requests that share it, and a history behind it, which stands on
/// it (part_mode::append). They are parts 0 and 1 of the lease, scratch is part 2.
[[nodiscard]] inline std::array<kvstrata::part, 3> beam_parts(const kvstrata::part& front,
                                                              const kvstrata::part& history, std::uint32_t scratch_rows)
{
  return {front, history, kvstrata::part{.tokens = scratch_rows, .mode = kvstrata::part_mode::scratch}};
}

/// Computes what a lease's prompts lack, layer by layer as they arrive, on the calling thread. Behind it the pages of all
/// parts may be used by this thread until the lease is released: every layer has been waited for. Prompt r of `pass` is
/// request r of the lease.
template <class Lease>
void compute_prompts(prompt_forward& pass, std::uint32_t layers, Lease& lease)
{
  pass.embed();
  for (std::uint32_t l = 0; l < layers; ++l) {
    lease.wait_sync(l);
    pass.layer(l);
    lease.layer_done(l);
  }
}

}  // namespace decoder
