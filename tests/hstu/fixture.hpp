// Random users, and pages in plain memory under scattered ids.
#pragma once

#include "hstu/elementwise.hpp"
#include "hstu/model.hpp"

#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

namespace hstu_test {

using generator = std::mt19937_64;

/// All variants of the loops that this machine runs.
inline std::vector<const hstu::elementwise*> all_elementwise()
{
  std::vector<const hstu::elementwise*> out = {&hstu::elementwise_baseline};
#ifdef __x86_64__
  if (&hstu::best_elementwise() == out.front()) return out;
  out.push_back(&hstu::elementwise_avx2);
  if (&hstu::best_elementwise() == out.back()) return out;
  out.push_back(&hstu::elementwise_avx512);
  out.push_back(&hstu::elementwise_avx512_divides);
#endif
  return out;
}

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
  kvstrata::token_count first_token = 0;

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

  // Of the window alone: what lies before it is not told.
  [[nodiscard]] hstu::request request() const
  {
    const std::size_t skipped = first_token / 2;
    return {std::span(items).subspan(skipped),
            std::span(actions).subspan(skipped),
            std::span(times).subspan(skipped),
            history,
            compute,
            candidates,
            now,
            first_token};
  }
};

// Pages of a batch in a vector, under shuffled ids with unused pages between; starts out full of NaN, so that reading
// what nobody wrote shows.
class pages
{
 public:
  pages(generator& random, const kvstrata::geometry& shape, kvstrata::token_count page_tokens,
        const std::vector<kvstrata::token_count>& lengths)
      : pages(random, shape, page_tokens, windows_of(lengths))
  {
  }
  pages(generator& random, const kvstrata::geometry& shape, kvstrata::token_count page_tokens,
        std::span<const kvstrata::token_interval> windows)
      : shape_(shape), page_tokens_(page_tokens)
  {
    kvstrata::page_count count = 0;
    for (const kvstrata::token_interval w : windows) count += pages_of(w, page_tokens).size();
    slab_pages_ = count + count / 2 + 1;
    std::vector<kvstrata::page_id> ids(slab_pages_);
    for (std::uint32_t i = 0; i < ids.size(); ++i) ids[i] = kvstrata::to_page(i);
    for (std::size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[random() % i]);
    std::span<const kvstrata::page_id> free = ids;
    for (const kvstrata::token_interval w : windows) {
      const kvstrata::page_count mine = pages_of(w, page_tokens).size();
      table_.add(free.first(mine), w.begin, w.end, page_tokens);
      free = free.subspan(mine);
    }
    floats_.assign(std::size_t{shape.layers} * slab_pages_ * page_bytes() / sizeof(float),
                   std::numeric_limits<float>::quiet_NaN());
  }

  [[nodiscard]] kvstrata::page_table_view view()
  {
    return table_.view(reinterpret_cast<std::byte*>(floats_.data()), {slab_pages_ * page_bytes(), page_bytes()}, shape_,
                       page_tokens_);
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
  static std::vector<kvstrata::token_interval> windows_of(const std::vector<kvstrata::token_count>& lengths)
  {
    std::vector<kvstrata::token_interval> out;
    for (const kvstrata::token_count length : lengths) out.push_back({0, length});
    return out;
  }

  kvstrata::geometry shape_;
  kvstrata::token_count page_tokens_;
  std::size_t slab_pages_ = 0;
  kvstrata::page_table table_;
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
