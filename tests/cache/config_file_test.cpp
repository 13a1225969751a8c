// Configurations from text: what they say, what is wrong with them, and that what is written is read as the same.
#include "cache/scene.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/cache/config_file.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/tiers/memory_store.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using full = default_cache<emulated_device>;
using lone = device_only_cache<emulated_device>;
using ranges =
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, contiguous_layout, layerwise_transfer<>, lru>;
using stored = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>, pinned_arena<write_back>, memory_store<>>,
                     hybrid_layout, layerwise_transfer<fetch_or_recompute>, lru>;

constexpr std::string_view everything = R"(# a server
layers = 3
kv_heads = 1
head_dim = 4
element = fp8_e4m3   # half of it

page_tokens = 4
chunk = 16
host_order = page_first
device_gib = 0.5
slab_slack = 0.125
slab_window_bytes = 4096
host_gib = 1.5
epoch = 7
split_candidates = 512
split_seconds_per_token = 1e-7
costs_fetch_latency_seconds = 4e-06
writes_in_flight_bytes = 1000000
clean_above = 0.5
clean_below = 0.25
kept_stretches = 3
copy_lanes = 5
)";

template <class Cache>
[[nodiscard]] std::string fault_in(std::string_view text, typename Cache::config c = tiny_config<Cache>(4, 8, 16))
{
  const std::string before = write_cache_config(c);
  const std::string said = sentence_of<data_error>([&] { read_cache_config(text, c, "x.config"); });
  CHECK(write_cache_config(c) == before);
  return said;
}

/// A tier whose config has more than bytes.
struct filed_tier : pinned_arena<>
{
  static constexpr std::string_view name = "file";
  struct config : pinned_arena<>::config
  {
    std::filesystem::path directory = "/tmp";
    bool direct = false;
    std::optional<std::uint32_t> lanes;
  };
  template <class Visit>
  friend void each_config_key(config& c, Visit& visit)
  {
    visit("directory", c.directory);
    visit("direct", c.direct);
    visit("lanes", c.lanes);
  }
};

}  // namespace

TEST_CASE("a configuration is what its text says", "[cache][config_file]")
{
  full::config c;
  read_cache_config(everything, c);
  CHECK(c.shape == geometry{.layers = 3, .kv_heads = 1, .head_dim = 4, .element = element_type::fp8_e4m3});
  CHECK(c.layout.page_tokens == 4);
  CHECK(c.layout.chunk == 16);
  CHECK(c.layout.host_order == page_order::page_first);
  CHECK(std::get<0>(c.tiers).bytes == std::size_t{1} << 29U);
  CHECK(std::get<0>(c.tiers).slack == 0.125);
  CHECK(std::get<0>(c.tiers).window_bytes == 4096);
  CHECK(std::get<1>(c.tiers).bytes == std::size_t{3} << 29U);
  CHECK(c.epoch == epoch_id{7});
  CHECK(c.split.candidates == 512);
  CHECK(c.split.cost.seconds_per_token == 1e-7);
  CHECK(c.costs.fetch_latency_seconds == 4e-6);
  CHECK(c.writes.in_flight_bytes == 1'000'000);
  CHECK(c.writes.clean_above == 0.5);
  CHECK(c.writes.clean_below == 0.25);
  CHECK(c.kept_stretches == 3);
  CHECK(c.copy_lanes == 5);
  // What is not named stays.
  read_cache_config("arena_bytes = 77\r\n\r\nwrites_in_flight_bytes=unlimited", c);
  CHECK(std::get<1>(c.tiers).bytes == 77);
  CHECK(c.writes.in_flight_bytes == write_limits{}.in_flight_bytes);
  CHECK(c.kept_stretches == 3);
  read_cache_config("", c);
  read_cache_config("\xef\xbb\xbf# nothing", c);
  CHECK(std::get<1>(c.tiers).bytes == 77);
}

TEST_CASE("what is wrong with a text is a sentence with its line, and changes nothing", "[cache][config_file]")
{
  CHECK(fault_in<full>("layers = 2\nlayerz = 3") == "x.config:2: there is no key \"layerz\"");
  CHECK(fault_in<full>("# one\n\npage_tokens") == "x.config:3: \"page_tokens\" is no `key = value`");
  CHECK(fault_in<full>("page_tokens =  # 4") == "x.config:1: page_tokens has no value");
  CHECK(fault_in<full>("page_tokens = four") ==
        "x.config:1: page_tokens is \"four\", which is not a whole number from 0 up");
  CHECK(fault_in<full>("page_tokens = -4") ==
        "x.config:1: page_tokens is \"-4\", which is not a whole number from 0 up");
  CHECK(fault_in<full>("page_tokens = 4294967296") ==
        "x.config:1: page_tokens is \"4294967296\", but it may be at most 4294967295");
  CHECK(fault_in<full>("clean_above = nan") ==
        "x.config:1: clean_above is \"nan\", which is not a finite number from 0 up");
  CHECK(fault_in<full>("arena_gib = 1e30") == "x.config:1: arena_gib is \"1e30\", but it may be at most 8589934591");
  CHECK(fault_in<full>("element = f8") ==
        "x.config:1: element is \"f8\", but it must be one of f32, f16, bf16, fp8_e4m3, fp8_e5m2, int8");
  CHECK(fault_in<full>("host_order = odd") ==
        "x.config:1: host_order is \"odd\", but it must be layer_first or page_first");
  CHECK(fault_in<full>("chunk = 16\nchunk = 32") == "x.config:2: chunk says what line 1 says already");
  CHECK(fault_in<full>("arena_gib = 1\nslab_gib = 1\nhost_gib = 2") ==
        "x.config:3: host_gib says what line 1 says already");
  // What a cache would refuse.
  CHECK(fault_in<full>("page_tokens = 5") ==
        "x.config: layout.chunk is 16, but it must be a positive multiple of layout.page_tokens, 5");
  CHECK(fault_in<full>("clean_above = 2") ==
        "x.config: writes.clean_above is 2.000000, but it must be a share of the slab, from 0 to 1");
  CHECK(fault_in<full>("layers = 0") == "x.config: geometry.layers is 0, but it must be at least 1");
  CHECK(fault_in<full>("copy_lanes = 0") == "x.config: copy_lanes is 0, but it must be from 1 to 254");
  // What this composition has no use for.
  CHECK(fault_in<lone>("host_gib = 1") ==
        "x.config:1: this cache has no host_gib: neither its layout, nor its tiers, nor its split policy know it");
  CHECK(fault_in<lone>("chunk = 1").substr(0, 37) == "x.config:1: this cache has no chunk: ");
  CHECK(fault_in<lone>("split_candidates = 1").substr(0, 48) == "x.config:1: this cache has no split_candidates: ");
  CHECK(fault_in<full>("stage_from = 1").substr(0, 42) == "x.config:1: this cache has no stage_from: ");
  CHECK(fault_in<full>("longest = 1").substr(0, 39) == "x.config:1: this cache has no longest: ");
}

