// Several stores over one cluster, as processes share it: who finds what of whom, who is outdone, what an erasure reaches; and
// values that are not what they should be.
#include "support/catch.hpp"
#include "support/plain_device.hpp"
#include "tiers/redis/cluster/real_cluster.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/tiers/redis_cluster.hpp>

#include <memory>
#include <optional>
#include <string>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// A process, as far as its store is concerned.
struct member
{
  plain_device device{};
  redis_cluster<>::on<plain_device> store;
  store_bed<redis_cluster<>::on<plain_device>, plain_device> records;

  explicit member(const redis_cluster_config& c) : store(device, c), records(device, store) {}

  [[nodiscard]] store_outcome put(std::uint64_t id, const record_header& header)
  {
    records.write(0, id, to_number(header.incarnation), header.tokens);
    const auto promise = store.put({.id = id}, header, records.pieces(0, header.pages().size()), {});
    REQUIRE(promise);
    return records.wait(*promise);
  }
  /// Asked anew.
  [[nodiscard]] std::optional<record_header> heard(std::uint64_t id)
  {
    const auto asked = store.ask({.id = id});
    REQUIRE(asked);
    REQUIRE(records.wait(*asked).done());
    return records.find(id);
  }
  [[nodiscard]] bool has(std::uint64_t id, std::uint64_t life, token_interval tokens)
  {
    const auto found = heard(id);
    if (!found || to_number(found->incarnation) != life || !(found->tokens == tokens)) return false;
    const auto get = records.get(200, id, *found, tokens);
    REQUIRE(get);
    return records.wait(*get).done() && records.shows(200, id, life, tokens);
  }
  [[nodiscard]] bool flush()
  {
    const auto all = store.flush();
    REQUIRE(all);
    return records.wait(*all).done();
  }
};

redis_cluster_config of_tests(const real_cluster& cluster)
{
  redis_cluster_config c = cluster.config();
  c.layers = 2;
  c.value_bytes = 1024 - 64;
  c.known_seconds = 1000;
  return c;
}

}  // namespace

TEST_CASE("what one store puts another finds, byte by byte, and appends to")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  const redis_cluster_config c = of_tests(*cluster);
  member a(c);
  member b(c);
  for (std::uint64_t id = 1; id <= 30; ++id) REQUIRE(a.put(id, record_of(id, {0, 9})).done());
  for (std::uint64_t id = 1; id <= 30; ++id) REQUIRE(b.has(id, id, {0, 9}));
  for (std::uint64_t id = 1; id <= 30; ++id) REQUIRE(b.put(id, record_of(id, {8, 90})).done());
  for (std::uint64_t id = 1; id <= 30; ++id) REQUIRE(a.has(id, id, {0, 90}));
  member late(c);  // one that never saw them
  for (std::uint64_t id = 1; id <= 30; ++id) REQUIRE(late.has(id, id, {0, 90}));
  const redis::cluster_counts counts = late.store.figures().counts;
  REQUIRE(counts.gets == 30);
  REQUIRE(counts.got_bytes == 30 * 23 * record_page_bytes);
  REQUIRE(counts.missing + counts.foreign + counts.damaged + counts.older == 0);
}

TEST_CASE("of two that write one sequence the life that began later stays, whoever writes last")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  const redis_cluster_config c = of_tests(*cluster);
  member a(c);
  member b(c);
  REQUIRE(a.put(1, record_of(10, {0, 8})).done());
  REQUIRE(b.put(1, record_of(20, {0, 12})).done());
  REQUIRE(a.put(1, record_of(10, {8, 16})).why == loss::gone);
  REQUIRE(a.store.figures().counts.outdone == 1);
  REQUIRE(a.has(1, 20, {0, 12}));
  REQUIRE(b.has(1, 20, {0, 12}));
}

TEST_CASE("an older model's puts come too late, and its tokens are not asked for")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  const redis_cluster_config c = of_tests(*cluster);
  member a(c);
  member b(c);
  REQUIRE(a.put(1, record_of(10, {0, 8})).done());
  record_header newer = record_of(10, {0, 4});
  newer.epoch = epoch_id{8};
  REQUIRE(b.put(1, newer).done());
  REQUIRE(a.put(1, record_of(10, {8, 12})).why == loss::gone);
  REQUIRE(a.heard(1)->epoch == epoch_id{8});
}

