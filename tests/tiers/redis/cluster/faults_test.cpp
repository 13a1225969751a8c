// A server that misbehaves: whatever it does, requests go on as misses within their time, nothing wrong is served, loops are
// bounded, and when it is over hits come back.
#include "support/catch.hpp"
#include "support/plain_device.hpp"
#include "tiers/redis/cluster/toy_server.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/tiers/redis_cluster.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

using namespace kvstrata;
using namespace kvstrata_test;
using redis::cluster_counts;
using fault = toy_server::fault;

namespace {

redis_cluster_config toy_config(const toy_server& server)
{
  redis_cluster_config c{.addresses = {server.address()}};
  c.layers = 2;
  c.value_bytes = 1024 - 64;
  c.workers = 2;
  c.request_seconds = 0.4;
  c.known_seconds = 1000;
  c.away_seconds = 0.001;
  c.most_wait_seconds = 0.02;
  return c;
}

struct misled
{
  toy_server server{};
  plain_device device{};
  redis_cluster<>::on<plain_device> store;
  store_bed<redis_cluster<>::on<plain_device>, plain_device> records;

  misled() : misled([](redis_cluster_config&) {}) {}
  template <class Change>
  explicit misled(Change&& change) : store(device, changed(toy_config(server), change)), records(device, store)
  {
  }
  template <class Change>
  static redis_cluster_config changed(redis_cluster_config c, Change& change)
  {
    change(c);
    return c;
  }

