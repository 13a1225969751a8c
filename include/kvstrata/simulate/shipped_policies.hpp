// The menu of all replacement policies that ship. Compiling it takes a while (six caches a policy), so a
// program includes it in one file. docs/policies.md says more about each.
#pragma once

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
#include <kvstrata/simulate/policy_menu.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Adds those that keep the objects in queues and nothing else.
inline void add_queue_policies(policy_menu& menu)
{
  menu.add<lru>("lru", "least recently used")
      .add<fifo>("fifo", "first in, first out")
      .add<clock_sweep>("clock", "FIFO that spares once whoever was used")
      .add<sieve>("sieve", "FIFO whose hand leaves whoever was used where they are")
      .add<lfu>("lfu", "least frequently used; the longest in its class first")
      .add<slru<>>("slru", "four segments of LRU; a use promotes by one")
      .add<random_replacement>("random", "anybody");
}

/// Adds those that remember who left.
inline void add_ghost_policies(policy_menu& menu)
{
  menu.add<two_q>("two_q", "FIFO for newcomers, LRU for those who came back")
      .add<arc>("arc", "recency and frequency, balanced by the ghosts that come back")
      .add<lirs>("lirs", "by the distance of the last two uses")
      .add<s3_fifo>("s3_fifo", "three FIFO queues; one-timers leave early")
      .add<lru_k<>>("lru_k", "by the last use but one")
      .add<correlated_lru_k<>>("correlated_lru_k", "the same; uses in quick succession count as one")
      .add<lrfu>("lrfu", "by the sum of all uses, each halved as it ages");
}

/// Adds those that weigh objects.
inline void add_weighing_policies(policy_menu& menu)
{
  menu.add<w_tiny_lfu>("w_tiny_lfu", "a small LRU window, then whoever a sketch finds more frequent")
      .add<gdsf>("gdsf", "frequency x cost / bytes, with ageing")
      .add<hyperbolic>("hyperbolic", "uses x cost / bytes for the time here, of a sample")
      .add<lhd>("lhd", "hits to be expected for bytes and time, of a sample")
      .add<locality>("locality", "by when users return, as their visits tell; made for recommendation")
      .add<thorough_locality>("thorough_locality", "locality that looks and learns more, for more time")
      .add<belady>("belady", "the farthest next use first: the optimum for unit sizes", true);
}

[[nodiscard]] inline policy_menu shipped_policies()
{
  policy_menu menu;
  add_queue_policies(menu);
  add_ghost_policies(menu);
  add_weighing_policies(menu);
  return menu;
}

}  // namespace kvstrata
