// What a redis_cluster makes of its servers. Each figure stands beside a bare pipelined hiredis loop over the same bytes in values
// of the same sizes, on the same server, in the same run and in turn; the store checks every byte, the loop none. The cluster is
// the bench's own, on loopback, without replicas. Beside seconds that passed stand those that client and servers computed.
//
//   get, set     whole records by one worker over one connection, at four sizes of values; the loop's pipeline is as deep as
//                the store's bound of bytes. Sets of new names, the old ones taken away then, as a put does; over: the
//                store as before, the loop overwrites; kept: the loop copies what it gets to where it is wanted, as the store does
//   memory       of the server, for each byte kept
//   mooncake     where a Python has it: 64 MiB got in values of the same sizes over TCP, 64 keys a batch, in turn with the store,
//                which gets them as 16 users by four workers
//
// cluster_bench [--quick] [--valkey]   --quick: fewer rounds; --valkey: valkey-server. At the end one line a target:
// TARGET name value wanted met|short. Memory: 1 GB
#include "support/cluster/bare_loop.hpp"
#include "support/cluster/cpu_seconds.hpp"
#include "support/cluster/mooncake.hpp"
#include "support/paired.hpp"
#include "support/target.hpp"
#include "tiers/redis/cluster/real_cluster.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/redis_cluster.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace kvstrata;
using store_type = redis_cluster<>::on<emulated_device>;

constexpr std::size_t kept = 64U << 20U;  // bytes of a record
constexpr std::size_t page = 64U << 10U;
constexpr token_count page_tokens = 16;
constexpr std::size_t users = 16;  // of a batch

record_header header_of(std::uint64_t life, std::size_t bytes = kept)
{
  return {.incarnation = incarnation_id{life},
          .epoch = epoch_id{1},
          .format = kv_format{1},
          .page_tokens = page_tokens,
          .tokens = {0, static_cast<token_count>(bytes / page * page_tokens)}};
}

struct subject
{
  emulated_device device{};
  std::vector<std::byte> memory;
  store_type store;
  std::uint64_t life = 0;

  explicit subject(const redis_cluster_config& c) : memory(kept), store(device, c)
  {
    std::uint64_t x = 1;
    for (std::byte& b : memory)
      b = static_cast<std::byte>((x = x * 6364136223846793005U + 1442695040888963407U) >> 56U);
  }
  void wait(const std::optional<store_promise>& promise)
  {
    if (!promise) throw error("the store is full");
    device.wait_sync(promise->point);
    const auto out = store.poll(*promise);
    if (!out || !out->done()) throw error("an I/O was lost: " + std::string(name_of(out ? out->why : loss::none)));
  }
  void put()
  {
    const io_piece all{memory.data(), memory.size()};
    wait(store.put({.id = 1}, header_of(++life), {&all, 1}, {}));
  }
  void get()
  {
    const io_piece all{memory.data(), memory.size()};
    const record_header header = header_of(life);
    wait(store.get({.id = 1}, header, header.tokens, {&all, 1}, {}));
  }
  /// The same bytes as so many users', all at once.
  template <class Begin>
  void batch(Begin&& begin)
  {
    const record_header header = header_of(1, kept / users);
    std::vector<std::optional<store_promise>> all;
    for (std::size_t user = 0; user < users; ++user) {
      const io_piece one{memory.data() + user * (kept / users), kept / users};
      all.push_back(begin(sequence_key{.id = 100 + user}, header, one));
    }
    for (const auto& promise : all) wait(promise);
  }
  void put_batch()
  {
    batch([&](const sequence_key& key, const record_header& h, const io_piece& one) {
      return store.put(key, h, {&one, 1}, {});
    });
  }
  void get_batch()
  {
    batch([&](const sequence_key& key, const record_header& h, const io_piece& one) {
      return store.get(key, h, h.tokens, {&one, 1}, {});
    });
  }
};

std::vector<::pid_t> processes_of(const kvstrata_test::real_cluster& cluster)
{
  std::vector<::pid_t> out(3);
  for (std::size_t server = 0; server < out.size(); ++server) {
    std::ifstream(cluster.folder() + '/' + std::to_string(cluster.port(server)) + "/pid") >> out[server];
  }
  return out;
}

/// One of the store's figures beside another's, and what both computed.
struct beside
{
  cluster_bench::metered mine, theirs;
  bench::paired_seconds took;

  beside(const cluster_bench::metered& a, const cluster_bench::metered& b, int rounds)
      : mine(a),
        theirs(b),
        took(bench::time_pairs({"store", [this] { mine.run(); }}, {"other", [this] { theirs.run(); }}, rounds))
  {
  }
  beside(const beside&) = delete;
  beside& operator=(const beside&) = delete;

  void print(const char* what, std::uint32_t value, const char* other) const
  {
    const double gb = static_cast<double>(kept) / 1e9;
    std::printf("  %-5s %5u KiB   store %6.2f GB/s (%.2f to %.2f)   %s %6.2f GB/s   store / %s %5.2f (%.2f to %.2f)\n",
                what, value >> 10U, gb / took.subject.median, gb / took.subject.high, gb / took.subject.low, other,
                gb / took.baseline.median, other, took.ratio.median, took.ratio.low, took.ratio.high);
    std::printf(
        "                    computed, client + servers, s/GB: store %.2f + %.2f   %s %.2f + %.2f   %s / store %5.2f\n",
        mine.mine() / gb, mine.theirs() / gb, other, theirs.mine() / gb, theirs.theirs() / gb, other,
        (theirs.mine() + theirs.theirs()) / (mine.mine() + mine.theirs()));
  }
};

