// Random users of MTGR, and pages of two parts in plain memory under scattered ids.
#pragma once

#include "mtgr/model.hpp"

#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace mtgr_test {

using generator = std::mt19937_64;

/// How far what is cached may lie from what is computed anew.
inline constexpr double close_enough = 1e-4;

inline std::uint32_t below(generator& random, std::uint32_t bound)
{
  return static_cast<std::uint32_t>(random() % bound);
}

inline std::vector<float> random_floats(generator& random, std::size_t count)
{
  std::vector<float> out(count);
  for (float& f : out) f = static_cast<float>(below(random, 4001)) / 1000 - 2;
  return out;
}

inline mtgr::config small_config()
{
  mtgr::config c;
  c.layers = 3;
  c.hidden = 32;
  c.heads = 2;
  c.head_dim = 16;
  c.user_tokens = 5;
  c.user_features = 6;
  c.item_features = 12;
  c.cross_features = 7;
  c.token_hidden = 24;
  c.head_hidden = 16;
  c.most_sequence = 400;
  c.most_recent = 100;
  c.normaliser = 64;
  return c;
}

// One user's features and candidates, with the storage that a request's spans point into.
struct user
{
  mtgr::config options;
  kvstrata::token_count statics, recents;
  std::vector<float> profile, sequence, recent, candidates;
  std::vector<std::int64_t> recent_times, candidate_times;
  kvstrata::interval_list static_compute, recent_compute;

  user(generator& random, const mtgr::config& c, std::uint32_t sequence_tokens, std::uint32_t recent_tokens,
       std::uint32_t candidate_count)
      : options(c), statics(c.user_tokens + sequence_tokens), recents(recent_tokens)
  {
    profile = random_floats(random, std::size_t{c.user_tokens} * c.user_features);
    sequence = random_floats(random, std::size_t{sequence_tokens} * c.item_features);
    recent = random_floats(random, std::size_t{recent_tokens} * c.item_features);
    std::int64_t now = 1'750'000'000;
    for (std::uint32_t i = 0; i < recent_tokens; ++i)
      recent_times.push_back(now += below(random, 3) * below(random, 100));
    add_candidates(random, candidate_count);
    static_compute = {{0, statics}};
    recent_compute = {{0, recents}};
  }

  // Dated anywhere: before all of R, at the time of one of them, behind all.
  void add_candidates(generator& random, std::uint32_t count)
  {
    const std::vector<float> more = random_floats(random, count * candidate_floats());
    candidates.insert(candidates.end(), more.begin(), more.end());
    for (std::uint32_t i = 0; i < count; ++i) {
      candidate_times.push_back(recent_times.empty() ? static_cast<std::int64_t>(random() % 1000)
                                                     : recent_times[below(random, recents)] + below(random, 3) - 1);
    }
  }
  [[nodiscard]] kvstrata::token_count count() const
  {
    return static_cast<kvstrata::token_count>(candidate_times.size());
  }
  [[nodiscard]] std::size_t candidate_floats() const
  {
    return std::size_t{options.cross_features} + options.item_features;
  }

  // Features of tokens that are not to be computed are not told.
  [[nodiscard]] mtgr::request request()
  {
    told_.clear();
    for (const kvstrata::token_interval piece : recent_compute) {
      const auto at = recent.begin() + static_cast<std::ptrdiff_t>(std::size_t{piece.begin} * options.item_features);
      told_.insert(told_.end(), at,
                   at + static_cast<std::ptrdiff_t>(std::size_t{piece.size()} * options.item_features));
    }
    mtgr::request r;
    r.static_tokens = statics;
    r.static_compute = static_compute;
    if (kvstrata::total(static_compute) != 0) {
      r.user = profile;
      r.sequence = sequence;
    }
    r.recent_tokens = recents;
    r.recent_compute = recent_compute;
    r.recent = told_;
    r.recent_times = std::span(recent_times).first(recents);
    r.candidates = candidates;
    r.candidate_times = candidate_times;
    return r;
  }

 private:
  std::vector<float> told_;
};

