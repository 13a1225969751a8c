// A store in a cluster: two processes serve the same users, and each finds what the other computed.
//
// ./dev cluster up starts one on this machine; or name a server: example_20_cluster 10.0.0.1:7001, with its password in a file
// that KVSTRATA_CLUSTER_PASSWORD_FILE names. A child serves all users and ends; the parent, which never saw them, serves them
// longer; who was erased is nobody's. Every row is checked. In real time, over real sockets.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/arrival.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/redis/local_cluster.hpp>
#include <kvstrata/tiers/redis_cluster.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace kvstrata;
using D = emulated_device;

constexpr geometry kv_shape{.layers = 4, .kv_heads = 1, .head_dim = 128, .element = element_type::bf16};
constexpr token_count page_tokens = 32;
constexpr std::size_t page = page_bytes(kv_shape, page_tokens);
constexpr std::uint64_t users = 24, erased_user = 7;

using my_tiers = tier_stack<device_slab<D>, pinned_arena<token_write_through>, redis_cluster<token_write_through>>;
using cache_type = cache<my_tiers, paged_layout, layerwise_transfer<batched_copy<>>, lru>;
using cluster = redis_cluster<>::on<D>;

std::uint64_t word_of(user_id user, layer_index layer, token_count token)
{
  return (to_number(user) * 1'000'003 + layer) * 1'000'003 + token;
}

// A process: a device, its own connection to the cluster, and a cache over it.
struct server
{
  D device;
  stream_id compute = device.create_stream("compute");
  cluster store;
  cache_type cache;
  std::atomic<std::uint64_t> wrong = 0;

  explicit server(const redis_cluster_config& c)
      : store(device, c),
        cache(device, {.shape = kv_shape,
                       .tiers = {{.bytes = 60 * page}, {.bytes = 120 * page}, {.store = &store}},
                       .layout = {.page_tokens = page_tokens},
                       .stores = {.room_bytes = 240 * page}})
  {
  }

  // Serves one user: the rows that the cache has are checked, the others written. Returns the tokens that it had.
  token_count serve(user_id user, token_count history)
  {
    const request r{.user = user, .history_tokens = history};
    auto lease = cache.prepare({&r, 1}, compute);
    while (!lease) {  // on its way from the cluster; a server would serve others meanwhile
      if (lease.why().why == pressure::reason::arriving) device.wait_sync(arrival_of(lease.why()));
      lease = cache.prepare({&r, 1}, compute);
    }
    const page_table_view view = lease->view();
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      std::vector<std::pair<std::uint64_t*, bool>> rows;  // where each is, and whether it is new
      for (token_count t = 0; t < history; ++t) {
        rows.emplace_back(reinterpret_cast<std::uint64_t*>(view.key(layer, 0, t)), false);
      }
      for (const token_interval piece : lease->compute(0)) {
        for (token_count t = piece.begin; t < piece.end; ++t) rows[t].second = true;
      }
      lease->wait(layer);
      device.launch(compute, {.label = "layer"}, [rows, user, layer, this] {
        for (token_count t = 0; t < rows.size(); ++t) {
          if (rows[t].second) *rows[t].first = word_of(user, layer, t);
          else if (*rows[t].first != word_of(user, layer, t)) ++wrong;
        }
      });
      lease->layer_done(layer);
    }
    const token_count had = history - lease->sources(0).computed;
    lease->commit();
    lease->release();
    device.wait_sync(device.record(compute));
    return had;
  }

  // Erases somebody, and waits until no process finds them any more.
  bool erase(user_id user)
  {
    cache.erase(user);
    std::optional<store_promise> flush;
    while (!flush) flush = store.flush();
    device.wait_sync(flush->point);
    const auto outcome = store.poll(*flush);
    return outcome && outcome->done();
  }
};

// The first process: serves all users, erases one, and ends.
int serve_first(const redis_cluster_config& c)
{
  server s(c);
  for (std::uint64_t u = 0; u < users; ++u) s.serve(user_id{u}, 320);
  s.cache.drain_sync();  // all that was committed has gone down
  const bool well = s.erase(user_id{erased_user}) && s.wrong == 0;
  s.cache.close();
  return well ? 0 : 1;
}

int main(int count, char** words)
{
  std::string address;
  if (count > 1) address = words[1];
  else if (const auto local = redis::local_cluster()) address = to_string(*local);
  else {
    std::printf("SKIPPED: there is no cluster; ./dev cluster up starts one\n");
    return 0;
  }
  try {
    redis_cluster_config c = redis::cluster_config_of(address);
    c.layers = kv_shape.layers;
    c.value_bytes = (64U << 10U) - 64;
    c.prefix = "example" + std::to_string(::getpid());  // whose states are shared have one prefix
    const pid_t child = ::fork();  // before there is any thread: none of them would be in the child
    if (child < 0) return 1;
    if (child == 0) {
      try {
        ::_exit(serve_first(c));
      } catch (const std::exception& e) {
        std::fprintf(stderr, "the child: %s\n", e.what());
      }
      ::_exit(1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;

    server s(c);
    std::uint64_t had = 0, had_of_erased = 0;
    for (std::uint64_t u = 0; u < users; ++u) {
      (u == erased_user ? had_of_erased : had) += s.serve(user_id{u}, 400);
    }
    const redis::cluster_counts counts = s.store.figures().counts;
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("of %llu users: %llu tokens of another process, %llu rows wrong; of the erased user: %llu\n",
                number(users), number(had), number(s.wrong), number(had_of_erased));
    std::printf("%llu gets brought %llu bytes over %llu connections\n", number(counts.gets), number(counts.got_bytes),
                number(counts.connections));
    bool well = had == (users - 1) * 320 && s.wrong == 0 && had_of_erased == 0;
    for (std::uint64_t u = 0; u < users; ++u) well = s.erase(user_id{u}) && well;  // it leaves nothing behind
    s.cache.close();
    return well ? 0 : 1;
  } catch (const error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
