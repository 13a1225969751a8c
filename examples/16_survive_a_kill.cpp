// A store on a drive, and a process that is killed: what was durable is served by the next one, and nothing wrong is.
//
// A child serves users whose tokens go down to a file as they are committed. After each round it waits until they are durable,
// and says how many. It is killed (SIGKILL) while it works on the next round; the parent opens the file and serves the same
// users. Every row is checked; who was erased is not there. In real time, on real files.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/arrival.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
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
constexpr token_count shortest = 320, more = 48;  // a history, and what each round adds to it
constexpr unsigned rounds = 6;

// What comes down to the store, and when, is said on the store, as on any tier.
using my_tiers = tier_stack<device_slab<D>, pinned_arena<token_write_through>, nvme_file<token_write_through>>;
using cache_type = cache<my_tiers, paged_layout, layerwise_transfer<batched_copy<>>, lru>;
using drive = nvme_file<>::on<D>;

nvme_file_config config_of(const std::string& path)
{
  return {.paths = {path},              // or block devices, or several of one size: the store is striped over them
          .bytes = 256ULL << 20U,       // taken at once, so that no later write finds the disk full
          .region_bytes = 8ULL << 20U,  // written from front to back, evicted as one
          .chunk_bytes = 1ULL << 20U,
          .layers = kv_shape.layers};
}

std::uint64_t word_of(user_id user, layer_index layer, token_count token)
{
  return (to_number(user) * 1'000'003 + layer) * 1'000'003 + token;
}

// Serves one user: the rows that the cache has are checked, the others written. Returns the tokens that it had.
token_count serve(D& device, stream_id compute, cache_type& cache, user_id user, token_count history,
                  std::atomic<std::uint64_t>& wrong)
{
  const request r{.user = user, .history_tokens = history};
  auto lease = cache.prepare({&r, 1}, compute);
  while (!lease) {  // on its way from the drive; a server would serve others meanwhile
    if (lease.why().why == pressure::reason::arriving) device.wait_sync(arrival_of(lease.why()));
    lease = cache.prepare({&r, 1}, compute);
  }
  const page_table_view view = lease->view();
  for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
    struct row
    {
      std::uint64_t* at;
      bool is_new;
    };
    std::vector<row> rows;
    for (token_count t = 0; t < history; ++t) {
      rows.push_back({reinterpret_cast<std::uint64_t*>(view.key(layer, 0, t)), false});
    }
    for (const token_interval piece : lease->compute(0)) {
      for (token_count t = piece.begin; t < piece.end; ++t) rows[t].is_new = true;
    }
    lease->wait(layer);
    device.launch(compute, {.label = "layer"}, [rows, user, layer, &wrong] {
      for (token_count t = 0; t < rows.size(); ++t) {
        if (rows[t].is_new) *rows[t].at = word_of(user, layer, t);
        else if (*rows[t].at != word_of(user, layer, t)) ++wrong;
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

// A device, a drive and a cache over it.
struct server
{
  D device;
  stream_id compute = device.create_stream("compute");
  drive store;
  cache_type cache;
  std::atomic<std::uint64_t> wrong = 0;

  explicit server(const std::string& path)
      : store(device, config_of(path)),
        cache(device, {.shape = kv_shape,
                       .tiers = {{.bytes = 60 * page}, {.bytes = 120 * page}, {.store = &store}},
                       .layout = {.page_tokens = page_tokens},
                       .stores = {.room_bytes = 240 * page}})
  {
  }
};

// Killed before it returns, unless something is wrong. Tells how many tokens are durable, after each round.
int serve_until_killed(const std::string& path, int told)
{
  server s(path);
  for (unsigned round = 0; round < rounds; ++round) {
    for (std::uint64_t u = 0; u < users; ++u) {
      if (round == 0 || u != erased_user) {
        serve(s.device, s.compute, s.cache, user_id{u}, shortest + round * more, s.wrong);
      }
    }
    s.cache.drain_sync();  // all that was committed has gone down; to the kernel, not yet to the drive
    if (round == 0) s.cache.erase(user_id{erased_user});
    std::optional<store_promise> flush;
    while (!flush) flush = s.store.flush();
    s.device.wait_sync(flush->point);
    if (const auto outcome = s.store.poll(*flush); !outcome || !outcome->done() || s.wrong != 0) return 1;
    std::uint64_t durable = 0;
    for (std::uint64_t u = 0; u < users; ++u) durable += s.store.durable_tokens(key_of(user_id{u}));
    if (::write(told, &durable, sizeof durable) != sizeof durable) return 1;
  }
  for (;;) ::pause();
}

int main()
{
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("kvstrata_16_" + std::to_string(::getpid()));
  int ends[2];
  if (::pipe(ends) != 0) return 1;
  const pid_t child = ::fork();  // before there is any thread: none of them would be in the child
  if (child < 0) return 1;
  if (child == 0) {
    ::close(ends[0]);
    try {
      ::_exit(serve_until_killed(path.string(), ends[1]));
    } catch (const std::exception& e) {
      std::fprintf(stderr, "the child: %s\n", e.what());
    }
    ::_exit(1);
  }
  ::close(ends[1]);
  std::uint64_t durable = 0, said = 0;
  while (said < 3 && ::read(ends[0], &durable, sizeof durable) == sizeof durable) ++said;
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);

  bool well = said == 3 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && durable != 0;
  if (well) {
    server s(path.string());
    const nvme::recovery_figures found = s.store.figures().recovery;
    std::uint64_t had = 0, had_of_erased = 0;
    for (std::uint64_t u = 0; u < users; ++u) {
      const token_count mine = serve(s.device, s.compute, s.cache, user_id{u}, shortest + (rounds - 1) * more, s.wrong);
      (u == erased_user ? had_of_erased : had) += mine;
    }
    const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("killed: %llu tokens were durable; found %llu records, looked at %llu of them, %llu were torn\n",
                number(durable), number(found.records), number(found.verified + found.torn), number(found.torn));
    std::printf("served from the drive: %llu tokens, %llu rows wrong; of the erased user: %llu\n", number(had),
                number(s.wrong), number(had_of_erased));
    well = had >= durable && s.wrong == 0 && had_of_erased == 0;
    s.cache.close();
    s.store.close();
  }
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return well ? 0 : 1;
}
