#include "sim/size_run.hpp"

#include <kvstrata/books/level_set.hpp>
#include <kvstrata/cache/cache_config.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/tiers/memory_store.hpp>
#include <kvstrata/tiers/tier_stack.hpp>
#include <kvstrata/transfer/split_policy.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <functional>
#include <system_error>
#include <utility>

namespace sim {
namespace {

using namespace kvstrata;

constexpr std::uint64_t most_users = std::uint64_t{1} << 28U;

/// As much of a cache as memory_for asks for.
template <class Layout, class Writes>
struct cache_of
{
  using tiers_type = tier_stack<device_slab<emulated_device>, pinned_arena<Writes>, memory_store<>>;
  using config = cache_config<tiers_type, Layout, always_fetch>;
  using entry_type = typename level_set<tiers_type, lru, Layout>::entry_type;
};

template <class Cache>
cache_need need_of(const geometry& shape, decltype(Cache::config::layout) layout, const size_question& asked,
                   std::span<const user_history> users)
{
  const typename Cache::config config{.shape = shape, .layout = layout};
  if (asked.shards > 1) return memory_for_shards<Cache>(config, users, asked.shards, asked.step);
  std::vector<history_count> lengths;
  for (const user_history& u : users) {
    if (!lengths.empty() && lengths.back().tokens == u.tokens) ++lengths.back().users;
    else lengths.push_back({.tokens = u.tokens});
  }
  return memory_for<Cache>(config, lengths, asked.step);
}

template <class Layout>
cache_need need_with(const geometry& shape, const Layout& layout, const size_question& asked,
                     std::span<const user_history> users)
{
  if (asked.writes == "token") return need_of<cache_of<Layout, token_write_through>>(shape, layout, asked, users);
  if (asked.writes == "page") return need_of<cache_of<Layout, page_write_through>>(shape, layout, asked, users);
  if (asked.writes == "chunk") return need_of<cache_of<Layout, chunk_write_through>>(shape, layout, asked, users);
  return need_of<cache_of<Layout, write_back>>(shape, layout, asked, users);
}

template <class... Names>
void require_one_of(const char* option, const std::string& value, const char* all, Names... names)
{
  if (!((value == names) || ...)) throw config_error(option, "'" + value + "'", std::string("it must be ") + all);
}

}  // namespace

void check(const size_question& asked)
{
  require_one_of("--layout", asked.layout, "hybrid, paged or contiguous", "hybrid", "paged", "contiguous");
  require_one_of("--writes", asked.writes, "token, page, chunk or back", "token", "page", "chunk", "back");
  if (asked.shards == 0) throw config_error("--shards", asked.shards, "there must be at least one");
  if (asked.shards > 4096) throw config_error("--shards", asked.shards, "it may be at most 4096");
  if (asked.batch == 0) throw config_error("--batch", asked.batch, "it must be at least 1");
  if (asked.page_tokens == 0) throw config_error("--page-tokens", asked.page_tokens, "it must be at least 1");
}

size_answer answer(const geometry& shape, const size_question& asked, std::span<const user_history> users)
{
  size_answer out;
  std::vector<user_history> sorted(users.begin(), users.end());
  std::sort(sorted.begin(), sorted.end(), [](const user_history& a, const user_history& b) {
    return a.tokens != b.tokens ? a.tokens > b.tokens : to_number(a.user) < to_number(b.user);
  });
  out.users = sorted.size();
  for (const user_history& u : sorted) out.tokens += u.tokens;
  std::vector<history_count> batch;
  for (const user_history& u : std::span(sorted).first((std::min)(std::size_t{asked.batch}, sorted.size()))) {
    batch.push_back({.tokens = u.tokens});
  }
  const auto finish = [&](const auto& layout) {
    out.need = need_with(shape, layout, asked, sorted);
    out.page_table_bytes = page_table_bytes(layout, batch);
    return out;
  };
  if (asked.layout == "paged") return finish(paged_layout{.page_tokens = asked.page_tokens});
  if (asked.layout == "hybrid") return finish(hybrid_layout{.page_tokens = asked.page_tokens, .chunk = asked.chunk});
  const std::uint64_t longest = sorted.empty() ? 1 : (std::max)(sorted.front().tokens, token_count{1});
  const std::uint64_t whole = (longest + asked.page_tokens - 1) / asked.page_tokens * asked.page_tokens;
  if (whole > no_longest(asked.page_tokens)) {
    throw config_error("a history in tokens", longest,
                       "it may be at most " + std::to_string(no_longest(asked.page_tokens)));
  }
  return finish(contiguous_layout{.page_tokens = asked.page_tokens,
                                  .longest = asked.range != 0 ? asked.range : static_cast<token_count>(whole)});
}

std::vector<user_history> read_lengths(std::span<const std::string> texts)
{
  std::vector<user_history> out;
  for (const std::string& text : texts) {
    const auto refuse = [&text](const std::string& limit) { throw config_error("--lengths", "'" + text + "'", limit); };
    const char* const end = text.data() + text.size();
    token_count tokens = 0;
    std::uint64_t users = 1;
    auto [stop, fault] = std::from_chars(text.data(), end, tokens);
    if (fault == std::errc() && stop != end && *stop == 'x') {
      const auto [last, problem] = std::from_chars(stop + 1, end, users);
      stop = last;
      fault = problem;
    }
    if (fault != std::errc() || stop != end || tokens == 0 || users == 0) {
      refuse("it must be tokens, or tokens x users, such as 4096 or 20480x2000, each at least 1");
    }
    if (users > most_users - out.size()) refuse("there may be at most " + std::to_string(most_users) + " users in all");
    for (std::uint64_t i = 0; i < users; ++i) out.push_back({user_id{out.size()}, tokens});
  }
  return out;
}

std::vector<user_history> read_histories(any_source& source, std::uint32_t event_tokens, std::uint32_t longest)
{
  boost::unordered_flat_map<std::uint64_t, token_count> of_user;
  std::vector<trace_access> chunk(4096);
  for (std::size_t got = source.read(chunk); got != 0; got = source.read(chunk)) {
    for (const trace_access& a : std::span(chunk).first(got)) {
      const std::uint64_t tokens = (std::min)(std::uint64_t{a.tokens} * event_tokens, std::uint64_t{longest});
      token_count& mine = of_user[a.key];
      mine = (std::max)(mine, static_cast<token_count>(tokens));
    }
  }
  std::vector<user_history> out;
  for (const auto& [user, tokens] : of_user) {
    if (tokens != 0) out.push_back({user_id{user}, tokens});
  }
  if (out.empty()) {
    throw error(std::string(source.name()) +
                ": no access tells how long a history is; sizes are of users: a trace of KuaiRand, none, or --lengths");
  }
  return out;
}

}  // namespace sim