std::uint64_t used_memory(const kvstrata_test::real_cluster& cluster, std::size_t server)
{
  const std::string said = cluster.ask(server, "INFO memory");
  const std::size_t at = said.find("used_memory:");
  return at == std::string::npos ? 0 : std::strtoull(said.c_str() + at + 12, nullptr, 10);
}

void measure(const kvstrata_test::real_cluster& cluster, cluster_bench::mooncake* rival, std::uint32_t value,
             int rounds, std::vector<bench::target>& targets)
{
  redis_cluster_config c = cluster.config();
  c.value_bytes = value - 64;
  c.workers = 1;
  c.request_seconds = 30;
  c.known_seconds = 1000;
  c.done_when = cluster_done::acknowledged;
  c.connection_bytes = (std::max)(std::uint64_t{4} << 20U, std::uint64_t{2} * value);
  const std::string size = std::to_string(value >> 10U) + "_kib";
  subject mine(c);

  // The server that has the sequence, and what its memory is before and after.
  const std::string manifest = redis::manifest_key(c.prefix, {.id = 1});
  std::size_t server = 0;
  while (server < 2 && cluster.ask(server, "GET '" + manifest + "'").find("MOVED") != std::string::npos) ++server;
  const std::uint64_t before = used_memory(cluster, server);
  mine.put();
  std::this_thread::sleep_for(std::chrono::seconds(4));  // a server keeps what it read into for two seconds
  const double ratio = static_cast<double>(used_memory(cluster, server) - before) / static_cast<double>(kept);

  const auto password = cluster.password();
  cluster_bench::bare_loop loop("127.0.0.1", static_cast<int>(cluster.port(server)), password->view());
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < kept / (value - 64 - 192) + 1; ++i) {
    keys.push_back(redis::tag_of(c.prefix, {.id = 1}) + "bare" + std::to_string(i));
  }
  std::vector<std::string> others = keys;
  for (std::string& key : others) key += '+';
  const std::size_t bytes = value - 64;
  const std::size_t depth = (std::max)(std::uint64_t{1}, c.connection_bytes / value);
  const std::string_view all(reinterpret_cast<const char*>(mine.memory.data()), mine.memory.size());
  // A put writes beside what it replaces, and takes that away then: so does the loop. One that overwrites goes beside it.
  const auto replace = [&] {
    keys.swap(others);
    loop.set_all(keys, all, bytes, depth);
    loop.remove_all(others);
  };
  const std::vector<::pid_t> servers = processes_of(cluster);
  const beside set({[&] { mine.put(); }, servers}, {replace, servers}, rounds);
  const beside over({[&] { mine.put(); }, servers}, {[&] { loop.set_all(keys, all, bytes, depth); }, servers}, rounds);
  const beside get({[&] { mine.get(); }, servers}, {[&] { loop.get_all(keys, depth); }, servers}, rounds);
  std::vector<std::byte> place(kept);
  const beside keeps({[&] { mine.get(); }, servers}, {[&] { loop.get_all(keys, depth, place); }, servers}, rounds);
  loop.remove_all(keys);
  mine.store.erase({.id = 1});
  mine.wait(mine.store.flush());
  set.print("set", value, "bare");
  over.print("over", value, "bare");
  get.print("get", value, "bare");
  keeps.print("kept", value, "bare");
  if (rival != nullptr) {
    c.workers = 4;
    c.prefix += "b";
    subject many(c);
    many.put_batch();
    rival->put_all(value);
    const beside batch({[&] { many.get_batch(); }, servers},
                       {[&] { rival->get_all(value); }, cluster_bench::processes_below(::getpid())}, rounds);
    batch.print("batch", value, "Mooncake");
    targets.push_back({"get_times_mooncake_" + size, batch.took.ratio.median, bench::better::more, 2});
    for (std::size_t user = 0; user < users; ++user) many.store.erase({.id = 100 + user});
    many.wait(many.store.flush());
  }
  std::printf("  memory of the server for each byte kept: %.3f\n\n", ratio);
  targets.push_back({"get_share_of_bare_" + size, get.took.ratio.median, bench::better::more, 0.9});
  targets.push_back({"set_share_of_bare_" + size, set.took.ratio.median, bench::better::more, 0.9});
  targets.push_back({"server_memory_per_byte_" + size, ratio, bench::better::less, 1.05});
}

}  // namespace

int main(int count, char** words)
{
  try {
    const auto has = [&](std::string_view word) {
      return std::any_of(words + 1, words + count, [&](const char* w) { return word == w; });
    };
    std::string why;
    const auto cluster = kvstrata_test::real_cluster::make(
        why, std::string("--replicas 0 --maxmemory 1gb") + (has("--valkey") ? " --valkey" : ""));
    if (!cluster) {
      std::printf("SKIPPED: %s\n", why.c_str());
      return 0;
    }
    const auto rival = cluster_bench::mooncake::make(why);
    if (!rival) std::printf("  without Mooncake: %s\n", why.c_str());
    std::vector<bench::target> targets;
    for (const std::uint32_t value : {64U << 10U, 256U << 10U, 1U << 20U, 4U << 20U}) {
      measure(*cluster, rival.get(), value, has("--quick") ? 5 : 15, targets);
    }
    for (const bench::target& t : targets) bench::print(t);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cluster_bench: %s\n", e.what());
    return 1;
  }
}
