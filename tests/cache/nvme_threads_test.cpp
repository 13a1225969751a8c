// Threads over the shards of one cache over one nvme_file, in real time, each with users of its own whose rows it checks; then
// the store is opened again, and they go on.
#include "cache/nvme_bed.hpp"

#include <kvstrata/device/arrival.hpp>
#include <kvstrata/sharded/sharded.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using shards = sharded<nvme_cache<write_back>>;

/// One thread: its users, and what they have said so far.
class client
{
 public:
  client(moody_device& device, unsigned number)
      : device_(device), stream_(device.create_stream("compute")), model_(device, 0), number_(number)
  {
  }

  void run(shards& cache, unsigned rounds)
  {
    constexpr unsigned users = 8;
    for (unsigned round = 0; round < rounds; ++round) {
      for (unsigned u = 0; u < users; ++u) {
        if (u == 5 && round % 2 == 1) {
          cache.erase(user_id{100 * number_ + u});
          texts_[u].rewrite(0);
          known_[u] = 0;
        }
        known_[u] = std::min<token_count>(48, known_[u] + 7);
        serve(cache, u, known_[u]);
      }
    }
    device_.wait_sync(device_.record(stream_));
  }
  [[nodiscard]] const findings& found() const noexcept { return model_.found(); }

 private:
  void serve(shards& cache, unsigned u, token_count history)
  {
    const unsigned user = 100 * number_ + u;
    const std::vector<std::uint64_t> hashes = texts_[u].prefix_hashes(user, history);
    request r{.user = user_id{user}, .history_tokens = history};
    if (u % 2 == 1) r.fingerprint = {1, hashes};
    for (;;) {
      auto lease = cache.prepare({&r, 1}, stream_);
      if (!lease) {
        if (lease.why().why == pressure::reason::arriving) device_.wait_sync(arrival_of(lease.why()));
        else std::this_thread::yield();
        continue;
      }
      const page_table_view view = lease->view();
      const auto computed = lease->compute(0);
      auto work = std::make_shared<lease_work>();
      work->value_offset = view.value_offset();
      work->layer_stride = view.where.layer_stride;
      for (token_count t = 0; t < history; ++t) {
        const bool writes =
            std::any_of(computed.begin(), computed.end(), [t](token_interval piece) { return piece.contains(t); });
        work->cells.push_back(
            {.key = view.key(0, 0, t), .tag = hashes[t], .user = r.user, .token = t, .writes = writes});
      }
      for (layer_index layer = 0; layer < tiny.layers; ++layer) {
        lease->wait(layer);
        model_.launch(stream_, layer, work);
        lease->layer_done(layer);
      }
      lease->commit();
      return;
    }
  }

  moody_device& device_;
  stream_id stream_;
  tiny_model model_;
  unsigned number_;
  std::map<unsigned, user_text> texts_;
  std::map<unsigned, token_count> known_;
};

}  // namespace

TEST_CASE("several threads serve from the shards of one cache over one nvme_file", "[cache][threads]")
{
  constexpr unsigned threads = 3;
  scratch_files folder;
  moody_device device({.check_ordering = true, .poison_freed = true});
  nvme_file_config how = tiny_nvme(24);
  how.paths = {folder.path("drive a"), folder.path("drive b")};
  how.workers = 2;
  how.direct = true;
  std::vector<std::unique_ptr<client>> clients;
  for (unsigned t = 0; t < threads; ++t) clients.push_back(std::make_unique<client>(device, 1 + t));
  bool has_records = false;
  for (int life = 0; life < 2; ++life) {
    CAPTURE(life);
    tiny_drive<nvme_cache<write_back>> drive(device, how);
    CHECK(drive.figures().recovery.torn == 0);
    has_records = drive.figures().records != 0;
    nvme_cache<write_back>::config c{.shape = tiny};
    c.layout.page_tokens = tiny_page;
    std::get<0>(c.tiers) = {.bytes = 48 * tiny_page_bytes, .slack = 0};
    std::get<1>(c.tiers).bytes = 60 * tiny_page_bytes;
    std::get<2>(c.tiers).store = &drive;
    c.stores.room_bytes = 120 * tiny_page_bytes;
    shards cache(device, c, 2);
    std::vector<std::thread> all;
    for (const auto& one : clients) all.emplace_back([&cache, &one] { one->run(cache, 4); });
    for (std::thread& one : all) one.join();
    const cache_stats s = cache.stats();
    if (has_records) CHECK(s.stores[store_level].gets != 0);
    CHECK(s.leases == 0);
    for (level_index i = 0; i < 2; ++i) {
      CHECK(s.levels[i].free_bytes + s.levels[i].resident_bytes + s.levels[i].in_flight_bytes ==
            s.levels[i].capacity_bytes);
    }
    cache.close();
    const nvme::store_counts counts = drive.figures().counts;
    CHECK(counts.puts != 0);
    CHECK(counts.lost_checksum + counts.lost_io == 0);
  }
  for (const auto& one : clients) {
    INFO(one->found().first());
    CHECK(one->found().count() == 0);
  }
  CHECK(device.violations().empty());
}
