// A scene in which requests have parts.
#pragma once

#include "cache/scene.hpp"

#include <kvstrata/plan/part.hpp>

#include <span>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Spaces: 0 histories, 1 static segments, 2 recent events, 3 what several read.
template <class Cache>
struct parts_bed : scene<Cache>
{
  using scene<Cache>::scene;
  using scene<Cache>::serve;

  [[nodiscard]] static kvstrata::part history(std::uint64_t id, kvstrata::token_count tokens)
  {
    return {.key = {0, id}, .tokens = tokens};
  }
  [[nodiscard]] static kvstrata::part statics(std::uint64_t id, std::uint64_t version, kvstrata::token_count tokens)
  {
    return {.key = {1, id}, .version = version, .tokens = tokens, .mode = kvstrata::part_mode::replace};
  }
  [[nodiscard]] static kvstrata::part appends(std::uint64_t id, kvstrata::token_count tokens)
  {
    return {.key = {2, id}, .tokens = tokens};
  }
  [[nodiscard]] static kvstrata::part reads(std::uint64_t id, kvstrata::token_count tokens)
  {
    return {.key = {3, id}, .tokens = tokens, .mode = kvstrata::part_mode::read};
  }
  [[nodiscard]] static kvstrata::part scratch(kvstrata::token_count tokens)
  {
    return {.tokens = tokens, .mode = kvstrata::part_mode::scratch};
  }
  /// The parts must outlive it.
  [[nodiscard]] kvstrata::request asks(std::uint64_t user, std::span<const kvstrata::part> parts) const
  {
    return {.user = kvstrata::user_id{user}, .epoch = this->epoch, .parts = parts};
  }
  [[nodiscard]] auto prepare(std::uint64_t user, const std::vector<kvstrata::part>& parts)
  {
    const kvstrata::request r = asks(user, parts);
    return this->cache.prepare({&r, 1}, this->compute);
  }
  [[nodiscard]] auto hold(std::uint64_t user, const std::vector<kvstrata::part>& parts)
  {
    return prepare(user, parts).value();
  }

  /// From beginning to end. Where the tokens of the first part, or of another, came from.
  kvstrata::token_sources serve(std::uint64_t user, const std::vector<kvstrata::part>& parts, std::size_t part = 0)
  {
    auto mine = hold(user, parts);
    const auto out = mine.sources(0, part);
    this->run_model(mine);
    mine.finish();
    return out;
  }
};

}  // namespace kvstrata_test
