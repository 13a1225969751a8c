// Random users, and pages in plain memory under scattered ids.
#pragma once

#include "hstu/model.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace hstu_test {

using generator = std::mt19937_64;

inline std::uint32_t below(generator& random, std::uint32_t bound)
{
  return static_cast<std::uint32_t>(random() % bound);
}

// One user's history and candidates, with the storage that a request's spans point into.
struct user
{
  std::vector<std::uint64_t> items;
  std::vector<std::uint32_t> actions;
  std::vector<std::int64_t> times;
  std::vector<std::uint64_t> candidates;
  kvstrata::interval_list compute;
  std::int64_t now = 0;
  kvstrata::token_count history = 0;

  user(generator& random, kvstrata::token_count tokens, std::uint32_t candidate_count) : history(tokens)
  {
    std::int64_t time = 1'650'000'000;
    for (std::uint32_t event = 0; event < (tokens + 1) / 2; ++event) {
      items.push_back(random());
      actions.push_back(below(random, 100));
      time += below(random, 3) == 0 ? below(random, 200'000) : below(random, 40);
      times.push_back(time);
    }
    now = time + below(random, 5'000);
    for (std::uint32_t i = 0; i < candidate_count; ++i) candidates.push_back(random());
    compute = {{0, tokens}};
  }

  [[nodiscard]] hstu::request request() const { return {items, actions, times, history, compute, candidates, now}; }
};

// Pages of a batch in a vector, under shuffled ids with unused pages between; starts out full of NaN, so that reading
// what nobody wrote shows.
class pages
{
 public:
  pages(generator& random, const kvstrata::geometry& shape, kvstrata::token_count page_tokens,
        const std::vector<kvstrata::token_count>& lengths)
      : shape_(shape), page_tokens_(page_tokens)
  {
    std::uint32_t count = 0;
    for (const kvstrata::token_count length : lengths) count += (length + page_tokens - 1) / page_tokens;
    slab_pages_ = count + count / 2 + 1;
    std::vector<std::uint32_t> ids(slab_pages_);
    std::iota(ids.begin(), ids.end(), 0u);
    for (std::size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[random() % i]);
    indptr_.push_back(0);
    for (const kvstrata::token_count length : lengths) {
      const std::uint32_t mine = (length + page_tokens - 1) / page_tokens;
      for (std::uint32_t i = 0; i < mine; ++i) ids_.push_back(kvstrata::to_page(ids[ids_.size()]));
      indptr_.push_back(static_cast<std::int32_t>(ids_.size()));
      last_page_len_.push_back(mine == 0 ? 0 : static_cast<std::int32_t>(length - (mine - 1) * page_tokens));
    }
    floats_.assign(std::size_t{shape.layers} * slab_pages_ * page_bytes() / sizeof(float),
                   std::numeric_limits<float>::quiet_NaN());
  }

  [[nodiscard]] kvstrata::page_table_view view()
  {
    kvstrata::page_table_view out;
    out.page_ids = ids_;
    out.indptr = indptr_;
    out.last_page_len = last_page_len_;
    out.base = reinterpret_cast<std::byte*>(floats_.data());
    out.where = {slab_pages_ * page_bytes(), page_bytes()};
    out.shape = shape_;
    out.page_tokens = page_tokens_;
    return out;
  }

  // K, or V, of one token: [kv_heads * head_dim].
  [[nodiscard]] std::span<float> row(kvstrata::layer_index layer, std::size_t request, kvstrata::token_count token,
                                     bool value)
  {
    const kvstrata::page_table_view table = view();
    std::byte* at = table.key(layer, request, token) + (value ? table.value_offset() : 0);
    return {reinterpret_cast<float*>(at), std::size_t{shape_.kv_heads} * shape_.head_dim};
  }

  [[nodiscard]] std::vector<float>& floats() { return floats_; }

 private:
  [[nodiscard]] std::size_t page_bytes() const { return page_tokens_ * shape_.token_layer_bytes(); }

  kvstrata::geometry shape_;
  kvstrata::token_count page_tokens_;
  std::size_t slab_pages_ = 0;
  std::vector<kvstrata::page_id> ids_;
  std::vector<std::int32_t> indptr_;
  std::vector<std::int32_t> last_page_len_;
  std::vector<float> floats_;
};

inline std::vector<float> run(const hstu::model& m, const std::vector<hstu::request>& batch, pages& memory)
{
  hstu::batch_forward pass(m, batch, memory.view());
  pass.embed();
  for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) pass.layer(l);
  pass.head();
  const std::span<const float> scores = pass.scores();
  return {scores.begin(), scores.end()};
}

// Runs one user alone, all tokens computed.
inline std::vector<float> run_alone(generator& random, const hstu::model& m, const user& u,
                                    kvstrata::token_count page_tokens = 32)
{
  pages memory(random, m.shape(), page_tokens, {u.history});
  return run(m, {u.request()}, memory);
}

template <class A, class B>
double furthest(const A& a, const B& b)
{
  double most = a.size() == b.size() ? 0 : 1e9;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const double apart = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(apart <= most)) most = apart == apart ? apart : 1e9;  // NaN is far from everything
  }
  return most;
}

// Any list of intervals in [0, tokens); may be empty.
inline kvstrata::interval_list random_intervals(generator& random, kvstrata::token_count tokens)
{
  kvstrata::interval_list out;
  const std::uint32_t longest = 1 + below(random, tokens + 1);
  for (kvstrata::token_count at = below(random, longest + 1); at < tokens;) {
    const kvstrata::token_count end = std::min(tokens, at + 1 + below(random, longest));
    out.push_back({at, end});
    at = end + 1 + below(random, longest);
  }
  return out;
}

}  // namespace hstu_test
