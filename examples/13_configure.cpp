// A cache's configuration from a text, what it is warned of, and how large its levels must be for the users at hand.
#include <kvstrata/cache.hpp>
#include <kvstrata/cache/config_file.hpp>
#include <kvstrata/cache/memory_for.hpp>
#include <kvstrata/cache/warnings.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <cstdio>
#include <string>

using namespace kvstrata;

using my_cache = default_cache<emulated_device>;

// As it would stand in a file: read_cache_config_file("cache.config", config).
constexpr const char* settings = R"(
layers = 8            # the model's KV: 16 KiB a token
kv_heads = 4
head_dim = 128
element = bf16

page_tokens = 32
slab_gib = 2          # level 0, on the device
arena_gib = 1         # level 1, pinned host memory
clean_above = 0.5     # when more of the slab is dirty, the coldest are written down
clean_below = 0.25    # until no more than this is
)";

int main()
{
  my_cache::config config;
  read_cache_config(settings, config);
  for (const std::string& each : warnings_of<my_cache>(config)) std::printf("warning: %s\n", each.c_str());

  // A thousand users of 4,096 tokens and twenty of 20,480, all in the arena, a tenth of them in the slab at a time.
  const history_count users[] = {{.tokens = 4'096, .users = 1'000}, {.tokens = 20'480, .users = 20}};
  const history_count at_a_time[] = {{.tokens = 4'096, .users = 100}, {.tokens = 20'480, .users = 2}};
  const cache_need all = memory_for<my_cache>(config, users);
  const cache_need some = memory_for<my_cache>(config, at_a_time);
  std::get<0>(config.tiers).bytes = some.levels[0].bytes;
  std::get<1>(config.tiers).bytes = all.levels[1].bytes;
  std::printf("the slab takes %.2f GiB, the arena %.2f GiB, the books of all %.2f MiB\n",
              static_cast<double>(some.levels[0].bytes) / 0x1p30, static_cast<double>(all.levels[1].bytes) / 0x1p30,
              static_cast<double>(all.books.bytes()) / 0x1p20);
  std::printf("a GiB of arena holds %llu such users\n",
              static_cast<unsigned long long>(users_for<my_cache, 1>(std::size_t{1} << 30U, config, users)));

  config.costs = cost_model::of(machine{.flops_per_second = 4e14, .link_bytes_per_second = 53e9}, 1024, config.shape);
  std::printf("%zu warnings now\n\n%s", warnings_of<my_cache>(config).size(), write_cache_config(config).c_str());

  emulated_device device({.time = time_mode::virtual_time, .data = false});
  my_cache cache(device, config);  // what was said last
  return warnings_of<my_cache>(config).empty() && cache.stats().levels[1].capacity_bytes == all.levels[1].bytes ? 0 : 1;
}
