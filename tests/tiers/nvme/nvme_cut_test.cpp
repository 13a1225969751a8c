// nvme_file after crashes: all that was durable is served, nothing else is, byte for byte, from every state that a disk may
// be in when the power goes, also while it recovers.
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "tiers/nvme/crash_run.hpp"
#include "tiers/nvme/faulty_engines.hpp"

#include <kvstrata/codec/body_coder.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <cstdint>
#include <memory>
#include <utility>

namespace {

using namespace kvstrata_test;
using kvstrata::nvme_file_config;
using kvstrata::put_done;

/// A store of small regions, so that a walk fills, seals and uses them again.
struct file_shape
{
  std::uint64_t regions = 48;
  std::uint64_t region_blocks = 16;
  std::uint64_t chunk_bytes = 12288;
  std::uint32_t layers = 2;
  put_done done_when = put_done::written;
  std::uint32_t paths = 1;
  std::uint32_t known_headers = 1U << 16U;
  std::uint32_t clean_regions = 0;

  [[nodiscard]] std::uint64_t bytes() const noexcept { return regions * region_blocks * disk_image::block; }
};

template <class Engine = recording_engine, class Codec = kvstrata::codec::identity>
struct file_subject
{
  using store = typename kvstrata::nvme_file<Codec>::template on<kvstrata::emulated_device>;

  file_shape shape{};

  std::unique_ptr<store> operator()(kvstrata::emulated_device& d, std::shared_ptr<memory_disk> disk) const
  {
    nvme_file_config c;
    for (std::uint32_t i = 0; i < shape.paths; ++i) c.paths.push_back("disk " + std::to_string(i));
    c.bytes = shape.bytes() / shape.paths;
    c.region_bytes = shape.region_blocks * disk_image::block;
    c.chunk_bytes = shape.chunk_bytes;
    c.layers = shape.layers;
    c.piece = {.tokens = 4, .kv_heads = 1, .head_dim = 64 / shape.layers};  // of 256 bytes a token
    c.done_when = shape.done_when;
    c.lanes = 2;
    c.in_flight = 6;
    c.most_records = 4096;
    c.known_headers = shape.known_headers;
    c.clean_regions = shape.clean_regions;
    c.engine = engine_on<Engine>(std::move(disk));
    return std::make_unique<store>(d, c);
  }
};

/// A disk on which the store has been made.
disk_image made(const file_shape& shape)
{
  const auto disk = std::make_shared<memory_disk>(shape.bytes());
  kvstrata::emulated_device d({.time = kvstrata::time_mode::virtual_time});
  file_subject<>{shape}(d, disk)->close();
  return disk->image();
}

crash_run_config run_of(const file_shape& shape, std::uint64_t seed)
{
  crash_run_config c;
  c.disk_bytes = shape.bytes();
  c.walk.seed = seed;
  c.walk.keys = 4;
  c.walk.done_is_durable = shape.done_when == put_done::durable;
  c.walk.shape = {.page_tokens = 4, .token_bytes = 256};
  c.walk.pages_of_a_record = static_cast<kvstrata::page_count>(shape.chunk_bytes / c.walk.shape.page_bytes());
  return c;
}

template <class Engine = recording_engine, class Codec = kvstrata::codec::identity>
check_report crashes(const file_shape& shape, const crash_run_config& c)
{
  return run_crashes(file_subject<Engine, Codec>{shape}, c);
}

/// One state in so many of those that a crash may leave.
void crash_at_any_moment(std::size_t one_in)
{
  for (const auto when : {put_done::written, put_done::durable}) {
    check_report all;
    for (std::uint64_t seed = 1; seed <= 1U + effort / 2U; ++seed) {
      file_shape shape{.done_when = when};
      if (seed % 3 == 0) shape.chunk_bytes = 4096;
      if (seed % 4 == 1) shape.layers = 1;
      if (seed % 4 == 2) shape.paths = 3;
      if (seed % 5 == 4) shape.known_headers = 1;
      crash_run_config c = run_of(shape, seed);
      c.cuts.one_in = one_in;
      all.add(crashes(shape, c));
      INFO("seed " << seed << ", durable " << (when == put_done::durable) << ": " << all.text());
      REQUIRE(all.faults() == 0);
    }
  }
}

void crash_while_making_room(std::size_t one_in)
{
  check_report all;
  for (std::uint64_t seed = 1; seed <= 1U + effort / 2U; ++seed) {
    file_shape shape{.regions = 8, .region_blocks = 12};
    if (seed % 2 == 0) shape.done_when = put_done::durable;
    if (seed % 3 == 0) shape.chunk_bytes = 4096;
    if (seed % 2 == 1) {  // several make room together
      shape.clean_regions = 6;
      shape.regions = 14;
    }
    crash_run_config c = run_of(shape, seed);
    c.walk.may_evict = true;
    c.steps = 150;
    c.cuts.one_in = one_in;
    all.add(crashes(shape, c));
    INFO("seed " << seed << ": " << all.text());
    REQUIRE(all.faults() == 0);
  }
}

}  // namespace