  [[nodiscard]] cluster_counts counts() { return store.figures().counts; }
  [[nodiscard]] store_outcome ask(std::uint64_t id)
  {
    const auto asked = store.ask({.id = id});
    REQUIRE(asked);
    return records.wait(*asked);
  }
  [[nodiscard]] store_outcome get(std::uint64_t id, token_interval tokens)
  {
    const auto promise = records.get(200, id, record_of(id, tokens), tokens);
    REQUIRE(promise);
    return records.wait(*promise);
  }
  [[nodiscard]] store_outcome put(std::uint64_t id, token_interval tokens)
  {
    records.write(0, id, id, tokens);
    const auto promise = records.put(0, id, id, tokens);
    REQUIRE(promise);
    return records.wait(*promise);
  }
  /// Once it is over: asked until it answers, a bounded number of times.
  [[nodiscard]] bool comes_back(std::uint64_t id, token_interval tokens)
  {
    for (int i = 0; i < 200; ++i) {
      if (ask(id).done() && get(id, tokens).done()) return records.shows(200, id, id, tokens);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
};

}  // namespace

TEST_CASE("whatever a server does, it is a miss with a reason, and when it is over hits come back")
{
  struct event
  {
    const char* name;
    fault how;
    std::string text;
    std::uint64_t cluster_counts::* counted;
  };
  const event events[] = {
      {"LOADING", fault::answers, "-LOADING Redis is loading the dataset in memory\r\n", &cluster_counts::refused},
      {"READONLY", fault::answers, "-READONLY You can't write against a read only replica.\r\n",
       &cluster_counts::refused},
      {"CLUSTERDOWN", fault::answers, "-CLUSTERDOWN Hash slot not served\r\n", &cluster_counts::refused},
      {"TRYAGAIN", fault::answers, "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
       &cluster_counts::refused},
      {"an unknown error", fault::answers, "-ERR it hurts\r\n", &cluster_counts::refused},
      {"NOPERM", fault::answers, "-NOPERM this user has no permissions\r\n", &cluster_counts::denied},
      {"full", fault::answers, "-OOM command not allowed when used memory > 'maxmemory'.\r\n", &cluster_counts::full},
      {"MOVED to itself", fault::answers, "-MOVED 5 :@port\r\n", &cluster_counts::redirections},
      {"ASK to itself", fault::answers, "-ASK 5 :@port\r\n", &cluster_counts::redirections},
      {"MOVED to nobody knows where", fault::answers, "-MOVED 5 ?:7000\r\n", &cluster_counts::refused},
      {"MOVED to the dead", fault::answers, "-MOVED 5 127.0.0.1:1\r\n", &cluster_counts::broken},
      {"MOVED elsewhere than loopback", fault::answers, "-MOVED 5 192.0.2.1:7000\r\n", &cluster_counts::denied},
      {"garbage", fault::answers, "what?\r\n", &cluster_counts::broken},
      {"a line that does not end", fault::answers, std::string(9000, '+'), &cluster_counts::broken},
      {"a length that is none", fault::answers, "$12x\r\n", &cluster_counts::broken},
      {"a length below none", fault::answers, "$-2\r\n", &cluster_counts::broken},
      {"more than was asked for", fault::answers, "*100\r\n", &cluster_counts::broken},
      {"a value of a tebibyte", fault::longer, "", &cluster_counts::broken},
      {"half an answer", fault::truncated, "", &cluster_counts::broken},
      {"silence", fault::silent, "", &cluster_counts::timeouts},
      {"the end", fault::closes, "", &cluster_counts::broken},
  };
  for (const event& e : events) {
    CAPTURE(e.name);
    misled s;
    REQUIRE(s.put(1, {0, 40}).done());
    REQUIRE(s.comes_back(1, {0, 40}));
    std::string text = e.text;
    if (const std::size_t at = text.find("@port"); at != std::string::npos) {
      text.replace(at, 5, std::to_string(s.server.port()));
    }
    s.server.behave(e.how, text);
    const std::uint64_t before = s.server.commands();
    const std::uint64_t counted = s.counts().*e.counted;
    REQUIRE_FALSE(s.get(1, {0, 40}).done());
    REQUIRE_FALSE(s.put(2, {0, 8}).done());
    REQUIRE_FALSE(s.ask(3).done());
    REQUIRE(s.store.find({.id = 3}).is != found_record::knowledge::present);
    REQUIRE(s.counts().*e.counted > counted);
    REQUIRE(s.server.commands() - before < 400);  // nobody asks again and again
    s.server.behave(fault::none);
    REQUIRE(s.comes_back(1, {0, 40}));
    for (int i = 0; i < 100 && !s.put(2, {0, 8}).done(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    REQUIRE(s.comes_back(2, {0, 8}));
  }
}

TEST_CASE("a server that is slow is a server, within the time of a request")
{
  misled s([](redis_cluster_config& c) { c.request_seconds = 5; });
  REQUIRE(s.put(1, {0, 40}).done());
  s.server.behave(fault::slow);
  REQUIRE(s.ask(1).done());
  REQUIRE(s.get(1, {0, 40}).done());
  REQUIRE(s.records.shows(200, 1, 1, {0, 40}));
}

TEST_CASE("a redirection once is followed once")
{
  misled s;
  REQUIRE(s.put(1, {0, 40}).done());
  for (const char* const text : {"-ASK 5 :", "-MOVED 5 :", "-MOVED 5 127.0.0.1:"}) {
    const std::uint64_t before = s.counts().redirections;
    s.server.behave(fault::once, text + std::to_string(s.server.port()) + "\r\n");
    REQUIRE(s.get(1, {0, 40}).done());
    REQUIRE(s.records.shows(200, 1, 1, {0, 40}));
    REQUIRE(s.counts().redirections == before + 1);
  }
}

TEST_CASE("a server that is left alone is not asked")
{
  misled s([](redis_cluster_config& c) { c.most_wait_seconds = 1000; });
  REQUIRE(s.put(1, {0, 40}).done());
  s.server.behave(fault::answers, "-LOADING it reads\r\n");
  for (int i = 0; i < 40; ++i) static_cast<void>(s.ask(1));  // each time it is left alone longer
  const std::uint64_t before = s.server.commands();
  for (int i = 0; i < 200; ++i) REQUIRE_FALSE(s.ask(1).done());
  REQUIRE(s.server.commands() - before < 60);
  REQUIRE(s.counts().away > 100);
}

TEST_CASE("who answers CLUSTER SLOTS with a list without an end, or no cluster, is none")
{
  toy_server server;
  plain_device device;
  server.behave(fault::lists);
  using Catch::Contains;
  REQUIRE_THROWS_WITH(redis_cluster<>::on<plain_device>(device, toy_config(server)), Contains(server.address()));
}

TEST_CASE("an erasure that does not reach the cluster waits, is nobody's here, and reaches it later")
{
  misled s;
  REQUIRE(s.put(1, {0, 40}).done());
  REQUIRE(s.server.size() != 1);
  s.server.behave(fault::answers, "-CLUSTERDOWN Hash slot not served\r\n");
  s.store.erase({.id = 1});
  const auto flush = s.store.flush();
  REQUIRE(flush);
  REQUIRE_FALSE(s.records.wait(*flush).done());
  REQUIRE(s.store.figures().waiting_erasures == 1);
  REQUIRE(s.store.find({.id = 1}).is == found_record::knowledge::absent);
  REQUIRE_FALSE(s.get(1, {0, 40}).done());
  s.server.behave(fault::none);
  bool flushed = false;
  for (int i = 0; i < 200 && !flushed; ++i) {
    const auto again = s.store.flush();
    REQUIRE(again);
    flushed = s.records.wait(*again).done();
    if (!flushed) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE(flushed);
  REQUIRE(s.store.figures().waiting_erasures == 0);
  REQUIRE(s.server.size() == 1);  // a manifest without tokens
  REQUIRE(s.ask(1).done());
  REQUIRE_FALSE(s.records.find(1));
}

TEST_CASE("values come straight to where they belong, but for what comes with the one before")
{
  misled s([](redis_cluster_config& c) {
    c.value_bytes = (16U << 10U) - 64;
    c.layers = 1;
  });
  REQUIRE(s.put(1, {0, 1200}).done());
  REQUIRE(s.get(1, {0, 1200}).done());
  const cluster_counts counts = s.counts();
  REQUIRE(counts.got_bytes == 300 * record_page_bytes);
  REQUIRE(counts.copied_bytes <= 2 * 4096 + 192);
}
