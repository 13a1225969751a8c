// Who is measured, and what is asked of each: speed in multiples of the plain LRU's, instructions a request, bytes an
// object with the index and all that the policy remembers. Zero: nothing is asked.
#pragma once

#include "multi_index_lru.hpp"
#include "plain_lru.hpp"
#include "running_cache.hpp"

#include <kvstrata/replacement/arc.hpp>
#include <kvstrata/replacement/belady.hpp>
#include <kvstrata/replacement/clock.hpp>
#include <kvstrata/replacement/correlated_lru_k.hpp>
#include <kvstrata/replacement/fifo.hpp>
#include <kvstrata/replacement/gdsf.hpp>
#include <kvstrata/replacement/hyperbolic.hpp>
#include <kvstrata/replacement/lfu.hpp>
#include <kvstrata/replacement/lhd.hpp>
#include <kvstrata/replacement/lirs.hpp>
#include <kvstrata/replacement/locality.hpp>
#include <kvstrata/replacement/lrfu.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/lru_k.hpp>
#include <kvstrata/replacement/random.hpp>
#include <kvstrata/replacement/s3_fifo.hpp>
#include <kvstrata/replacement/sieve.hpp>
#include <kvstrata/replacement/slru.hpp>
#include <kvstrata/replacement/two_q.hpp>
#include <kvstrata/replacement/w_tiny_lfu.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include <memory>
#include <span>
#include <string_view>

namespace bench {

struct goal
{
  double speed = 0;
  double instructions = 0;
  double bytes = 0;
};

struct entrant
{
  std::string_view name;
  goal asked;
  std::unique_ptr<running_cache> (*make)(const kvstrata::tier_size&);
};

inline constexpr goal lean{.speed = 1.8, .instructions = 150, .bytes = 56};
inline constexpr goal as_fast{.speed = 1.0};
inline constexpr goal half_as_fast{.speed = 0.5};

template <class Policy>
[[nodiscard]] constexpr entrant of(std::string_view name, goal asked)
{
  return {name, asked, make_running<kvstrata::object_cache<Policy>>};
}

/// The plain LRU is the first.
[[nodiscard]] inline std::span<const entrant> entrants()
{
  static constexpr entrant all[] = {
      {"plain_lru", {}, make_running<plain_lru>},
      {"multi_index_lru", {}, make_running<multi_index_lru>},
      of<kvstrata::lru>("lru", lean),
      of<kvstrata::fifo>("fifo", lean),
      of<kvstrata::clock_sweep>("clock", lean),
      of<kvstrata::sieve>("sieve", lean),
      of<kvstrata::lfu>("lfu", as_fast),
      of<kvstrata::slru<>>("slru", as_fast),
      of<kvstrata::two_q>("two_q", as_fast),
      of<kvstrata::arc>("arc", as_fast),
      of<kvstrata::s3_fifo>("s3_fifo", as_fast),
      of<kvstrata::lirs>("lirs", half_as_fast),
      of<kvstrata::w_tiny_lfu>("w_tiny_lfu", half_as_fast),
      of<kvstrata::gdsf>("gdsf", half_as_fast),
      of<kvstrata::locality>("locality", half_as_fast),
      of<kvstrata::thorough_locality>("thorough_locality", {}),
      of<kvstrata::lru_k<>>("lru_k", {}),
      of<kvstrata::correlated_lru_k<>>("correlated_lru_k", {}),
      of<kvstrata::lrfu>("lrfu", {}),
      of<kvstrata::hyperbolic>("hyperbolic", {}),
      of<kvstrata::lhd>("lhd", {}),
      of<kvstrata::random_replacement>("random", {}),
      of<kvstrata::belady>("belady", {}),
  };
  return all;
}

}  // namespace bench
