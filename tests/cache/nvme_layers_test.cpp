// A provisional lease over a store that gives layer by layer: layer l is computed while later ones are still on the drive.
#include "cache/late_bed.hpp"
#include "cache/nvme_bed.hpp"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

constexpr double drive_seconds = 0.3;    // of a get of the user
constexpr double compute_seconds = 0.1;  // of a layer
constexpr token_count history = 32;

nvme_file_config drive_of(std::uint32_t layers)
{
  nvme_file_config c = tiny_nvme();
  c.layers = layers;
  c.known_headers = 1000;
  c.seconds = 0;
  c.bytes_per_second = static_cast<double>(history) / tiny_page * tiny_page_bytes / drive_seconds;
  return c;
}

/// The user's records are in the store alone.
struct layers_scene : nvme_scene<>
{
  explicit layers_scene(std::uint32_t layers) : nvme_scene<>(drive_of(layers)), late(device.create_stream("late"))
  {
    serve(1, history);
    for (unsigned u = 100; u < 107; ++u) serve(u, 32);
    settle();
    cache->drain_sync();
  }

  stream_id late;
};

/// What a lease of the user takes, from prepare to the end of the last layer.
std::pair<double, lease_outcome> served(layers_scene& s)
{
  const double begin = s.device.now();
  auto lease = begin_late(s, {{1, history}}, s.late, true, 0, compute_seconds);
  REQUIRE(lease);
  REQUIRE(lease.sources[0].from[store_level] >= history - 1);
  lease.lease->commit();
  lease.lease->release();
  s.device.wait_sync(s.device.record(s.late));
  const double seconds = s.device.now() - begin;
  CHECK_FALSE(lease.is_wrong(0));
  s.settle();
  return {seconds, s.cache->outcome(lease.tickets[0])};
}

}  // namespace

TEST_CASE("layers are computed while later ones are on the drive")
{
  layers_scene whole(1);
  const auto one = served(whole);
  CHECK(one.second == lease_outcome::kept);
  CHECK(one.first == Approx(drive_seconds + tiny.layers * compute_seconds).epsilon(0.02));

  layers_scene apart(tiny.layers);
  const auto by_layer = served(apart);
  CHECK(by_layer.second == lease_outcome::kept);
  // The last layer's bytes come with the drive's last byte; all others were computed by then, or are being computed.
  CHECK(by_layer.first == Approx(drive_seconds + compute_seconds).epsilon(0.02));
  CHECK(apart.figures().late_gets == 1);
  apart.serve(1, history + 1);  // what was kept is right
}

TEST_CASE("a layer that rots is lost with its lease, whichever it is, and nothing of it is served")
{
  for (layer_index rotten = 0; rotten < tiny.layers; ++rotten) {
    CAPTURE(rotten);
    layers_scene s(tiny.layers);
    const std::string path = s.config.paths[0];
    s.cache->drain_sync();
    s.flush();
    std::uint64_t flipped = 0;
    {  // a byte of that layer, in every record of the user
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      const std::string all((std::istreambuf_iterator<char>(file)), {});
      file.clear();
      for (std::size_t at = 0; at + nvme::block_bytes <= all.size(); at += nvme::block_bytes) {
        const auto* const block = reinterpret_cast<const std::byte*>(all.data() + at);
        if (nvme::load(block, nvme::at_head::magic) != nvme::block_magic ||
            nvme::load(block, nvme::at_head::kind) != static_cast<std::uint32_t>(nvme::block_kind::record) ||
            nvme::load(block, nvme::at_record::key_id) != 1) {
          continue;
        }
        const std::uint64_t body = nvme::load(block, nvme::at_log::body_blocks) * nvme::block_bytes;
        const std::size_t where = at + nvme::block_bytes + rotten * body / tiny.layers;
        file.seekp(static_cast<std::streamoff>(where));
        file.put(static_cast<char>(all[where] ^ 1));
        ++flipped;
      }
    }
    REQUIRE(flipped != 0);
    auto lease = begin_late(s, {{1, history}}, s.late);
    REQUIRE(lease);
    lease.lease->commit();
    lease.lease->release();
    s.settle();
    CHECK(s.cache->outcome(lease.tickets[0]) == lease_outcome::lost);
    CHECK(s.drive->figures().counts.lost_checksum != 0);
    const auto sources = s.serve(1, history);
    REQUIRE(sources);
    CHECK(sources->computed == history);
  }
}
