// How MTGR's cases serve a batch: from which memory, and what they say of it.
#pragma once

#include "mtgr/model.hpp"
#include "replay/mtgr/load.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/plan/plan.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace replay {

struct mtgr_sizes
{
  kvstrata::token_count page_tokens = 32;
  std::uint64_t device_pages = 0;  ///< at least those of the largest batch
  std::uint64_t host_pages = 0;
  std::uint64_t batch_pages = 0;    ///< of the largest batch, with its candidates
  std::uint64_t scratch_pages = 0;  ///< the most candidates of a batch
  std::uint64_t all_pages = 0;      ///< all users at their largest: a cache without limits
};

/// Of this load with so many candidates a request, as the options say. A share is one of what is kept: candidates have pages
/// beside, so that how many there are does not decide who is. Throws kvstrata::config_error where the device cannot hold the
/// largest batch.
[[nodiscard]] mtgr_sizes choose_mtgr_sizes(const mtgr_options& o, const mtgr_load& load, std::uint32_t candidates);

struct mtgr_context
{
  const mtgr_load& load;
  const mtgr::model& model;
  const mtgr_features& features;
  mtgr_sizes sizes;
  kvstrata::link_model link;
  std::uint32_t candidates = 100;
};

/// What became of one turn.
struct mtgr_answer
{
  kvstrata::token_sources statics, recents, candidates;
  std::vector<float> logits;  ///< [candidate][task]
};

/// Tokens that another version of U and S made worthless, and that the cache forgot.
struct mtgr_superseded
{
  std::uint64_t statics = 0;  ///< of the versions themselves
  std::uint64_t recents = 0;  ///< of what stood on them
};

/// One case. One thread at a time.
class mtgr_way
{
 public:
  mtgr_way() = default;
  mtgr_way(const mtgr_way&) = delete;
  mtgr_way& operator=(const mtgr_way&) = delete;
  virtual ~mtgr_way() = default;

  /// Blocks until the batch is scored.
  virtual void serve(std::span<const mtgr_turn> batch, std::vector<mtgr_answer>& out) = 0;
  /// Blocks until nothing of it is under way.
  virtual void settle() {}
  [[nodiscard]] virtual mtgr_superseded superseded() const { return {}; }
};

/// The context must outlive it.
[[nodiscard]] std::unique_ptr<mtgr_way> make_way(const mtgr_context& c, mtgr_keeping keeping);

}  // namespace replay
