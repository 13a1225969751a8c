// What kvstrata-sim size asks and answers.
#pragma once

#include <kvstrata/cache/memory_for.hpp>
#include <kvstrata/sharded/memory_for_shards.hpp>
#include <kvstrata/simulate/readers/any_source.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

/// Slab, arena and store.
inline constexpr std::array<std::string_view, 3> level_names{"slab", "arena", "store"};

struct size_question
{
  std::string layout = "hybrid";
  std::uint32_t page_tokens = 32;
  std::uint32_t chunk = 1024;
  std::uint32_t range = 0;  ///< 0: the longest history
  std::string writes = "token";
  std::uint32_t step = 0;
  std::uint32_t shards = 1;
  std::uint32_t batch = 8;
};

/// Throws kvstrata::config_error naming the option.
void check(const size_question& asked);

struct size_answer
{
  std::uint64_t users = 0;
  std::uint64_t tokens = 0;
  kvstrata::cache_need need;
  std::uint64_t page_table_bytes = 0;
};

/// Throws kvstrata::config_error where histories or sums do not fit.
[[nodiscard]] size_answer answer(const kvstrata::geometry& shape, const size_question& asked,
                                 std::span<const kvstrata::user_history> users);

/// Users from "4096" and "20480x2000". Throws kvstrata::config_error naming --lengths.
[[nodiscard]] std::vector<kvstrata::user_history> read_lengths(std::span<const std::string> texts);

/// The users of a trace, each with the longest history that an access tells, of at most `longest` tokens. Throws
/// kvstrata::error for a trace that tells no histories.
[[nodiscard]] std::vector<kvstrata::user_history> read_histories(kvstrata::any_source& source,
                                                                 std::uint32_t event_tokens, std::uint32_t longest);

}  // namespace sim