TEST_CASE("once erase is done no process finds anything, and none brings it back")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  const redis_cluster_config c = of_tests(*cluster);
  member a(c);
  member b(c);
  member remembers(c);  // what it heard it goes on believing
  REQUIRE(a.put(1, record_of(10, {0, 40})).done());
  REQUIRE(a.put(2, record_of(10, {0, 40})).done());
  REQUIRE(b.put(1, record_of(10, {40, 44})).done());
  REQUIRE(remembers.has(1, 10, {0, 44}));
  a.store.erase({.id = 1});
  REQUIRE(a.flush());
  REQUIRE(a.store.figures().counts.erasures == 1);
  REQUIRE(a.store.figures().waiting_erasures == 0);
  REQUIRE_FALSE(a.heard(1));
  REQUIRE_FALSE(b.heard(1));
  const auto get = remembers.records.get(0, 1, *remembers.records.find(1), {0, 44});
  REQUIRE(get);
  REQUIRE(remembers.records.wait(*get).why == loss::gone);               // the values are gone, too
  REQUIRE(remembers.put(1, record_of(10, {44, 48})).why == loss::gone);  // it has not heard of it
  REQUIRE_FALSE(member(c).heard(1));
  REQUIRE(a.has(2, 10, {0, 40}));
  REQUIRE(a.put(1, record_of(30, {0, 8})).done());  // who erased it begins anew
  REQUIRE(b.has(1, 30, {0, 8}));
  std::size_t left = 0;
  for (std::size_t server = 0; server < 3; ++server) {
    const std::string keys = cluster->ask(server, "--scan --pattern '" + c.prefix + "{0.1}e7.a.*'");
    left += keys.size();
  }
  REQUIRE(left == 0);
}

TEST_CASE("a life that an erasure ended is refused, by whoever and whatever they remember")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  redis_cluster_config c = of_tests(*cluster);
  member b(c);
  const auto forget_by = [](member& m) { REQUIRE(m.put(2, record_of(11, {0, 8})).done()); };
  const auto erase_by_another = [&b] {
    b.store.erase({.id = 1});
    REQUIRE(b.flush());
  };

  SECTION("where the process remembers nothing of the sequence")
  {
    c.known_sequences = 1;
    member a(c);
    REQUIRE(a.put(1, record_of(10, {0, 40})).done());
    forget_by(a);
    erase_by_another();
    REQUIRE_FALSE(a.heard(1));
    REQUIRE(a.put(1, record_of(10, {40, 44})).why == loss::gone);
    REQUIRE_FALSE(member(c).heard(1));
    REQUIRE(a.put(1, record_of(12, {0, 8})).done());
    REQUIRE(b.has(1, 12, {0, 8}));
  }
  SECTION("where another life of the process came between")
  {
    member a(c);
    REQUIRE(a.put(1, record_of(10, {0, 40})).done());
    erase_by_another();
    REQUIRE_FALSE(a.heard(1));
    REQUIRE(a.put(1, record_of(20, {0, 8})).done());
    REQUIRE(a.put(1, record_of(10, {40, 44})).why == loss::gone);
    REQUIRE(b.has(1, 20, {0, 8}));
    erase_by_another();  // and once more: both are over
    for (const std::uint64_t life : {10U, 20U}) {
      REQUIRE_FALSE(a.heard(1));
      REQUIRE(a.put(1, record_of(life, {0, 4})).why == loss::gone);
    }
    REQUIRE_FALSE(b.heard(1));
  }
  SECTION("where the process had it from another")
  {
    member a(c);
    REQUIRE(b.put(1, record_of(10, {0, 40})).done());
    REQUIRE(a.has(1, 10, {0, 40}));
    erase_by_another();
    REQUIRE_FALSE(a.heard(1));
    REQUIRE(a.put(1, record_of(10, {0, 40})).why == loss::gone);
    REQUIRE_FALSE(member(c).heard(1));
  }
  SECTION("where its values had gone before")
  {
    c.known_sequences = 1;
    member a(c);
    REQUIRE(a.put(1, record_of(10, {0, 40})).done());
    for (std::size_t server = 0; server < 3; ++server) {
      const std::string keys =
          cluster->ask(server, "--scan --pattern '" + redis::tag_of(c.prefix, {.id = 1}) + "e*.0.0'");
      if (keys.size() > 10) static_cast<void>(cluster->ask(server, "UNLINK '" + keys.substr(0, keys.find('\n')) + "'"));
    }
    const auto header = b.heard(1);
    REQUIRE(header);
    const auto get = b.records.get(0, 1, *header, {0, 40});
    REQUIRE(get);
    REQUIRE(b.records.wait(*get).why == loss::gone);
    forget_by(a);
    erase_by_another();
    REQUIRE_FALSE(a.heard(1));
    REQUIRE(a.put(1, record_of(10, {0, 40})).why == loss::gone);
    REQUIRE_FALSE(member(c).heard(1));
  }
  SECTION("where it had been refused once")
  {
    c.known_sequences = 1;
    member a(c);
    erase_by_another();
    REQUIRE(a.put(1, record_of(10, {0, 40})).why == loss::gone);  // a has not heard of it
    forget_by(a);
    REQUIRE_FALSE(a.heard(1));
    REQUIRE(a.put(1, record_of(10, {0, 40})).why == loss::gone);
    REQUIRE_FALSE(member(c).heard(1));
  }
  SECTION("where it is the life of who erased it")
  {
    REQUIRE(b.put(1, record_of(10, {0, 40})).done());
    erase_by_another();
    REQUIRE(b.put(1, record_of(10, {0, 40})).why == loss::gone);
    REQUIRE_FALSE(member(c).heard(1));
  }
}