TEST_CASE("nvme_file after a crash at any moment: all that was durable, nothing else") { crash_at_any_moment(64); }
TEST_CASE("nvme_file after a crash in a store that makes room: nothing wrong, nothing erased, nothing old")
{
  crash_while_making_room(256);
}
TEST_CASE("nvme_file with a codec after a crash at any moment: all that was durable, nothing else")
{
  using code = kvstrata::codec::as_body<toy>;
  check_report all;
  for (const auto when : {put_done::written, put_done::durable}) {
    file_shape shape{.done_when = when};
    crash_run_config c = run_of(shape, 1);
    c.cuts.one_in = 128;
    all.add(crashes<recording_engine, code>(shape, c));
    shape = {.regions = 8, .region_blocks = 12, .done_when = when};  // it makes room
    c = run_of(shape, 2);
    c.walk.may_evict = true;
    c.steps = 120;
    c.cuts.one_in = 512;
    all.add(crashes<recording_engine, code>(shape, c));
    INFO("durable " << (when == put_done::durable) << ": " << all.text());
    REQUIRE(all.faults() == 0);
  }
}
TEST_CASE("nvme_file after crashes, in full: minutes", "[.full]")
{
  crash_at_any_moment(8);
  crash_while_making_room(20);
}

TEST_CASE("nvme_file with errors of the disk at every place: nothing is wrong, what is said to be durable is")
{
  check_report all;
  for (std::uint64_t n = 0; n < 4U * effort; ++n) {
    file_shape shape{.done_when = n % 2 == 0 ? put_done::written : put_done::durable};
    crash_run_config c = run_of(shape, 100 + n);
    c.steps = 30;
    c.used_further_in = 20;
    c.cuts.one_in = 20;
    c.walk.may_lose = true;
    c.start = made(shape);
    c.faults = n % 3 == 0 ? fail_write(n / 3) : n % 3 == 1 ? fail_flush(n / 6) : fail_read(n);
    all.add(crashes(shape, c));
    INFO(n << ": " << all.text());
    REQUIRE(all.faults() == 0);
  }
}

TEST_CASE("nvme_file on an engine that breaks its word: these tests see it")
{
  const auto seen = [](auto engine, put_done when) {
    check_report all;
    for (std::uint64_t seed = 1; seed <= 8 && all.faults() == 0; ++seed) {
      file_shape shape{.done_when = when};
      crash_run_config c = run_of(shape, seed);
      c.start = made(shape);
      c.cuts.one_in = 4;
      all.add(crashes<typename decltype(engine)::type>(shape, c));
    }
    return all;
  };
  for (const auto when : {put_done::written, put_done::durable}) {
    check_report r = seen(std::type_identity<engine_without_flushes>{}, when);
    INFO(r.text());
    CHECK(r.lost + r.erased + r.stale != 0);
    r = seen(std::type_identity<engine_that_reorders>{}, when);
    INFO(r.text());
    CHECK(r.lost + r.erased + r.stale != 0);
  }
}