TEST_CASE("what is written is read as the same configuration, of any composition", "[cache][config_file]")
{
  const auto same = [](auto c) {
    const std::string text = write_cache_config(c);
    CAPTURE(text);
    decltype(c) again{};
    read_cache_config(text, again);
    CHECK(write_cache_config(again) == text);
    return text;
  };
  full::config c;
  read_cache_config(everything, c);
  c.costs.seconds_per_pair = 0.1 + 0.2;  // no short number
  const std::string text = same(c);
  CHECK(text.find("costs_seconds_per_pair = 0.30000000000000004\n") != std::string::npos);
  CHECK(text.find("slab_bytes = 536870912\n") != std::string::npos);
  CHECK(text.find("_gib") == std::string::npos);
  CHECK(same(tiny_config<lone>(4)).find("arena") == std::string::npos);
  ranges::config r = tiny_config<ranges>(8, 8);
  r.layout.longest = 16;
  CHECK(same(r).find("\nlongest = 16\n") != std::string::npos);
  const std::string deep = same(tiny_config<ranges>(8, 8));
  CHECK(deep.find("writes_in_flight_bytes = unlimited\n") != std::string::npos);

  emulated_device device;
  memory_store<>::on<emulated_device> store(device);
  stored::config s{.shape = tiny, .tiers = {{.bytes = 1}, {.bytes = 2}, {.bytes = 3}, {.store = &store}}};
  s.stores.stage_from = 9;
  const std::string of_store = same(s);
  CHECK(of_store.find("arena_1_bytes = 2\n") != std::string::npos);
  CHECK(of_store.find("arena_2_bytes = 3\narena_2_numa_node = none\n") != std::string::npos);
  CHECK(of_store.find("stage_from = 9\n") != std::string::npos);
  read_cache_config("host_gib = 1\narena_2_gib = 2\nsplit_layers = 4\narena_2_numa_node = 3", s);
  CHECK(std::get<2>(s.tiers).numa_node == 3);
  CHECK(std::get<1>(s.tiers).bytes == std::size_t{1} << 30U);
  CHECK(std::get<2>(s.tiers).bytes == std::size_t{2} << 30U);
  CHECK(s.split.cost.layers == 4);
  CHECK(std::get<3>(s.tiers).store == &store);
}

TEST_CASE("a tier of one's own names its keys", "[cache][config_file]")
{
  using own = cache<tier_stack<device_slab<emulated_device>, filed_tier>, paged_layout, layerwise_transfer<>, lru>;
  own::config c{.shape = tiny};
  read_cache_config("file_gib = 1\nfile_directory = /a b/c\nfile_direct = true\nfile_lanes = 4", c);
  CHECK(std::get<1>(c.tiers).bytes == std::size_t{1} << 30U);
  CHECK(std::get<1>(c.tiers).directory == "/a b/c");
  CHECK(std::get<1>(c.tiers).direct);
  CHECK(std::get<1>(c.tiers).lanes == 4);
  CHECK(fault_in<own>("file_direct = yes", c) == "x.config:1: file_direct is \"yes\", but it must be true or false");
  own::config again;
  read_cache_config(write_cache_config(c), again);
  CHECK(write_cache_config(again) == write_cache_config(c));
  read_cache_config("file_lanes = none", c);
  CHECK_FALSE(std::get<1>(c.tiers).lanes);
}

TEST_CASE("a configuration comes from a file", "[cache][config_file]")
{
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "kvstrata_config_file_test.config";
  std::ofstream(path, std::ios::binary) << everything;
  full::config c;
  read_cache_config_file(path, c);
  CHECK(c.kept_stretches == 3);
  std::ofstream(path, std::ios::binary) << "\nlayers = many\n";
  CHECK(sentence_of<data_error>([&] { read_cache_config_file(path, c); }) ==
        path.string() + ":2: layers is \"many\", which is not a whole number from 0 up");
  std::ofstream(path, std::ios::binary) << std::string((1U << 20U) + 1, '#');
  CHECK(sentence_of<data_error>([&] { read_cache_config_file(path, c); }) ==
        path.string() + ": the file has 1048577 bytes, but a configuration may have at most 1048576");
  std::remove(path.c_str());
  CHECK(sentence_of<data_error>([&] { read_cache_config_file(path, c); }) ==
        path.string() + ": the file cannot be read");
}