TEST_CASE("a life that began after an erasure goes on, though its process has forgotten that it heard of that")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  redis_cluster_config c = of_tests(*cluster);
  member b(c);
  b.store.erase({.id = 1});
  REQUIRE(b.flush());
  REQUIRE(b.put(1, record_of(10, {0, 8})).done());
  c.known_sequences = 1;
  member a(c);
  REQUIRE(a.put(1, record_of(10, {8, 16})).done());
  REQUIRE(b.has(1, 10, {0, 16}));
}

TEST_CASE("a value that is gone, damaged, cut, another's or nonsense is a miss, and then nobody's")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  const redis_cluster_config c = of_tests(*cluster);
  const auto on_its_server = [&](std::uint64_t id, const std::string& command) {
    for (std::size_t server = 0; server < 3; ++server) {
      const std::string said = cluster->ask(server, command);
      if (said.find("MOVED") == std::string::npos) return said;
    }
    FAIL("no server takes " << command << " of sequence " << id);
    return std::string();
  };
  struct fault
  {
    const char* name;
    std::string command;  // of @key
    std::uint64_t redis::cluster_counts::* counted;
    loss why;
  };
  const fault faults[] = {
      {"gone", "DEL @key", &redis::cluster_counts::missing, loss::gone},
      {"damaged", "SETRANGE @key 300 XYZ", &redis::cluster_counts::damaged, loss::checksum},
      {"its head", "SETRANGE @key 40 XYZ", &redis::cluster_counts::foreign, loss::checksum},
      {"cut", "SET @key short", &redis::cluster_counts::foreign, loss::checksum},
      {"too long", "APPEND @key x", &redis::cluster_counts::foreign, loss::checksum},
      {"another's", "EVAL \"redis.call('SET',KEYS[1],redis.call('GET',KEYS[2]))\" 2 @key @other",
       &redis::cluster_counts::foreign, loss::checksum},
  };
  std::uint64_t id = 1;
  for (const fault& f : faults) {
    CAPTURE(f.name);
    ++id;
    member a(c);
    REQUIRE(a.put(id, record_of(5, {0, 64})).done());
    member b(c);
    const auto header = b.heard(id);
    REQUIRE(header);
    std::string keys;
    for (std::size_t server = 0; server < 3; ++server) {
      keys += cluster->ask(server, "--scan --pattern '" + redis::tag_of(c.prefix, {.id = id}) + "e*.1.0'");
    }
    const std::string key = keys.substr(0, keys.find('\n'));  // of layer 1
    REQUIRE(key.size() > 10);
    const auto put_in = [](std::string in, const std::string& what, const std::string& with) {
      for (std::size_t at = 0; (at = in.find(what, at)) != std::string::npos; at += with.size())
        in.replace(at, what.size(), with);
      return in;
    };
    const std::string command =
        put_in(put_in(f.command, "@key", "'" + key + "'"), "@other", "'" + key.substr(0, key.size() - 3) + "0.0'");
    static_cast<void>(on_its_server(id, command));
    const auto get = b.records.get(0, id, *header, {0, 64});
    REQUIRE(get);
    REQUIRE(b.records.wait(*get).why == f.why);
    const redis::cluster_counts counts = b.store.figures().counts;
    REQUIRE(counts.*f.counted == 1);
    REQUIRE_FALSE(b.heard(id));
    REQUIRE_FALSE(a.heard(id));
    REQUIRE(a.put(id, record_of(5, {0, 64})).done());
    REQUIRE(b.has(id, 5, {0, 64}));
  }
}

