// Windows that begin behind token 0, and move: one full pass in which row i sees [w(i), i], w(i) being the first_token of
// the request that computed it, is what every answer must equal, whatever a cache has lost and computed again meanwhile.
#include "hstu/fixture.hpp"
#include "hstu/reference.hpp"

#include "hstu/recompute.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace {

using namespace hstu_test;
using kvstrata::token_count;
using kvstrata::token_interval;

constexpr double close_enough = 2e-4;

hstu::config small()
{
  hstu::config c;
  c.layers = 3;
  c.hidden = 24;
  c.heads = 2;
  c.head_dim = 8;
  c.items = 500;
  c.max_tokens = 2048;
  c.normaliser = 64;
  c.position_buckets = 40;
  c.time_buckets = 30;
  return c;
}

std::vector<double> scores_of(const reference_result& r)
{
  std::vector<double> out;
  for (const auto& row : r.scores) out.insert(out.end(), row.begin(), row.end());
  return out;
}

/// One full pass over a user's whole history.
reference_result full_pass(const hstu::model& m, user u, const std::vector<std::uint32_t>& windows)
{
  u.first_token = 0;
  return reference(m, u.request(), windows);
}

/// What a fresh pass over the window gives: all its rows see the window alone.
std::vector<std::uint32_t> all_see(const user& u) { return std::vector<std::uint32_t>(u.history + 1, u.first_token); }

/// A cache of few pages, and what each row of its users was computed in.
struct served
{
  using cache_type = kvstrata::default_cache<kvstrata::emulated_device>;

  served(const hstu::model& model, kvstrata::page_count device_pages, kvstrata::page_count host_pages)
      : m(model), compute(device.create_stream("compute")), cache(device, sizes(m, device_pages, host_pages))
  {
  }

  static cache_type::config sizes(const hstu::model& m, kvstrata::page_count device_pages,
                                  kvstrata::page_count host_pages)
  {
    cache_type::config c{.shape = m.shape()};
    c.layout.page_tokens = 8;
    c.layout.chunk = 32;
    std::get<0>(c.tiers).bytes = device_pages * kvstrata::page_bytes(c.shape, 8);
    std::get<1>(c.tiers).bytes = host_pages * kvstrata::page_bytes(c.shape, 8);
    return c;
  }

  /// Serves one request, and compares. `windows` are the user's.
  kvstrata::token_sources serve(std::uint64_t id, user& u, std::vector<std::uint32_t>& windows, bool commits = true)
  {
    const kvstrata::request asked{
        .user = kvstrata::user_id{id}, .history_tokens = u.history, .first_token = u.first_token};
    auto lease = cache.prepare({&asked, 1}, compute).value();
    u.compute.assign(lease.compute(0).begin(), lease.compute(0).end());
    std::vector<std::uint32_t> now = windows;
    now.resize(u.history + 1);
    for (const token_interval piece : u.compute) std::fill_n(now.begin() + piece.begin, piece.size(), u.first_token);
    now[u.history] = u.first_token;

    const std::vector<hstu::request> batch{u.request()};
    hstu::batch_forward pass(m, batch, lease.view());
    pass.embed();
    for (kvstrata::layer_index l = 0; l < m.options().layers; ++l) {
      lease.wait_sync(l);
      pass.layer(l);
      lease.layer_done(l);
    }
    pass.head();
    CHECK(furthest(pass.scores(), scores_of(full_pass(m, u, now))) < close_enough);
    const kvstrata::token_sources split = lease.sources(0);
    if (commits) {
      lease.commit();
      now.pop_back();
      windows = now;
    }
    return split;
  }

  const hstu::model& m;
  kvstrata::emulated_device device{{.check_ordering = true, .poison_freed = true}};
  kvstrata::stream_id compute;
  cache_type cache;
};

}  // namespace

TEST_CASE("a window that begins inside a page sees nothing before it", "[hstu]")
{
  generator random(41);
  for (const bool biased : {true, false}) {
    hstu::config c = small();
    if (!biased) c.position_buckets = c.time_buckets = 0;
    const hstu::model m(c, 2);
    for (int round = 0; round < 12; ++round) {
      user u(random, 1 + below(random, 400), 1 + below(random, 6));
      u.first_token = round == 0 ? u.history : below(random, u.history);
      u.compute = {{u.first_token, u.history}};
      if (u.first_token == u.history) u.compute.clear();
      const token_count page_tokens = 1 + below(random, 40);
      INFO("window [" << u.first_token << ", " << u.history << "), pages of " << page_tokens);
      pages memory(random, m.shape(), page_tokens, std::vector<token_interval>{{u.first_token, u.history}});
      const std::vector<float> scores = run(m, {u.request()}, memory);
      const reference_result expected = full_pass(m, u, all_see(u));
      CHECK(furthest(scores, scores_of(expected)) < close_enough);
      double apart = 0;
      for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
        for (token_count t = u.first_token; t < u.history; ++t) {
          apart = std::max(apart, furthest(memory.row(l, 0, t, false), expected.keys[l][t]));
          apart = std::max(apart, furthest(memory.row(l, 0, t, true), expected.values[l][t]));
        }
      }
      CHECK(apart < close_enough);
      hstu::scratch_pages scratch(page_tokens);
      CHECK(furthest(hstu::recompute(m, std::vector<hstu::request>{u.request()}, scratch), scores) < close_enough);
    }
  }
}

