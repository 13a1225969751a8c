// Long random sequences of requests of a cache over a redis_cluster, whose server evicts, forgets all, and behaves badly for a
// while, and whose process ends in the midst; as it is, and with a codec. Then two processes over one server. The oracle is what
// each row must say (stores_bed.hpp), and the accounts.
#include "cache/stores_random.hpp"
#include "support/effort.hpp"
#include "support/toy_body.hpp"
#include "tiers/redis/cluster/toy_server.hpp"

#include <kvstrata/tiers/redis_cluster.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>

using namespace kvstrata;
using namespace kvstrata_test;
using fault = toy_server::fault;

namespace {

template <class... Options>
using cluster_cache =
    cache<tier_stack<device_slab<moody_device>, pinned_arena<token_write_through>, redis_cluster<Options...>>,
          paged_layout, layerwise_transfer<>, lru, losses>;

/// Few sequences are known without asking, and a put has several values a layer.
redis_cluster_config tiny_cluster(const toy_server& server)
{
  redis_cluster_config c{.addresses = {server.address()}};
  c.layers = tiny.layers;
  c.value_bytes = std::bit_ceil(static_cast<std::uint32_t>(2 * tiny_page_bytes / tiny.layers) + 1024U) - 64;
  c.piece = piece_of(tiny, tiny_page);
  c.in_flight = 8;
  c.request_seconds = 2;
  c.known_seconds = 1000;
  c.away_seconds = 0.001;
  c.most_wait_seconds = 0.01;
  c.known_sequences = 6;
  return c;
}

template <class Cache>
struct cluster_scene : text_scene<Cache>
{
  using store_on = typename text_scene<Cache>::store_type;

  explicit cluster_scene(const std::shared_ptr<toy_server>& at, std::uint64_t seed)
      : text_scene<Cache>({}, seed), server(at), random(seed)
  {
    start();
  }
  ~cluster_scene()
  {
    server->behave(fault::none);
    this->cache.reset();
  }

  void start()
  {
    if (!store) store.emplace(this->device, tiny_cluster(*server));
    this->start_over(*store);
  }
  /// A new cache, or another process, now and then over a cluster that has lost everything.
  void restart(unsigned how)
  {
    if (how % 7 == 0) server->clear();
    if (how % 3 == 0) start();
    else begin_anew(how % 3 == 1);
  }
  /// Another process: who was erased, and of whom the cluster may not have heard, is erased again.
  void begin_anew(bool closed)
  {
    server->behave(fault::none);
    if (closed) this->cache->close();
    this->cache.reset();
    note();
    store.reset();
    ++processes;
    start();
    for (const unsigned user : erased) this->cache->erase(user_id{user});
  }
  /// Until somebody is erased again, or a process begins.
  void misbehave()
  {
    switch (++troubles % 3) {
      case 0: return server->behave(fault::answers, "-LOADING it reads\r\n");
      case 1: return server->behave(fault::truncated);
      default: return server->behave(fault::closes);
    }
  }
  void falls_silent() {}
  /// And the server evicts values, or begins or ends to misbehave.
  void erase(unsigned user)
  {
    server->behave(fault::none);
    if (++erasures % 4 == 0) misbehave();
    else server->evict([this](const std::string& key) { return key.back() != 'm' && random() % 4 == 0; });
    this->cache->erase(user_id{user});
    erased.insert(user);
    const auto flushed = store->flush();
    if (!flushed) return;
    this->device.wait_sync(flushed->point);
    if (store->poll(*flushed)->done()) erased.clear();
  }
  void note()
  {
    const redis::cluster_counts c = store->figures().counts;
    gets += c.gets;
    puts += c.puts;
    asks += c.asks;
    missing += c.missing;
    damaged += c.damaged;
  }

  std::shared_ptr<toy_server> server;
  std::mt19937_64 random;
  std::optional<store_on> store;
  std::set<unsigned> erased;
  unsigned processes = 0, troubles = 0, erasures = 0;
  std::uint64_t gets = 0, puts = 0, asks = 0, missing = 0, damaged = 0;
};

struct walked : store_figures
{
  unsigned kept = 0, processes = 0, troubles = 0;
  std::uint64_t gets = 0, asks = 0, missing = 0;
};

template <class Cache>
void walk_many(std::uint64_t first_seed)
{
  walked all;
  for (std::uint64_t seed = first_seed; seed < first_seed + 2 + effort / 3; ++seed) {
    CAPTURE(seed);
    cluster_scene<Cache> s(std::make_shared<toy_server>(), seed);
    walk_over_store walk(s, {.seed = seed, .steps = 400 + 100 * static_cast<int>(effort)});
    walk.run();
    all += walk.total().stores[store_level];
    all.kept += walk.kept();
    s.note();
    all.processes += s.processes;
    all.troubles += s.troubles;
    all.gets += s.gets;
    all.asks += s.asks;
    all.missing += s.missing;
    CHECK(s.damaged == 0);
    s.cache->close();
  }
  CHECK(all.staged_tokens != 0);
  CHECK(all.processes != 0);
  CHECK(all.troubles != 0);
  CHECK(all.gets != 0);
  CHECK(all.asks != 0);
  CHECK(all.missing != 0);
  if constexpr (effort > 1) {  // what is rare
    CHECK(all.contradicted != 0);
    CHECK(all.foreign != 0);
    CHECK(all.lost_gets != 0);
    CHECK(all.kept != 0);
  }
}

}  // namespace

TEST_CASE("random requests over a cluster that evicts, forgets and misbehaves", "[cache][random]")
{
  walk_many<cluster_cache<write_back>>(1);
}

TEST_CASE("random requests over a cluster with a codec", "[cache][random][codec]")
{
  walk_many<cluster_cache<token_write_through, toy_body>>(100);
}

TEST_CASE("two processes over one cluster: what one puts the other serves, and what one erases nobody does",
          "[cache][random]")
{
  std::uint64_t staged = 0, contradicted = 0;
  for (std::uint64_t seed = 1; seed < 2 + effort / 2; ++seed) {
    CAPTURE(seed);
    const auto server = std::make_shared<toy_server>();
    using scene = cluster_scene<cluster_cache<token_write_through>>;
    scene a(server, seed), b(server, seed + 1);
    std::mt19937_64 random(seed);
    const auto below = [&random](unsigned n) { return static_cast<unsigned>(random() % n); };
    std::map<unsigned, token_count> known;
    std::map<unsigned, user_text> texts;
    const auto add = [&](scene& s) {
      const store_figures f = s.figures();
      staged += f.staged_tokens;
      contradicted += f.contradicted;
    };
    for (int step = 0; step < 150 + 30 * static_cast<int>(effort); ++step) {
      scene& one = below(2) == 0 ? a : b;
      const unsigned user = 1 + below(8);
      token_count& mine = known[user];
      if (user % 2 == 1 && below(8) == 0) texts[user].rewrite(below(mine + 1));
      mine = std::min<token_count>(64, mine + below(9) + 1);
      one.texts = texts;
      one.serve(user, mine, user % 2 == 1);
      if (below(20) == 0) {
        a.erase(user);
        b.erase(user);
        texts[user].rewrite(0);
        mine = 0;
      }
      if (below(5) == 0) one.device.advance_host(1e-3);
      if (below(40) == 0) {
        add(one);
        one.begin_anew(below(2) == 0);
      }
    }
    for (scene* const one : {&a, &b}) {
      add(*one);
      one->note();
      CHECK(one->damaged == 0);
    }
  }
  CHECK(staged != 0);
  CHECK(contradicted != 0);
}