TEST_CASE("a manifest that is nonsense, or older than known, is nothing")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  const redis_cluster_config c = of_tests(*cluster);
  member a(c);
  REQUIRE(a.put(1, record_of(5, {0, 8})).done());
  const std::string key = redis::manifest_key(c.prefix, {.id = 1});
  const auto everywhere = [&](const std::string& command) {
    for (std::size_t server = 0; server < 3; ++server) static_cast<void>(cluster->ask(server, command));
  };
  everywhere("COPY '" + key + "' '" + key + "old'");
  REQUIRE(a.put(1, record_of(5, {8, 16})).done());
  everywhere("COPY '" + key + "old' '" + key + "' REPLACE");  // as a server that was away does
  REQUIRE_FALSE(a.heard(1));
  REQUIRE(a.store.figures().counts.older != 0);
  REQUIRE(member(c).has(1, 5, {0, 8}));              // who knows no better takes it, and its values are what they say
  REQUIRE(a.put(1, record_of(5, {16, 20})).done());  // a gap: what is new stands for itself
  REQUIRE(a.has(1, 5, {16, 20}));
  everywhere("SET '" + key + "' nonsense");
  REQUIRE_FALSE(a.heard(1));
  REQUIRE(a.store.figures().counts.foreign != 0);
  REQUIRE(a.put(1, record_of(6, {0, 4})).done());
  REQUIRE(member(c).has(1, 6, {0, 4}));
}

TEST_CASE("a get by layers passes its points in the order of layers")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  redis_cluster_config c = of_tests(*cluster);
  c.layers = 4;
  member a(c);
  REQUIRE(a.put(1, record_of(5, {0, 400})).done());
  const auto header = a.heard(1);
  REQUIRE(header);
  std::vector<event> layers;
  const auto into = a.records.pieces(200, 100);
  const auto get = a.store.get_by_layer({.id = 1}, *header, {0, 400}, into, {}, layers);
  REQUIRE(get);
  REQUIRE(layers.size() == 4);
  for (std::uint32_t l = 0; l < 4; ++l) {
    a.device.wait_sync(layers[l]);
    bool good = true;  // the layer's quarter of each page is there
    for (std::size_t p = 0; p < 100; ++p) {
      for (std::size_t i = 0; i < record_page_bytes / 4; ++i) {
        const std::size_t at = l * record_page_bytes / 4 + i;
        const auto token = static_cast<token_count>(p * record_page + at / record_token_bytes);
        good = good && a.records.page(200 + p)[at] == record_byte(1, 5, token, at % record_token_bytes);
      }
    }
    REQUIRE(good);
  }
  REQUIRE(a.records.wait(*get).done());
}

TEST_CASE("what is asked for wrongly is refused with a sentence, and no sentence has the password")
{
  KVSTRATA_NEED_CLUSTER(cluster);
  emulated_device d;
  const auto refused = [&](auto&& change) {
    redis_cluster_config c = cluster->config();
    change(c);
    try {
      const redis_cluster<>::on<emulated_device> store(d, c);
    } catch (const error& e) {
      return std::string(e.what());
    }
    return std::string("taken");
  };
  using Catch::Contains;
  const std::string password(cluster->password()->view());
  REQUIRE_THAT(refused([](auto& c) { c.addresses = {"127.0.0.1:1"}; }), Contains("127.0.0.1:1") && Contains("refused"));
  REQUIRE_THAT(refused([](auto& c) { c.addresses.clear(); }), Contains("redis_cluster.addresses"));
  REQUIRE_THAT(refused([](auto& c) { c.addresses = {"nonsense"}; }), Contains("nonsense"));
  REQUIRE_THAT(refused([](auto& c) {
                 c.addresses = {"192.0.2.1:7001"};
                 c.password = nullptr;
               }),
               Contains("without_password"));
  REQUIRE_THAT(refused([](auto& c) { c.password = redis::secret::of("swordfish"); }),
               Contains("password is refused (WRONGPASS)") && !Contains("swordfish"));
  REQUIRE_THAT(refused([](auto& c) { c.user = "nobody"; }), Contains("password is refused") && !Contains(password));
  REQUIRE_THAT(refused([](auto& c) { c.password = nullptr; }), Contains("NOAUTH"));
  REQUIRE_THAT(refused([](auto& c) { c.value_bytes = 65536; }), Contains("2^n - 64"));
  REQUIRE_THAT(refused([](auto& c) { c.prefix = "a{b"; }), Contains("braces"));
  REQUIRE_THAT(refused([](auto& c) { c.server_bytes = 1; }), Contains("connection_bytes"));
  if (!KVSTRATA_REDIS_HAS_TLS) REQUIRE_THAT(refused([](auto& c) { c.tls.on = true; }), Contains("hiredis_ssl"));
  redis_cluster_config away = cluster->config();
  away.addresses = {"127.0.0.1:1"};
  away.may_be_away = true;
  redis_cluster<>::on<emulated_device> store(d, away);
  REQUIRE(store.find({.id = 1}).is == found_record::knowledge::unknown);
}
