// What a serving_simulator tells those who look on: each batch with its requests, when they came and what was planned.
//
//   sim.run(next, options, [&](const served_batch& b) {
//     for (const served_request& r : b.requests) csv << r.arrived << ',' << b.ended - r.arrived << '\n';
//   });
//
// What it shows lives during the call. It is told of the warm-up, too. It must not use the simulator.
#pragma once

#include <kvstrata/core/levels.hpp>
#include <kvstrata/plan/request.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// One answer's plan, summed over its parts, but for scratch.
struct answer_sums
{
  by_level<token_count> served{};  ///< [level] tokens that came from it
  token_count computed = 0;
  token_count recomputed = 0;  ///< of the computed: a level had them
  bool unserved = false;       ///< larger than the slab: computed beside the cache
};

/// A request as it came.
struct served_request
{
  request asked{};
  double arrived = 0;      ///< on the device's clock; closed loop: when its batch had its turn
  std::size_t answer = 0;  ///< whose: an index into served_batch::answers, shared by the requests of one user
};

struct served_batch
{
  double began = 0;  ///< on the device's clock
  double ended = 0;
  bool warm_up = false;                      ///< it is not in the report
  std::uint32_t stream = 0;                  ///< which of the compute streams it was on
  std::span<const served_request> requests;  ///< as they came
  std::span<const answer_sums> answers;      ///< one a user
};

/// Looks at nothing, and costs nothing.
struct no_serving_observer
{
  constexpr void operator()(const served_batch&) const noexcept {}
};

template <class Observe>
concept serving_observer = std::invocable<Observe&, const served_batch&>;

template <class Observe>
inline constexpr bool observes_serving = !std::same_as<Observe, no_serving_observer>;

}  // namespace kvstrata
