// What MTGR's cases serve: the replay's workload, each user's events cut into S and R.
#pragma once

#include "mtgr/flops.hpp"
#include "mtgr/model.hpp"
#include "replay/mtgr/options.hpp"
#include "replay/workload.hpp"

#include <kvstrata/core/interval.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace replay {

/// One user's part of a batch. S are the user's last events before the cut, R those since.
struct mtgr_turn
{
  const served_request* of = nullptr;     ///< who, when, which candidates
  std::uint64_t version = 0;              ///< of U and S, from 1 on
  std::uint32_t sequence_end = 0;         ///< events before the cut
  kvstrata::token_count recents = 0;      ///< tokens of R
  bool first_of_version = false;          ///< nobody could have U and S of it
  kvstrata::token_count new_recents = 0;  ///< of R, those that no earlier request of the version had
};

/// Candidates of a turn where a run scores `wanted` of each: no more than there are.
[[nodiscard]] inline kvstrata::token_count candidates_of(const mtgr_turn& t, std::uint32_t wanted)
{
  return static_cast<kvstrata::token_count>((std::min)(t.of->candidates.size(), std::size_t{wanted}));
}

struct mtgr_load
{
  mtgr_load() = default;
  mtgr_load(mtgr_load&&) = default;  // turns point into it
  mtgr_load& operator=(mtgr_load&&) = default;

  workload load;
  mtgr::config model;
  std::vector<std::vector<mtgr_turn>> batches;  ///< [batch of load][request]
  std::uint64_t versions = 0;                   ///< of all users: how often U and S must be computed
  std::uint64_t full = 0;                       ///< of these, those that are new because R was full

  [[nodiscard]] kvstrata::token_count static_tokens() const { return model.user_tokens + model.most_sequence; }
  /// What the turn costs if that much is computed.
  [[nodiscard]] mtgr::part_flops flops(const mtgr_turn& t, std::uint64_t candidates, kvstrata::token_count statics,
                                       kvstrata::token_count recents) const;
  /// Of all turns, where everything is computed, and where what an earlier request computed is served as long as its version
  /// holds. The quotient is what no cache can surpass.
  struct extremes
  {
    mtgr::part_flops whole, ideal;
    [[nodiscard]] double bound() const { return ideal.all() > 0 ? whole.all() / ideal.all() : 1; }
  };
  [[nodiscard]] extremes bounds(std::uint32_t candidates) const;
};

/// Reads or makes what the options ask for. Throws as make_workload().
[[nodiscard]] mtgr_load make_mtgr_load(const mtgr_options& o);

/// Vectors of features, seeded, in the place of embeddings: an item's, a user's, a pair's are the same whenever asked for.
class mtgr_features
{
 public:
  mtgr_features(const mtgr::config& c, std::uint64_t seed);

  [[nodiscard]] std::span<const float> item(std::uint64_t item, std::uint32_t action) const;
  [[nodiscard]] std::span<const float> profile(kvstrata::user_id user, std::uint32_t number) const;
  [[nodiscard]] std::span<const float> cross(kvstrata::user_id user, std::uint64_t item) const;

 private:
  struct table
  {
    std::vector<float> floats;
    std::size_t width = 0;
    [[nodiscard]] std::span<const float> row(std::uint64_t key) const;
  };
  static table made(std::size_t width, std::uint64_t seed);

  table items_, profiles_, crosses_;
};

/// A turn as the model is asked it. Keeps its memory; the request is valid until the next fill().
class mtgr_question
{
 public:
  /// With the features of what is to be computed; both lists must stay.
  [[nodiscard]] const mtgr::request& fill(const mtgr_load& load, const mtgr_features& features, const mtgr_turn& t,
                                          std::uint32_t candidates, std::span<const kvstrata::token_interval> statics,
                                          std::span<const kvstrata::token_interval> recents);
  [[nodiscard]] const mtgr::request& asked() const noexcept { return asked_; }

 private:
  std::vector<float> profile_, sequence_, recent_, candidates_;
  std::vector<std::int64_t> candidate_times_;
  mtgr::request asked_;
};

}  // namespace replay