// Pages of both parts of a batch, and of its candidates, in a vector, under shuffled ids with unused pages between; they start out full of NaN, so
// that reading what nobody wrote shows.
class part_pages
{
 public:
  part_pages(generator& random, const kvstrata::geometry& shape, kvstrata::token_count page_tokens,
             const std::vector<user>& users)
      : shape_(shape), page_tokens_(page_tokens)
  {
    std::size_t count = 0;
    for (const user& u : users) count += pages_for(u.statics) + pages_for(u.recents) + pages_for(u.count());
    slab_pages_ = count + count / 2 + 1;
    std::vector<kvstrata::page_id> ids(slab_pages_);
    for (std::uint32_t i = 0; i < ids.size(); ++i) ids[i] = kvstrata::to_page(i);
    std::shuffle(ids.begin(), ids.end(), random);
    std::span<const kvstrata::page_id> free = ids;
    for (const user& u : users) {
      for (std::size_t p = 0; p < tables_.size(); ++p) {
        const kvstrata::token_count tokens = p == 0 ? u.statics : p == 1 ? u.recents : u.count();
        tables_[p].add(free.first(pages_for(tokens)), 0, tokens, page_tokens);
        free = free.subspan(pages_for(tokens));
      }
    }
    bytes_.assign(std::size_t{shape.layers} * slab_pages_ * page_bytes(), std::byte{0xFF});
  }

  [[nodiscard]] mtgr::part_views views() { return views_at(bytes_.data()); }
  // Candidates' K and V on pages, too.
  [[nodiscard]] mtgr::part_views views_with_scratch()
  {
    mtgr::part_views out = views();
    out.candidates = tables_[2].view(out.statics.base, out.statics.where, shape_, page_tokens_);
    return out;
  }
  [[nodiscard]] mtgr::part_views views_at(std::byte* base) const
  {
    const kvstrata::placement where{slab_pages_ * page_bytes(), page_bytes()};
    return {tables_[0].view(base, where, shape_, page_tokens_), tables_[1].view(base, where, shape_, page_tokens_)};
  }

  // Where K, or V, of one token lies in bytes().
  [[nodiscard]] std::size_t offset(kvstrata::layer_index layer, std::size_t request, mtgr::part p,
                                   kvstrata::token_count token, bool value)
  {
    const mtgr::part_views all = views();
    const kvstrata::page_table_view& view = p == mtgr::part::statics ? all.statics : all.recents;
    return static_cast<std::size_t>(view.key(layer, request, token) - view.base) + (value ? view.value_offset() : 0);
  }
  [[nodiscard]] std::vector<float> row(kvstrata::layer_index layer, std::size_t request, mtgr::part p,
                                       kvstrata::token_count token, bool value)
  {
    std::vector<float> out(std::size_t{shape_.kv_heads} * shape_.head_dim);
    std::memcpy(out.data(), bytes_.data() + offset(layer, request, p, token, value), out.size() * sizeof(float));
    return out;
  }
  // All of a part's tokens [0, tokens) of a layer, K and then V of each.
  [[nodiscard]] std::vector<float> rows(kvstrata::layer_index layer, std::size_t request, mtgr::part p,
                                        kvstrata::token_count tokens)
  {
    std::vector<float> out;
    for (kvstrata::token_count t = 0; t < tokens; ++t) {
      for (const bool value : {false, true}) {
        const std::vector<float> one = row(layer, request, p, t, value);
        out.insert(out.end(), one.begin(), one.end());
      }
    }
    return out;
  }
  // Makes K and V of a token NaN in all layers.
  void forget(std::size_t request, mtgr::part p, kvstrata::token_count token)
  {
    for (kvstrata::layer_index l = 0; l < shape_.layers; ++l) {
      for (const bool value : {false, true}) {
        std::memset(bytes_.data() + offset(l, request, p, token, value), 0xFF, shape_.key_bytes());
      }
    }
  }

  [[nodiscard]] std::vector<std::byte>& bytes() { return bytes_; }

 private:
  [[nodiscard]] std::size_t page_bytes() const { return page_tokens_ * shape_.token_layer_bytes(); }
  [[nodiscard]] std::size_t pages_for(kvstrata::token_count tokens) const
  {
    return (tokens + page_tokens_ - 1) / page_tokens_;
  }

  kvstrata::geometry shape_;
  kvstrata::token_count page_tokens_;
  std::size_t slab_pages_ = 0;
  std::array<kvstrata::page_table, mtgr::parts + 1> tables_;
  std::vector<std::byte> bytes_;
};

inline std::vector<mtgr::request> requests_of(std::vector<user>& users)
{
  std::vector<mtgr::request> out;
  for (user& u : users) out.push_back(u.request());
  return out;
}

inline std::vector<float> run(const mtgr::model& m, std::vector<user>& users, const mtgr::part_views& views)
{
  const std::vector<mtgr::request> batch = requests_of(users);
  mtgr::batch_forward pass(m, batch, views);
  pass.embed();
  for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) pass.layer(l);
  pass.head();
  return {pass.logits().begin(), pass.logits().end()};
}

inline std::vector<float> run(const mtgr::model& m, std::vector<user>& users, part_pages& memory)
{
  return run(m, users, memory.views());
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

}  // namespace mtgr_test