TEST_CASE("windows of one batch begin where each of them begins, with fronts apart or not", "[hstu]")
{
  generator random(42);
  const hstu::model m(small(), 2);
  std::vector<user> users;
  std::vector<token_interval> windows;
  for (int i = 0; i < 5; ++i) {
    user u(random, 40 + below(random, 200), below(random, 9));
    u.first_token = i == 0 ? 0 : below(random, 40);
    u.compute = {{u.first_token, u.history}};
    users.push_back(u);
    windows.push_back({u.first_token, u.history});
  }
  std::vector<hstu::request> batch;
  for (const user& u : users) batch.push_back(u.request());
  pages memory(random, m.shape(), 16, windows);
  const std::vector<float> whole = run(m, batch, memory);
  for (std::size_t i = 0; i < users.size(); ++i) {
    const token_count middle = users[i].first_token + 1 + below(random, users[i].history - users[i].first_token - 2);
    users[i].compute = {{users[i].first_token, middle}, {middle + 1, users[i].history}};
    batch[i] = users[i].request();
  }
  hstu::batch_forward pass(m, batch, memory.view(), hstu::fronts::apart);
  CHECK(pass.has_front());
  pass.embed();
  for (kvstrata::layer_index l = 0; l < 3; ++l) {
    pass.front(l);
    pass.layer(l);
  }
  pass.head();
  CHECK(furthest(pass.scores(), whole) < close_enough);
}

TEST_CASE("windows that move over a cache equal one full pass", "[hstu]")
{
  generator random(43);
  const hstu::model m(small(), 2);
  // With room for all below, with room for some, and with an arena that forgets fronts all the time.
  for (const kvstrata::page_count host : {200U, 40U, 14U}) {
    served s(m, 14, host);
    std::vector<user> users;
    std::vector<std::vector<std::uint32_t>> windows(3);
    for (int i = 0; i < 3; ++i) users.emplace_back(random, 160, 3);
    for (user& u : users) u.history = u.first_token = 0;
    std::uint64_t hits = 0;
    for (int step = 0; step < 40; ++step) {
      const std::uint32_t who = below(random, 3);
      user& u = users[who];
      INFO("host pages " << host << ", step " << step << ", user " << who);
      u.history = std::min(token_count{160}, u.history + below(random, 12));
      const std::uint32_t what = below(random, 12);
      if (what > 9) u.first_token = below(random, u.first_token + 1);
      else if (what < 6) u.first_token += below(random, 8);
      u.first_token = std::min(u.history, std::max(u.first_token, u.history > 90 ? u.history - 90 : 0));
      const kvstrata::token_sources split = s.serve(who, u, windows[who], below(random, 5) != 0);
      hits += split.from[0] + split.fetched();
    }
    CHECK(hits != 0);
    const kvstrata::tokens_forgotten gone = s.cache.stats().forgotten;
    CHECK(gone.passed != 0);
    CHECK(gone.widened != 0);
    if (host == 14) CHECK(gone.stranded != 0);
    CHECK(s.device.violations().empty());
  }
}

// docs/guide/cacheable_models.md says when what is served of a moved window is what a fresh pass over it would give.
TEST_CASE("a moved window is exact where rows depend on nothing but their own token, and not else", "[hstu]")
{
  generator random(44);
  for (const std::uint32_t layers : {1U, 3U}) {
    hstu::config c = small();
    c.layers = layers;
    const hstu::model m(c, 2);
    served s(m, 40, 80);
    user u(random, 120, 4);
    std::vector<std::uint32_t> windows;
    u.history = 100;
    s.serve(1, u, windows);
    u.history = 110;
    u.first_token = 50;
    const kvstrata::token_sources split = s.serve(1, u, windows);
    CHECK(split.computed == 10);
    const double apart = furthest(scores_of(full_pass(m, u,
                                                      [&] {
                                                        std::vector<std::uint32_t> now = windows;
                                                        now.push_back(u.first_token);
                                                        return now;
                                                      }())),
                                  scores_of(full_pass(m, u, all_see(u))));
    if (layers == 1) CHECK(apart < 1e-12);  // K and V of the first layer are of the token alone
    else CHECK(apart > 20 * close_enough);
  }
}

TEST_CASE("positions behind the model's table share its last row", "[hstu]")
{
  generator random(45);
  hstu::config c = small();
  c.max_tokens = 50;
  const hstu::model m(c, 2);
  user u(random, 120, 4);
  const std::vector<float> whole = run_alone(random, m, u);
  CHECK(furthest(whole, scores_of(reference(m, u.request()))) < close_enough);

  // A window behind the table: where in the history it lies makes no difference any more.
  u.first_token = 60;
  u.compute = {{60, 120}};
  hstu::scratch_pages scratch(16);
  const std::vector<float> late = hstu::recompute(m, std::vector<hstu::request>{u.request()}, scratch);
  hstu::request later = u.request();
  later.first_token += 5000;
  later.history += 5000;
  CHECK(hstu::recompute(m, std::vector<hstu::request>{later}, scratch) == late);
  later.first_token = 0;
  later.history = 60;
  CHECK(furthest(hstu::recompute(m, std::vector<hstu::request>{later}, scratch), late) > 20 * close_enough);
}
